"""Timings of a stack beside its bare base, interleaved, so that a busy moment falls on both."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from harness.builds._lines import TIMINGS, write_lines
from harness.builds._models import Fetch, diverged, opened
from harness.engines import Engine
from harness.measure import measured
from harness.recipes import Decoding, Timings
from harness.store import Artefact, Store


def timings(recipe: Timings, store: Store, fetch: Fetch, device: str | None) -> Artefact:
    """A line a round: seconds that the bare base took to answer, that the stack took to be put on,
    and to answer."""
    made = [fetch(adapter) for adapter in recipe.stack.loras]

    def make(folder: Path) -> dict[str, Any]:
        if diverged(made):
            write_lines(folder / TIMINGS, [])
            return {"status": "diverged"}
        stack = recipe.stack
        asked, files = opened(
            stack.base, [lora for lora, _ in stack.adapters], fetch, recipe.dtype, device
        )
        scaled = [(file, scale) for file, (_, scale) in zip(files, stack.adapters, strict=True)]
        before = psutil.Process().memory_info().rss
        with measured() as meter:
            rounds = list(_rounds(recipe, asked, scaled))
        write_lines(folder / TIMINGS, rounds[1:])  # the first also warms up
        added = max(0, meter.usage.peak_rss_bytes - before)
        return {
            "status": "ok",
            "load_seconds": asked.load_seconds,
            "added_rss_bytes": added,
            **meter.usage.memory(),
        }

    return store.get(recipe, make, tuple(artefact.manifest.digest for artefact in made))


def _rounds(
    recipe: Timings, asked: Engine, files: list[tuple[Path, float]]
) -> Iterator[dict[str, float]]:
    prompts = [probe.prompt for probe in recipe.probes.probes]
    by = Decoding(max_new_tokens=recipe.tokens, stop=())
    for number in range(recipe.rounds + 1):
        began = time.perf_counter()
        asked.answer(prompts, by)
        bare = time.perf_counter()
        with asked.with_stack(files):
            on = time.perf_counter()
            said = asked.answer(prompts, by)
            done = time.perf_counter()
        tokens = asked.count([text for texts in said for text in texts])
        yield {
            "round": number,
            "bare": bare - began,
            "put_on": on - bare,
            "adapted": done - on,
            "tokens": tokens,
        }
