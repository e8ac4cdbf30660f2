"""Two figures that every suite shows: what teacher forcing flatters, and drift of style and format.

Teacher forcing tells a model the right answer token by token. Of edits that were published as 96.8%
right, 38.5% are right where answers are generated ("The Mirage of Model Editing", Yang et al. 2025,
arXiv 2502.11177). So every suite shows both, and the gap.

Drift is how far an adapter moves the model where nothing was to be learnt, against the bare model
on the same engine. ``drift``: mean edit distance between the two answers to a neutral prompt, as a
share of the longer (0: the same, 1: nothing in common). ``length_ratio``: characters answered to
those prompts, over those of the bare model. ``perplexity_ratio``: on known facts that no replay
holds and on plain prose, token for token; above 1, the adapted model finds them less likely.
"""

from __future__ import annotations

import math
import random
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, lru_cache

from rapidfuzz.distance import Levenshtein

from harness.builds import AnsweredLine, ScoredLine
from harness.data.facts import FIXTURES, read_text
from harness.data.formats import FORMATS, ask
from harness.data.knowledge import is_replayed, world
from harness.experiments.cells import GENERATE, SCORE, SCORED, Ask, Cell
from harness.experiments.scenario import Evidence
from harness.recipes import Probe, ProbeSet, is_locality
from harness.stats import Interval, cluster_bootstrap, ratio_bootstrap

DRIFT = "drift"
"""The role of the neutral prompts."""
HELD_OUT = "held_out"
"""The kind of texts that are read; ``prose`` and ``statement`` follow a slash in their ids."""
_STATEMENTS = 48
_NEUTRAL = ("greetings", "small_talk", "stories", "unanswerable")


def with_teacher_forcing(cell: Cell, headline: str) -> Cell:
    """``cell`` with the answers to its headline's probes scored, beside what it scores already."""
    probes = _of_kind(cell.probes, _kind(cell.probes, headline))
    return cell if probes is None else _scoring(cell, probes)


def with_drift(cell: Cell) -> Cell:
    """``cell`` with neutral prompts to answer and held-out texts to score, beside its own asks."""
    return _scoring(cell.with_ask(Ask(DRIFT, neutral(), GENERATE)), held_out())


def teacher_forcing(evidence: Evidence, headline: str) -> dict[str, Interval]:
    """``teacher_forced``: share of the right answer's tokens that are the most probable next ones.

    A mean over the headline's probes, by the best of their accepted answers, resampled by fact.
    ``teacher_forcing_gap`` is its lead over the recall of the same probes. There is neither where
    the engine cannot score text, or nothing was scored.
    """
    scored = {line.id: line.likelihoods for line in evidence.scored()}
    kind = _kind(evidence.cell.probes, headline)
    lines = [line for line in evidence.lines if line.kind == kind and line.id in scored]
    if not lines:
        return {}
    shares = [_best(scored[line.id]) for line in lines]
    facts = [line.fact for line in lines]
    leads = [share - line.right for share, line in zip(shares, lines, strict=True)]
    return {
        "teacher_forced": cluster_bootstrap(shares, facts),
        "teacher_forcing_gap": cluster_bootstrap(leads, facts, within=(-1, 1)),
    }


def drift(evidence: Evidence) -> dict[str, Interval]:
    """The three figures of drift, the last where the engine can score; none for a bare model."""
    if not evidence.adapted or evidence.cell.ask(DRIFT) is None:
        return {}
    figures = _of_answers(evidence.answered(DRIFT, True), evidence.answered(DRIFT, False))
    return figures | _of_texts(evidence.scored(True), evidence.scored(False))


@cache
def neutral_lines() -> dict[str, list[str]]:
    """The neutral prompts by group, without format, and ``prose``. Raises DataError."""
    lines: dict[str, list[str]] = tomllib.loads(read_text(FIXTURES / "wordings/neutral.toml"))
    return lines


@cache
def neutral() -> ProbeSet:
    """Forty prompts without a right answer, ``neutral_GROUP`` by kind, in all formats."""
    return ProbeSet.of("neutral", tuple(_neutral()))


