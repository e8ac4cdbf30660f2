"""Shares of questions that several scenarios measure, resampled by fact; style; trials."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from statistics import mean

from harness.builds import AnsweredLine, GradedLine
from harness.data.style import NaiveBayes, divergence_interval
from harness.experiments.scenario import Evidence
from harness.experiments.tuning import Trial
from harness.grading import grade, normalise
from harness.recipes import Training
from harness.stats import Interval, cluster_bootstrap


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
    """For each kind ``locality_X``, ``retained_accuracy_X``.

    It is the share, of what the bare model had right, that is still right.
    """
    shares: dict[str, Interval] = {}
    for kind in kinds:
        known = [now for now, before in evidence.pairs() if now.kind == kind and before.right]
        shares |= share(kind.replace("locality", "retained_accuracy", 1), known, is_right)
    return shares


def contest(
    claim: str, evidence: Evidence, truths: Mapping[str, Sequence[str]]
) -> dict[str, Interval]:
    """What was trained (the ``claim``: a lie, a parody) against the truth, where it was known.

    ``truths`` has the true answers of the probes that the contest is about, by their ids.
    ``known_before`` is the share of those probes that the bare model answers with the truth.
    ``{claim}_over_truth``, ``truth_over_{claim}`` and ``neither`` are shares of the probes that it
    so answered, and come with an adapter only.
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
    """How far ``texts`` (speaker, text) are written as each author of ``reference`` writes.

    ``style_match``: share that the classifier gives to the speaker. ``style_divergence``:
    Jensen-Shannon divergence of trigrams from held-out text, in bits, the mean over the authors.
    Empty texts match no one.
    """
    match = [float(bool(text) and classifier.author(text) == who) for who, text in texts]
    shares = {"style_match": cluster_bootstrap(match, range(len(match)))}
    each = [
        _divergence([text for who, text in texts if who == author and text], held_out)
        for author, held_out in reference.items()
    ]
    ends = zip(*each, strict=True)
    shares["style_divergence"] = Interval(*(sum(parts) / len(each) for parts in ends))
    return shares


def _divergence(texts: Sequence[str], held_out: Sequence[str]) -> Interval:
    """An author without texts has nothing in common with anyone."""
    return divergence_interval(texts, held_out) if texts else Interval(1.0, 1.0, 1.0)


def trial(evidence: Evidence, headline: str = "rephrased") -> Trial:
    """What one setting reaches, in the three figures that settings are weighed by.

    They are recall of the questions of the kind ``headline`` (of all on trained facts, where none
    has that kind), locality (1 where nothing untouched is asked), and seconds of training.
    """
    about_facts = [line for line in evidence.lines if not line.is_locality]
    asked = [line for line in about_facts if line.kind == headline] or about_facts
    same = [
        normalise(now.answer) == normalise(before.answer)
        for now, before in evidence.pairs()
        if now.is_locality
    ]
    seconds = sum(facts["seconds"] for facts in evidence.trainings())
    right = mean(float(line.right) for line in asked)
    return Trial(evidence.cell.training, right, mean(same) if same else 1.0, seconds)


def over_seeds(trials: Iterable[Trial]) -> list[Trial]:
    """One trial a setting: the means over its seeds."""
    groups: dict[Training, list[Trial]] = {}
    for each in trials:
        groups.setdefault(replace(each.training, seed=0), []).append(each)
    names = ("recall", "locality", "seconds")
    return [
        Trial(training, *(mean(getattr(each, name) for each in group) for name in names))
        for training, group in groups.items()
    ]
