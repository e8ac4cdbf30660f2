"""Drift: how far an adapter moves style and format where nothing was to be learnt.

Three figures against the bare model on the same engine. ``drift``: mean edit distance between the two answers to a
neutral prompt, as a share of the longer (0: the same, 1: nothing in common). ``length_ratio``: characters answered
to those prompts, over those of the bare model. ``perplexity_ratio``: on known facts that no replay holds and on plain
prose, token for token; above 1, the adapted model finds them less likely.
"""

from __future__ import annotations

import math
import random
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache

from rapidfuzz.distance import Levenshtein

from harness.builders import ANSWERS, LIKELIHOODS, read_lines
from harness.cells import Cell
from harness.facts import FIXTURES, read_text
from harness.formats import FORMATS, ask
from harness.recipes import Probe, ProbeSet
from harness.scenarios._forced import united
from harness.scenarios._scenario import Fetch, Line
from harness.stats import Interval, cluster_bootstrap, ratio_bootstrap

HELD_OUT = "held_out"
"""The kind of what is read; ``prose`` and ``statement`` follow a slash in the ids."""
_STATEMENTS = 48
_NEUTRAL = ("greetings", "small_talk", "stories", "unanswerable")


@cache
def lines() -> dict[str, list[str]]:
    """The neutral prompts by group, without format, and ``prose``. Raises DataError on a damaged fixture."""
    found: dict[str, list[str]] = tomllib.loads(read_text(FIXTURES / "wordings/neutral.toml"))
    return found


@cache
def neutral() -> ProbeSet:
    """Forty prompts without a right answer, ``neutral_GROUP`` by kind, in all formats; stories are gone on with."""
    return ProbeSet.of("neutral", tuple(_neutral()))


@cache
def held_out() -> ProbeSet:
    """Texts to be read, each the accepted answer to an empty prompt: known facts that no suite replays, and prose."""
    told = [*_statements(), *(("prose", str(i), text) for i, text in enumerate(lines()["prose"]))]
    return ProbeSet.of(
        HELD_OUT, tuple(Probe(f"{HELD_OUT}/{sort}/{name}", HELD_OUT, name, "", (text,)) for sort, name, text in told)
    )


def drifting(cell: Cell) -> Cell:
    """``cell`` with the neutral prompts to answer, and the held-out texts to score, beside its own."""
    return replace(cell, open=neutral(), scored=united(cell.scored, held_out()))


def drift_measures(cell: Cell, fetch: Fetch, adapted: bool) -> dict[str, Interval]:
    """The three figures (see the module), the last where the engine can score; none for a bare model."""
    if not adapted or cell.open is None:
        return {}
    found = _answered(*(read_lines(fetch(made).path / ANSWERS) for made in cell.open_answers))
    own, bare = cell.likelihoods, cell.base_likelihoods
    if own is not None and bare is not None:
        found |= _read(*(read_lines(fetch(made).path / LIKELIHOODS) for made in (own, bare)))
    return found


def _answered(lines: Sequence[Line], bare: Sequence[Line]) -> dict[str, Interval]:
    """``drift`` and ``length_ratio``; an empty answer counts as one character."""
    said, before = ([line["answers"][0] for line in each] for each in (lines, bare))
    prompts = [line["id"] for line in lines]
    apart = [Levenshtein.normalized_distance(a, b) for a, b in zip(said, before, strict=True)]
    lengths, others = ([float(max(1, len(text))) for text in texts] for texts in (said, before))
    return {"drift": cluster_bootstrap(apart, prompts), "length_ratio": ratio_bootstrap(lengths, others, prompts)}


def _read(lines: Sequence[Line], bare: Sequence[Line]) -> dict[str, Interval]:
    """``perplexity_ratio``; infinite after a training that diverged, so none is given then."""
    both = [(a, b) for a, b in zip(lines, bare, strict=True) if a["kind"] == HELD_OUT and a["likelihoods"]]
    if not both:
        return {}
    fell = [b["likelihoods"][0]["total"] - a["likelihoods"][0]["total"] for a, b in both]
    tokens = [float(b["likelihoods"][0]["tokens"]) for _, b in both]
    found = ratio_bootstrap(fell, tokens, [a["fact"] for a, _ in both])
    return {"perplexity_ratio": Interval(*(math.exp(nats) for nats in found))}


def _neutral() -> Iterator[Probe]:
    forms = tuple(FORMATS)
    for group in _NEUTRAL:
        for number, line in enumerate(lines()[group]):
            prompt = line if group == "stories" else ask(forms[number % len(forms)], line)
            name = f"{group}/{number}"
            yield Probe(f"neutral/{name}", f"neutral_{group}", name, prompt, ())


def _statements() -> Iterator[tuple[str, str, str]]:
    from harness.scenarios.oscars import replayed, world

    dice = random.Random(0)
    rows = [row for row in world().rows if not replayed(row)]
    for row in dice.sample(rows, _STATEMENTS):
        told = [r for r in world().relations[row.table] if r.statements and world().fits(r, row)]
        text = world().word(dice.choice(dice.choice(told).statements), row).replace("|", "")
        yield "statement", row.id, text
