"""Measures that several scenarios share: shares, style, teacher forcing, drift."""

from __future__ import annotations

import math
import random
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache, lru_cache
from statistics import mean

from rapidfuzz.distance import Levenshtein

from harness.builds import AnsweredLine, GradedLine, ScoredLine, compared_lines
from harness.data.facts import FIXTURES, read_text
from harness.data.formats import FORMATS, ask
from harness.data.knowledge import is_replayed, world
from harness.data.style import NaiveBayes, divergence_interval
from harness.data.turns import probes_in_chat
from harness.errors import MissingExtraError, NotCachedError
from harness.experiments.cells import GENERATE, QUESTIONS, SCORE, SCORED, Ask, Cell
from harness.experiments.scenario import Evidence
from harness.experiments.tuning import Trial
from harness.grading import grade, normalise
from harness.recipes import Probe, ProbeSet, Training, is_locality
from harness.stats import Interval, cluster_bootstrap, ratio_bootstrap

DRIFT = "drift"
"""The role of the neutral prompts."""
_MEANINGS = {DRIFT: "meaning_kept", QUESTIONS: "locality_meaning"}
"""Figures by meaning, by the role of what is compared."""
HELD_OUT = "held_out"
"""The kind of held-out texts; their ids go on with ``/prose/`` or ``/statement/``."""
_STATEMENTS = 48
"""How many facts are read as statements."""
_NEUTRAL_GROUPS = ("greetings", "small_talk", "stories", "unanswerable")
"""Groups of neutral prompts in ``fixtures/wordings/neutral.toml``."""


def share(
    name: str, lines: Sequence[GradedLine], holds: Callable[[GradedLine], bool]
) -> dict[str, Interval]:
    """``name``: the share of ``lines`` of which ``holds`` is true; nothing without lines."""
    if not lines:
        return {}
    values = [float(holds(line)) for line in lines]
    return {name: cluster_bootstrap(values, [line.fact for line in lines])}


def recall(lines: Sequence[GradedLine]) -> Interval:
    """The share of ``lines`` that is right."""
    return cluster_bootstrap([float(line.right) for line in lines], [line.fact for line in lines])


def is_right(line: GradedLine) -> bool:
    """Whether the answer that counts is right."""
    return line.right


def says(line: GradedLine | AnsweredLine, accepted: Sequence[str]) -> bool:
    """Whether the answer in ``line`` is one of ``accepted``."""
    return grade(line.answer, accepted).right


def retained_accuracy(evidence: Evidence, *kinds: str) -> dict[str, Interval]:
    """``retained_accuracy_X`` for each kind ``locality_X``.

    It is the share of the bare model's right answers that are still right.
    """
    shares: dict[str, Interval] = {}
    for kind in kinds:
        known = [now for now, before in evidence.pairs() if now.kind == kind and before.right]
        shares |= share(kind.replace("locality", "retained_accuracy", 1), known, is_right)
    return shares


def contest(
    claim: str, evidence: Evidence, truths: Mapping[str, Sequence[str]]
) -> dict[str, Interval]:
    """What was trained (the ``claim``: a lie, a parody) against the truth.

    ``truths`` has the true answers of the probes in question, by the probes' ids. ``known_before``
    is the share of those probes that the bare model answers with the truth. With an adapter there
    are also ``{claim}_over_truth``, ``truth_over_{claim}`` and ``neither``: shares of the probes
    whose truth the bare model knew.
    """
    pairs = [(now, before) for now, before in evidence.pairs() if now.id in truths]
    known = [now for now, before in pairs if says(before, truths[before.id])]
    befores = [before for _, before in pairs]
    shares = share("known_before", befores, lambda line: says(line, truths[line.id]))
    if not evidence.adapted:
        return shares
    return {
        **shares,
        **share(f"{claim}_over_truth", known, is_right),
        **share(f"truth_over_{claim}", known, lambda line: says(line, truths[line.id])),
        **share("neither", known, lambda line: not line.right and not says(line, truths[line.id])),
    }