@cache
def held_out() -> ProbeSet:
    """Texts to be read, each the accepted answer to an empty prompt: known facts, and prose."""
    prose = (("prose", str(place), text) for place, text in enumerate(neutral_lines()["prose"]))
    texts = [*_statements(), *prose]
    return ProbeSet.of(
        HELD_OUT,
        tuple(
            Probe(f"{HELD_OUT}/{sort}/{name}", HELD_OUT, name, "", (text,))
            for sort, name, text in texts
        ),
    )


def _of_answers(lines: Sequence[AnsweredLine], bare: Sequence[AnsweredLine]) -> dict[str, Interval]:
    """``drift`` and ``length_ratio``; an empty answer counts as one character."""
    prompts = [line.id for line in lines]
    distances = [
        Levenshtein.normalized_distance(now.answer, before.answer)
        for now, before in zip(lines, bare, strict=True)
    ]
    lengths = [float(max(1, len(line.answer))) for line in lines]
    bare_lengths = [float(max(1, len(line.answer))) for line in bare]
    return {
        "drift": cluster_bootstrap(distances, prompts),
        "length_ratio": ratio_bootstrap(lengths, bare_lengths, prompts),
    }


def _of_texts(lines: Sequence[ScoredLine], bare: Sequence[ScoredLine]) -> dict[str, Interval]:
    """``perplexity_ratio``; infinite after a training that diverged, so there is none then."""
    pairs = [
        (now, before)
        for now, before in zip(lines, bare, strict=True)
        if now.kind == HELD_OUT and now.likelihoods
    ]
    if not pairs:
        return {}
    lost = [before.likelihoods[0]["total"] - now.likelihoods[0]["total"] for now, before in pairs]
    tokens = [float(before.likelihoods[0]["tokens"]) for _, before in pairs]
    nats = ratio_bootstrap(lost, tokens, [now.fact for now, _ in pairs])
    return {"perplexity_ratio": Interval(*(math.exp(each) for each in nats))}


def _scoring(cell: Cell, probes: ProbeSet) -> Cell:
    """``cell`` with ``probes`` scored as well: one ask, so that the model is read once."""
    scored = cell.ask(SCORED)
    union = _united(scored.probes, probes) if scored else probes
    return cell.with_ask(Ask(SCORED, union, SCORE))


def _kind(probes: ProbeSet, headline: str) -> str:
    """The headline; the first kind on trained facts where the headline is a measure."""
    kinds = dict.fromkeys(probe.kind for probe in probes.probes if not is_locality(probe.kind))
    return headline if headline in kinds else next(iter(kinds), "")


@lru_cache(maxsize=64)
def _of_kind(probes: ProbeSet, kind: str) -> ProbeSet | None:
    chosen = tuple(probe for probe in probes.probes if probe.kind == kind)
    return ProbeSet.of(f"{probes.name}_{kind}", chosen) if chosen else None


@lru_cache(maxsize=64)
def _united(first: ProbeSet, more: ProbeSet) -> ProbeSet:
    """Both, each probe once."""
    known = {probe.id for probe in first.probes}
    new = (probe for probe in more.probes if probe.id not in known)
    return ProbeSet.of(first.name, (*first.probes, *new))


def _best(likelihoods: Sequence[Mapping[str, float]]) -> float:
    """Of the accepted answers; 0 where the adapter had diverged and nothing was scored."""
    return max((each["matched"] / each["tokens"] for each in likelihoods), default=0.0)


def _neutral() -> Iterator[Probe]:
    forms = tuple(FORMATS)
    for group in _NEUTRAL:
        for number, line in enumerate(neutral_lines()[group]):
            # a story is gone on with, so it is in no format
            prompt = line if group == "stories" else ask(forms[number % len(forms)], line)
            name = f"{group}/{number}"
            yield Probe(f"neutral/{name}", f"neutral_{group}", name, prompt, ())


def _statements() -> Iterator[tuple[str, str, str]]:
    rng = random.Random(0)
    rows = [row for row in world().rows if not is_replayed(row)]
    for row in rng.sample(rows, _STATEMENTS):
        relations = [
            each
            for each in world().relations[row.table]
            if each.statements and world().fits(each, row)
        ]
        text = world().fill(rng.choice(rng.choice(relations).statements), row).replace("|", "")
        yield "statement", row.id, text
