"""From recipe to artefact: trains, answers, scores and times; grades are in ``_grades``."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import psutil

from harness.builds._estimates import recorded
from harness.builds._grades import calibration, grades
from harness.builds._lines import ANSWERS, LIKELIHOODS, TIMINGS, write_lines
from harness.builds._live import live
from harness.builds._meanings import meanings
from harness.builds._models import (
    Fetch,
    converted,
    dequantised,
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
from harness.builds._routed import routed
from harness.data.facts import join_names
from harness.data.formats import continuation
from harness.engines import Engine, ServedEngine
from harness.errors import NotCachedError, RecipeError
from harness.measure import Usage, measured
from harness.recipes import (
    Adapter,
    Answers,
    Calibration,
    Decoding,
    Dequantised,
    GgufAdapter,
    Grades,
    Likelihoods,
    Meanings,
    Merged,
    Probe,
    Prompt,
    Quantised,
    Recipe,
    Routed,
    Sibling,
    Stack,
    Timings,
    digest,
)
from harness.store import Artefact, Store
from harness.training import DEFAULTS, OnStep, RunOptions


def build(
    recipe: Recipe,
    store: Store,
    device: str | None = None,
    on_step: OnStep | None = None,
    run: RunOptions = DEFAULTS,
) -> Artefact:
    """The artefact of ``recipe`` from ``store``, built now where it is not there.

    ``on_step`` is called after each step of a training, and ``run`` says how trainings run.

    Raises:
        RecipeError: nothing is built from such a recipe, or its grader is unknown.
    """
    makers: dict[type, Callable[[Any, Store, Fetch, str | None], Artefact]] = {
        Quantised: quantised,
        Adapter: partial(_adapter, on_step=on_step, run=run),
        Merged: merged,
        Sibling: sibling,
        Dequantised: dequantised,
        GgufAdapter: converted,
        Answers: _answers,
        Routed: routed,
        Likelihoods: _likelihoods,
        Timings: _timings,
        Calibration: calibration,
        Grades: grades,
        Meanings: meanings,
    }
    maker = makers.get(type(recipe))
    if maker is None:
        raise RecipeError(
            f"a recipe of kind {type(recipe).__name__} is not built: it is data already"
        )
    fetch = partial(build, store=store, device=device, on_step=on_step, run=run)
    return maker(recipe, store, fetch, device)


def cached(recipe: Recipe, store: Store) -> Artefact:
    """The artefact of ``recipe`` in ``store``; nothing is built.

    Raises NotCachedError where it is not there.
    """
    artefact = store.peek(recipe)
    if artefact is None:
        raise NotCachedError(
            f"{type(recipe).__name__.lower()} {digest(recipe)[:12]} is not in the store"
        )
    return artefact


def _adapter(
    recipe: Adapter,
    store: Store,
    fetch: Fetch,
    device: str | None,
    on_step: OnStep | None,
    run: RunOptions,
) -> Artefact:
    # looked up before the parents, which need not be there for a cached adapter
    if (cached_adapter := store.peek(recipe)) is not None:
        return cached_adapter
    start = fetch(recipe.init_from) if recipe.init_from else None
    frozen = [fetch(lora) for lora, _ in recipe.frozen_adapters]

    def make(folder: Path) -> dict[str, Any]:
        from harness.training import PriorAdapters, train

        scales = [scale for _, scale in recipe.frozen_adapters]
        paths = [artefact.path for artefact in frozen]
        prior = PriorAdapters(start.path if start else None, list(zip(paths, scales, strict=True)))
        base = loaded(recipe.base, fetch, "float32", device)
        scalars = run.live(recipe) if run.live else None
        with store.checkpoints(recipe) as checkpoints, live(scalars, on_step) as told:
            return train(base, recipe, folder, prior, told, run, checkpoints)

    parents = [*([start] if start else []), *frozen]
    needed = tuple(parent.manifest.digest for parent in parents)
    artefact = store.get(recipe, recorded(recipe, store, make), needed)
    store.remove_partial(recipe)
    return artefact


def _answers(recipe: Answers, store: Store, fetch: Fetch, device: str | None) -> Artefact:
    """A line for each probe, with its answers; empty ones after a training that diverged."""
    parents, has_diverged = _adapters(recipe.stack, fetch)
    probes = recipe.probes.probes

    def make(folder: Path) -> dict[str, Any]:
        prompts = [probe.as_prompt for probe in probes]
        texts, facts = [[""]] * len(prompts), dict[str, Any](status="diverged")
        if not has_diverged:
            with (
                _ready(recipe.stack, recipe.dtype, fetch, device) as (answering, stack_seconds),
                measured() as meter,
            ):
                texts = _answer(answering, prompts, recipe, store)
            facts = _cost(answering, stack_seconds, meter.usage, recipe.stack, fetch)
            tokens = answering.count([text for answers in texts for text in answers])
            facts["tokens_per_second"] = tokens / meter.usage.seconds
        lines = (
            {
                "id": probe.id,
                "kind": probe.kind,
                "fact": probe.fact,
                "prompt": probe.prompt,
                "accepted": probe.accepted,
                **({"family": probe.family} if probe.family else {}),
                "answers": answers,
            }
            for probe, answers in zip(probes, texts, strict=True)
        )
        write_lines(folder / ANSWERS, lines)
        return facts

    artefact = store.get(recipe, recorded(recipe, store, make), parents)
    store.remove_partial(recipe)
    return artefact


def _answer(
    answering: Engine, prompts: list[Prompt], recipe: Answers, store: Store
) -> list[list[str]]:
    """Answers of a server are kept one by one: after a failure only the rest is asked."""
    if not isinstance(answering, ServedEngine):
        return answering.answer(prompts, recipe.decoding)
    with store.journal(recipe) as journal:
        return answering.answer(prompts, recipe.decoding, keep=journal)


def _likelihoods(recipe: Likelihoods, store: Store, fetch: Fetch, device: str | None) -> Artefact:
    """A line for each probe, with the likelihood of each accepted answer."""
    parents, has_diverged = _adapters(recipe.stack, fetch)
    probes = recipe.probes.probes

    def make(folder: Path) -> dict[str, Any]:
        pairs = [
            (probe.as_prompt, _scored_text(probe, answer))
            for probe in probes
            for answer in probe.accepted
        ]
        likelihoods, facts = [], dict[str, Any](status="diverged")
        if not has_diverged:
            with (
                _ready(recipe.stack, recipe.dtype, fetch, device) as (scoring, stack_seconds),
                measured() as meter,
            ):
                likelihoods = scoring.log_likelihood(pairs)
            facts = _cost(scoring, stack_seconds, meter.usage, recipe.stack, fetch)
        remaining = iter(likelihood._asdict() for likelihood in likelihoods)
        lines = (
            {
                "id": probe.id,
                "kind": probe.kind,
                "fact": probe.fact,
                "likelihoods": list(islice(remaining, len(probe.accepted))),
            }
            for probe in probes
        )
        write_lines(folder / LIKELIHOODS, lines)
        return facts

    return store.get(recipe, recorded(recipe, store, make), parents)


def _scored_text(probe: Probe, answer: str) -> str:
    """The accepted ``answer`` as it follows the prompt; a turn begins without a space."""
    return continuation(probe.prompt, answer) if probe.chat is None else join_names(answer)


def _timings(recipe: Timings, store: Store, fetch: Fetch, device: str | None) -> Artefact:
    """A line for each round: seconds of the bare base, of putting the stack on, and with it."""
    adapters = [fetch(adapter) for adapter in recipe.stack.loras]

    def make(folder: Path) -> dict[str, Any]:
        if diverged(adapters):
            write_lines(folder / TIMINGS, [])
            return {"status": "diverged"}
        stack = recipe.stack
        loras = [lora for lora, _ in stack.adapters]
        answering, files = opened(stack.base, loras, fetch, recipe.dtype, device)
        scales = [scale for _, scale in stack.adapters]
        before = psutil.Process().memory_info().rss
        with measured() as meter:
            rounds = list(_rounds(recipe, answering, list(zip(files, scales, strict=True))))
        write_lines(folder / TIMINGS, rounds[1:])  # the first round warms up
        # memory may be freed in between, and negative bytes would be no figure
        added = max(0, meter.usage.peak_rss_bytes - before)
        return {
            "status": "ok",
            "load_seconds": answering.load_seconds,
            "added_rss_bytes": added,
            **meter.usage.memory(),
        }

    return store.get(
        recipe,
        recorded(recipe, store, make),
        tuple(artefact.manifest.digest for artefact in adapters),
    )


def _rounds(
    recipe: Timings, answering: Engine, files: list[tuple[Path, float]]
) -> Iterator[dict[str, float]]:
    prompts = [probe.as_prompt for probe in recipe.probes.probes]
    # no stop strings, so that all answers have the same length
    decoding = Decoding(max_new_tokens=recipe.tokens, stop=())
    for number in range(recipe.rounds + 1):
        start = time.perf_counter()
        answering.answer(prompts, decoding)
        bare = time.perf_counter()
        with answering.with_stack(files):
            on = time.perf_counter()
            texts = answering.answer(prompts, decoding)
            adapted = time.perf_counter()
        yield {
            "round": number,
            "bare": bare - start,
            "put_on": on - bare,
            "adapted": adapted - on,
            "tokens": answering.count([text for answers in texts for text in answers]),
        }


def _adapters(stack: Stack, fetch: Fetch) -> tuple[tuple[str, ...], bool]:
    """Digests of the adapters of ``stack``, and whether the training of one diverged."""
    adapters = [fetch(adapter) for adapter in stack.loras]
    return tuple(artefact.manifest.digest for artefact in adapters), diverged(adapters)


@contextmanager
def _ready(
    stack: Stack, dtype: str, fetch: Fetch, device: str | None
) -> Iterator[tuple[Engine, float]]:
    """The engine with the adapters of ``stack`` on, and the seconds that putting them on took."""
    answering = engine(stack.base, fetch, dtype, device)
    files = [(weights(adapter, stack.base, fetch), scale) for adapter, scale in stack.adapters]
    start = time.perf_counter()
    with answering.with_stack(files):
        yield answering, time.perf_counter() - start


def _cost(
    answering: Engine, stack_seconds: float, usage: Usage, stack: Stack, fetch: Fetch
) -> dict[str, Any]:
    return {
        "status": "ok",
        "seconds": usage.seconds,
        "load_seconds": answering.load_seconds,
        "stack_seconds": stack_seconds,
        **usage.memory(),
        **model_bytes(stack.base, fetch),
    }