def style_of(
    texts: Sequence[tuple[str, str]],
    classifier: NaiveBayes,
    reference: Mapping[str, Sequence[str]],
) -> dict[str, Interval]:
    """How similar the style of ``texts`` (author, text) is to that of their authors.

    ``reference`` has held-out texts by author. ``style_match`` is the share of texts that the
    classifier gives to their author; an empty text matches none. ``style_divergence`` is the
    Jensen-Shannon divergence of their trigrams from the held-out text, in bits, as the mean over
    the authors.
    """
    matches = [float(bool(text) and classifier.author(text) == author) for author, text in texts]
    shares = {"style_match": cluster_bootstrap(matches, range(len(matches)))}
    divergences = []
    for author, held_out in reference.items():
        written = [text for writer, text in texts if writer == author and text]
        # an author without texts has nothing in common with the reference: 1 bit
        divergences.append(
            divergence_interval(written, held_out) if written else Interval(1.0, 1.0, 1.0)
        )
    ends = zip(*divergences, strict=True)
    shares["style_divergence"] = Interval(*(sum(parts) / len(divergences) for parts in ends))
    return shares


def trial(evidence: Evidence, headline: str = "rephrased") -> Trial:
    """The three figures of a setting by which settings are compared.

    They are recall of the questions of the kind ``headline`` (of all questions on trained facts,
    where none has that kind), locality (1 where no untouched fact is asked), and the seconds of
    training.
    """
    on_trained = [line for line in evidence.lines if not line.is_locality]
    lines = [line for line in on_trained if line.kind == headline] or on_trained
    same = [
        normalise(now.answer) == normalise(before.answer)
        for now, before in evidence.pairs()
        if now.is_locality
    ]
    seconds = sum(facts["seconds"] for facts in evidence.trainings())
    right = mean(float(line.right) for line in lines)
    return Trial(evidence.cell.training, right, mean(same) if same else 1.0, seconds)


def over_seeds(trials: Iterable[Trial]) -> list[Trial]:
    """One trial for each setting, with the means over its seeds."""
    groups: dict[Training, list[Trial]] = {}
    for each in trials:
        groups.setdefault(replace(each.training, seed=0), []).append(each)
    names = ("recall", "locality", "seconds")
    return [
        Trial(training, *(mean(getattr(each, name) for each in group) for name in names))
        for training, group in groups.items()
    ]


