"""Drift: how far an adapter moves style and format where nothing was to be learnt.

Three figures against the bare model on the same engine. ``drift``: mean edit distance between the
two answers to a neutral prompt, as a share of the longer (0: the same, 1: nothing in common).
``length_ratio``: characters answered to those prompts, over those of the bare model.
``perplexity_ratio``: on known facts that no replay holds and on plain prose, token for token; above
1, the adapted model finds them less likely.
"""

from __future__ import annotations

import math
import random
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache, lru_cache
from typing import Any

from rapidfuzz.distance import Levenshtein

from harness.builds import ANSWERS, LIKELIHOODS, read_lines
from harness.data.facts import FIXTURES, read_text
from harness.data.formats import FORMATS, ask
from harness.experiments.cells import Cell
from harness.experiments.scenario import Fetch, Line
from harness.recipes import Probe, ProbeSet, Recipe, is_locality
from harness.stats import Interval, cluster_bootstrap, ratio_bootstrap


def forced(cell: Cell, headline: str) -> Cell:
    """``cell`` with the answers to its headline's probes scored, beside those that it has scored
    already."""
    own = _of_kind(cell.probes, _kind(cell.probes, headline))
    return cell if own is None else replace(cell, scored=united(cell.scored, own))


def forced_measures(
    cell: Cell, lines: Sequence[Line], headline: str, fetch: Fetch, adapted: bool
) -> dict[str, Interval]:
    """``teacher_forced``: share of the right answer's tokens that are the most probable one after
    the true text.

    A mean over the headline's probes, by the best of their accepted answers, resampled by fact.
    ``gap`` is its lead over the recall of the same probes. Neither where the engine cannot score
    text, or nothing was scored.
    """
    recipe: Recipe | None = cell.likelihoods if adapted else cell.base_likelihoods
    if recipe is None:
        return {}
    scored = {
        line["id"]: line["likelihoods"] for line in read_lines(fetch(recipe).path / LIKELIHOODS)
    }
    kind = _kind(cell.probes, headline)
    asked = [line for line in lines if line["kind"] == kind and line["id"] in scored]
    if not asked:
        return {}
    shares = [_best(scored[line["id"]]) for line in asked]
    facts = [line["fact"] for line in asked]
    leads = [share - line["right"] for share, line in zip(shares, asked, strict=True)]
    return {
        "teacher_forced": cluster_bootstrap(shares, facts),
        "gap": cluster_bootstrap(leads, facts, within=(-1, 1)),
    }


def _kind(probes: ProbeSet, headline: str) -> str:
    """The headline, or the first kind on trained facts where the headline is a measure; empty
    without any."""
    kinds = dict.fromkeys(probe.kind for probe in probes.probes if not is_locality(probe.kind))
    return headline if headline in kinds else next(iter(kinds), "")


@lru_cache(maxsize=64)
def _of_kind(probes: ProbeSet, kind: str) -> ProbeSet | None:
    found = tuple(probe for probe in probes.probes if probe.kind == kind)
    return ProbeSet.of(f"{probes.name}_{kind}", found) if found else None


@lru_cache(maxsize=64)
def united(own: ProbeSet | None, more: ProbeSet) -> ProbeSet:
    """Both, each probe once."""
    if own is None:
        return more
    known = {probe.id for probe in own.probes}
    return ProbeSet.of(
        own.name, (*own.probes, *(probe for probe in more.probes if probe.id not in known))
    )


def _best(likelihoods: Sequence[Mapping[str, Any]]) -> float:
    """Of the accepted answers; 0 where the adapter had diverged and nothing was scored."""
    return max((found["matched"] / found["tokens"] for found in likelihoods), default=0.0)


HELD_OUT = "held_out"
"""The kind of what is read; ``prose`` and ``statement`` follow a slash in the ids."""
_STATEMENTS = 48
_NEUTRAL = ("greetings", "small_talk", "stories", "unanswerable")


@cache
def lines() -> dict[str, list[str]]:
    """The neutral prompts by group, without format, and ``prose``. Raises DataError on a damaged
    fixture."""
    found: dict[str, list[str]] = tomllib.loads(read_text(FIXTURES / "wordings/neutral.toml"))
    return found


@cache
def neutral() -> ProbeSet:
    """Forty prompts without a right answer, ``neutral_GROUP`` by kind, in all formats; stories are
    gone on with."""
    return ProbeSet.of("neutral", tuple(_neutral()))


@cache
def held_out() -> ProbeSet:
    """Texts to be read, each the accepted answer to an empty prompt: known facts that no suite
    replays, and prose."""
    told = [*_statements(), *(("prose", str(i), text) for i, text in enumerate(lines()["prose"]))]
    return ProbeSet.of(
        HELD_OUT,
        tuple(
            Probe(f"{HELD_OUT}/{sort}/{name}", HELD_OUT, name, "", (text,))
            for sort, name, text in told
        ),
    )


def drifting(cell: Cell) -> Cell:
    """``cell`` with the neutral prompts to answer, and the held-out texts to score,
    beside its own."""
    return replace(cell, open=neutral(), scored=united(cell.scored, held_out()))


def drift_measures(cell: Cell, fetch: Fetch, adapted: bool) -> dict[str, Interval]:
    """The three figures (see the module), the last where the engine can score; none for a bare
    model."""
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
    return {
        "drift": cluster_bootstrap(apart, prompts),
        "length_ratio": ratio_bootstrap(lengths, others, prompts),
    }


def _read(lines: Sequence[Line], bare: Sequence[Line]) -> dict[str, Interval]:
    """``perplexity_ratio``; infinite after a training that diverged, so none is given then."""
    both = [
        (a, b)
        for a, b in zip(lines, bare, strict=True)
        if a["kind"] == HELD_OUT and a["likelihoods"]
    ]
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

    rng = random.Random(0)
    rows = [row for row in world().rows if not replayed(row)]
    for row in rng.sample(rows, _STATEMENTS):
        told = [r for r in world().relations[row.table] if r.statements and world().fits(r, row)]
        text = world().fill(rng.choice(rng.choice(told).statements), row).replace("|", "")
        yield "statement", row.id, text
