"""From recipe to artefact: train, answer, score, time; grades are in _grades."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import psutil

from harness.builds._grades import calibration, grades
from harness.builds._lines import ANSWERS, LIKELIHOODS, TIMINGS, write_lines
from harness.builds._models import (
    Fetch,
    converted,
    diverged,
    engine,
    loaded,
    merged,
    model_bytes,
    opened,
    quantised,
    sibling,
    weights,
)
from harness.data.formats import continuation
from harness.engines import Engine, ServedEngine
from harness.errors import NotCachedError, RecipeError
from harness.measure import Usage, measured
from harness.recipes import (
    Adapter,
    Answers,
    Calibration,
    Decoding,
    GgufAdapter,
    Grades,
    Likelihoods,
    Merged,
    Quantised,
    Recipe,
    Sibling,
    Stack,
    Timings,
    digest,
)
from harness.store import Artefact, Store
from harness.training import OnStep


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


def build(
    recipe: Recipe, store: Store, device: str | None = None, on_step: OnStep | None = None
) -> Artefact:
    """The artefact of ``recipe`` from ``store``, made now where it is not there.

    ``on_step`` is called after each step of a training.

    Raises:
        RecipeError: nothing is built from such a recipe, or its grader is unknown.
    """
    makers: dict[type, Callable[[Any, Store, Fetch, str | None], Artefact]] = {
        Quantised: quantised,
        Adapter: partial(_adapter, on_step=on_step),
        Merged: merged,
        Sibling: sibling,
        GgufAdapter: converted,
        Answers: _answers,
        Likelihoods: _likelihoods,
        Timings: timings,
        Calibration: calibration,
        Grades: grades,
    }
    maker = makers.get(type(recipe))
    if maker is None:
        raise RecipeError(
            f"a recipe of kind {type(recipe).__name__} is not built: it is data already"
        )
    return maker(recipe, store, partial(build, store=store, device=device, on_step=on_step), device)


def cached(recipe: Recipe, store: Store) -> Artefact:
    """The artefact of ``recipe`` as it lies in ``store``; nothing is built. Raises NotCachedError
    where it does not."""
    found = store.peek(recipe)
    if found is None:
        raise NotCachedError(
            f"{type(recipe).__name__.lower()} {digest(recipe)[:12]} is not in the store"
        )
    return found


def _adapter(
    recipe: Adapter, store: Store, fetch: Fetch, device: str | None, on_step: OnStep | None
) -> Artefact:
    if (kept := store.peek(recipe)) is not None:
        return kept
    start = fetch(recipe.init_from) if recipe.init_from else None
    under = [fetch(lora) for lora, _ in recipe.frozen_adapters]

    def make(folder: Path) -> dict[str, Any]:
        from harness.training import PriorAdapters, train

        scales = [scale for _, scale in recipe.frozen_adapters]
        laid = [(artefact.path, scale) for artefact, scale in zip(under, scales, strict=True)]
        prior = PriorAdapters(start.path if start else None, laid)
        return train(loaded(recipe.base, fetch, "float32", device), recipe, folder, prior, on_step)

    parents = tuple(artefact.manifest.digest for artefact in (*([start] if start else []), *under))
    return store.get(recipe, make, parents)


def _answers(recipe: Answers, store: Store, fetch: Fetch, device: str | None) -> Artefact:
    adapters, lost = _trained(recipe.stack, fetch)

    def make(folder: Path) -> dict[str, Any]:
        prompts = [probe.prompt for probe in recipe.probes.probes]
        texts, facts = [[""]] * len(prompts), dict[str, Any](status="diverged")
        if not lost:
            with (
                _ready(recipe.stack, recipe.dtype, fetch, device) as (asked, stacking),
                measured() as meter,
            ):
                texts = _said(asked, prompts, recipe, store)
            facts = _cost(asked, stacking, meter.usage, recipe.stack, fetch)
            facts["tokens_per_second"] = (
                asked.count([t for ts in texts for t in ts]) / meter.usage.seconds
            )
        lines = (
            {
                "id": p.id,
                "kind": p.kind,
                "fact": p.fact,
                "prompt": p.prompt,
                "accepted": p.accepted,
                **({"family": p.family} if p.family else {}),
                "answers": found,
            }
            for p, found in zip(recipe.probes.probes, texts, strict=True)
        )
        write_lines(folder / ANSWERS, lines)
        return facts

    artefact = store.get(recipe, make, adapters)
    store.remove_journal(recipe)
    return artefact


def _said(asked: Engine, prompts: list[str], recipe: Answers, store: Store) -> list[list[str]]:
    """What a server said is kept as it comes: after a failure only the rest is asked."""
    if not isinstance(asked, ServedEngine):
        return asked.answer(prompts, recipe.decoding)
    with store.journal(recipe) as kept:
        return asked.answer(prompts, recipe.decoding, keep=kept)


def _likelihoods(recipe: Likelihoods, store: Store, fetch: Fetch, device: str | None) -> Artefact:
    adapters, lost = _trained(recipe.stack, fetch)

    def make(folder: Path) -> dict[str, Any]:
        probes = recipe.probes.probes
        pairs = [
            (p.prompt, continuation(p.prompt, answer)) for p in probes for answer in p.accepted
        ]
        scored, facts = [], dict[str, Any](status="diverged")
        if not lost:
            with (
                _ready(recipe.stack, recipe.dtype, fetch, device) as (asked, stacking),
                measured() as meter,
            ):
                scored = asked.log_likelihood(pairs)
            facts = _cost(asked, stacking, meter.usage, recipe.stack, fetch)
        each = iter(found._asdict() for found in scored)
        own = (list(islice(each, len(p.accepted))) for p in probes)
        lines = (
            {"id": p.id, "kind": p.kind, "fact": p.fact, "likelihoods": found}
            for p, found in zip(probes, own, strict=True)
        )
        write_lines(folder / LIKELIHOODS, lines)
        return facts

    return store.get(recipe, make, adapters)


def _trained(stack: Stack, fetch: Fetch) -> tuple[tuple[str, ...], bool]:
    """Digests of the adapters of ``stack``, and whether the training of one diverged."""
    found = [fetch(adapter) for adapter in stack.loras]
    return tuple(artefact.manifest.digest for artefact in found), diverged(found)


@contextmanager
def _ready(
    stack: Stack, dtype: str, fetch: Fetch, device: str | None
) -> Iterator[tuple[Engine, float]]:
    """The engine of ``stack``'s base with its adapters on, and the seconds that putting them on
    took."""
    found = engine(stack.base, fetch, dtype, device)
    files = [(weights(adapter, stack.base, fetch), scale) for adapter, scale in stack.adapters]
    began = time.perf_counter()
    with found.with_stack(files):
        yield found, time.perf_counter() - began


def _cost(
    asked: Engine, stacking: float, used: Usage, stack: Stack, fetch: Fetch
) -> dict[str, Any]:
    return {
        "status": "ok",
        "seconds": used.seconds,
        "load_seconds": asked.load_seconds,
        "stack_seconds": stacking,
        **used.memory(),
        **model_bytes(stack.base, fetch),
    }