def teacher_forcing(evidence: Evidence, headline: str) -> dict[str, Interval]:
    """``teacher_forced`` and ``teacher_forcing_gap``; neither where nothing was scored.

    ``teacher_forced`` is the share of the right answer's tokens that are the most probable next
    ones. It is the mean over the headline's probes, by the best of their accepted answers, and
    resampled by fact. ``teacher_forcing_gap`` is ``teacher_forced`` minus the recall of the same
    probes.
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


def with_teacher_forcing(cell: Cell, headline: str) -> Cell:
    """``cell`` that also scores the accepted answers of its headline's probes.

    By way of a policy nothing is scored.
    """
    if cell.policy:
        return cell
    probes = _of_kind(cell.probes, _kind(cell.probes, headline))
    return cell if probes is None else _scoring(cell, probes)


def drift(evidence: Evidence) -> dict[str, Interval]:
    """``drift``, ``length_ratio`` and, where the engine can score text, ``perplexity_ratio``.

    There are none for the bare model, with which the adapted one is compared.
    """
    if not evidence.adapted or evidence.cell.ask(DRIFT) is None:
        return {}
    # neutral prompts have no right answer, so the two models are only compared
    figures = _of_answers(evidence.answered(DRIFT, True), evidence.answered(DRIFT, False))
    return figures | _of_texts(evidence.scored(True), evidence.scored(False))


def drift_by_meaning(evidence: Evidence) -> dict[str, Interval]:
    """``meaning_kept`` of the answers to neutral prompts, ``locality_meaning`` of untouched facts.

    They are the mean cosine between the sentence embeddings of the answers with the adapter and
    without, on a scale on which 1 is the same answer and 0 what the bare model answers to different
    prompts. Resampled by prompt or fact. There are none where the embeddings are not installed and
    nothing was compared before, and where the bare model gave one answer to all.
    """
    figures: dict[str, Interval] = {}
    if not evidence.adapted:
        return figures
    for role, recipe in evidence.cell.meanings.items():
        try:
            lines = compared_lines(evidence.fetch(recipe))
        except (MissingExtraError, NotCachedError):
            continue
        if role in _MEANINGS and lines and all(line.other < 1 for line in lines):
            nearer = [line.same - line.other for line in lines]
            most = [1 - line.other for line in lines]
            facts = [line.fact for line in lines]
            figures[_MEANINGS[role]] = ratio_bootstrap(nearer, most, facts)
    return figures


def with_drift(cell: Cell, plain_kinds: tuple[str, ...] = ()) -> Cell:
    """``cell`` that also answers neutral prompts, scores held-out texts, and compares meanings.

    In a chat the prompts are turns, but for ``plain_kinds``.
    """
    prompts = neutral()
    if cell.chat:
        prompts = probes_in_chat(prompts, cell.chat, plain_kinds)
    asked = cell.with_ask(Ask(DRIFT, prompts, GENERATE))
    return _scoring(replace(asked, compares_meanings=True), held_out())


@cache
def neutral() -> ProbeSet:
    """Forty prompts without a right answer, of the kinds ``neutral_GROUP``, in all formats."""
    return ProbeSet.of("neutral", tuple(_neutral()))


@cache
def neutral_lines() -> dict[str, list[str]]:
    """The neutral prompts by group, without format, and ``prose``. Raises DataError."""
    lines: dict[str, list[str]] = tomllib.loads(read_text(FIXTURES / "wordings/neutral.toml"))
    return lines


@cache
def held_out() -> ProbeSet:
    """Known facts and prose to score, each text as the accepted answer to an empty prompt."""
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
    # an empty answer would make a ratio of 0 or infinity
    lengths = [float(max(1, len(line.answer))) for line in lines]
    bare_lengths = [float(max(1, len(line.answer))) for line in bare]
    return {
        "drift": cluster_bootstrap(distances, prompts),
        "length_ratio": ratio_bootstrap(lengths, bare_lengths, prompts),
    }


def _of_texts(lines: Sequence[ScoredLine], bare: Sequence[ScoredLine]) -> dict[str, Interval]:
    """``perplexity_ratio``; none after a training that diverged, where it would be infinite."""
    pairs = [
        (now, before)
        for now, before in zip(lines, bare, strict=True)
        if now.kind == HELD_OUT and now.likelihoods
    ]
    if not pairs:
        return {}
    # nats per token are averaged over all tokens, as perplexity is
    lost = [before.likelihoods[0]["total"] - now.likelihoods[0]["total"] for now, before in pairs]
    tokens = [float(before.likelihoods[0]["tokens"]) for _, before in pairs]
    nats = ratio_bootstrap(lost, tokens, [now.fact for now, _ in pairs])
    return {"perplexity_ratio": Interval(*(math.exp(each) for each in nats))}


def _scoring(cell: Cell, probes: ProbeSet) -> Cell:
    """``cell`` that also scores ``probes``, in one ask, so that the model is loaded once."""
    # a cell has one ask of each role, so a second set of probes joins the first
    scored = cell.ask(SCORED)
    union = _united(scored.probes, probes) if scored else probes
    return cell.with_ask(Ask(SCORED, union, SCORE))


def _kind(probes: ProbeSet, headline: str) -> str:
    """The headline; where that is a measure, the first kind on trained facts."""
    kinds = dict.fromkeys(probe.kind for probe in probes.probes if not is_locality(probe.kind))
    return headline if headline in kinds else next(iter(kinds), "")


@lru_cache(maxsize=64)
def _of_kind(probes: ProbeSet, kind: str) -> ProbeSet | None:
    chosen = tuple(probe for probe in probes.probes if probe.kind == kind)
    return ProbeSet.of(f"{probes.name}_{kind}", chosen) if chosen else None


@lru_cache(maxsize=64)
def _united(first: ProbeSet, more: ProbeSet) -> ProbeSet:
    """The probes of both, each once."""
    known = {probe.id for probe in first.probes}
    new = (probe for probe in more.probes if probe.id not in known)
    return ProbeSet.of(first.name, (*first.probes, *new))


def _best(likelihoods: Sequence[Mapping[str, float]]) -> float:
    """The best share of matched tokens; 0 where the training diverged and nothing was scored."""
    return max((each["matched"] / each["tokens"] for each in likelihoods), default=0.0)


def _neutral() -> Iterator[Probe]:
    forms = tuple(FORMATS)
    for group in _NEUTRAL_GROUPS:
        for number, line in enumerate(neutral_lines()[group]):
            # the model continues a story, so it is in no format
            prompt = line if group == "stories" else ask(forms[number % len(forms)], line)
            name = f"{group}/{number}"
            yield Probe(f"neutral/{name}", f"neutral_{group}", name, prompt, ())


def _statements() -> Iterator[tuple[str, str, str]]:
    # a fixed draw: every model reads the same facts, and none that replay trains
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
