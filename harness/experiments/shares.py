"""What one setting reaches, in the three figures that settings are weighed by."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from statistics import mean

from harness.builds import GRADES, read_lines
from harness.data.style import NaiveBayes, divergence_interval
from harness.experiments.cells import Cell
from harness.experiments.scenario import Fetch, Line
from harness.experiments.tuning import Trial
from harness.grading import grade, normalise
from harness.recipes import Training, is_locality
from harness.stats import Interval, cluster_bootstrap


def share(name: str, lines: Sequence[Line], holds: Callable[[Line], bool]) -> dict[str, Interval]:
    """``name``: the share of ``lines`` of which ``holds`` is true; nothing where there are no
    lines."""
    if not lines:
        return {}
    return {
        name: cluster_bootstrap(
            [float(holds(line)) for line in lines], [line["fact"] for line in lines]
        )
    }


def says(line: Line, accepted: Sequence[str]) -> bool:
    """Whether the answer in ``line`` is one of ``accepted``."""
    return grade(line["answers"][0], accepted).right


def retained_accuracy(
    lines: Sequence[Line], bare: Sequence[Line], *kinds: str
) -> dict[str, Interval]:
    """For each kind ``locality_X``, ``retained_accuracy_X``: of what the bare model had right, the share
    that still is."""
    found: dict[str, Interval] = {}
    for kind in kinds:
        known = [a for a, b in zip(lines, bare, strict=True) if a["kind"] == kind and b["right"]]
        found |= share(
            kind.replace("locality", "retained_accuracy", 1),
            known,
            lambda line: bool(line["right"]),
        )
    return found


def contest(
    told: str,
    lines: Sequence[Line],
    bare: Sequence[Line],
    truths: Mapping[str, Sequence[str]],
    adapted: bool = True,
) -> dict[str, Interval]:
    """What is told against the truth, where the bare model knew the truth.

    ``truths`` has the true answers of the probes that the contest is about, by their ids.
    ``known_before`` is the share of those probes that the bare model answers with the truth;
    ``{told}_over_truth``, ``truth_over_{told}`` and ``neither`` are shares of the probes that it so
    answered, and come with an adapter only.
    """
    asked = [(a, b) for a, b in zip(lines, bare, strict=True) if a["id"] in truths]
    known = [a for a, b in asked if says(b, truths[b["id"]])]
    before = share(
        "known_before", [b for _, b in asked], lambda line: says(line, truths[line["id"]])
    )
    if not adapted:
        return before
    return {
        **before,
        **share(f"{told}_over_truth", known, lambda line: bool(line["right"])),
        **share(f"truth_over_{told}", known, lambda line: says(line, truths[line["id"]])),
        **share(
            "neither", known, lambda line: not line["right"] and not says(line, truths[line["id"]])
        ),
    }


def styled(
    texts: Sequence[tuple[str, str]], classifier: NaiveBayes, reference: Mapping[str, Sequence[str]]
) -> dict[str, Interval]:
    """What ``texts`` (who has the word, what was said) have of the way in which each author of
    ``reference`` writes.

    ``style_match``: share that the classifier gives to whoever had the word. ``style_divergence``:
    Jensen-Shannon divergence of trigrams from held-out text, in bits, the mean over the authors.
    Empty texts match no one.
    """
    match = [float(bool(text) and classifier.author(text) == who) for who, text in texts]
    found = {"style_match": cluster_bootstrap(match, range(len(match)))}
    each = [
        _apart([text for who, text in texts if who == author and text], own)
        for author, own in reference.items()
    ]
    found["style_divergence"] = Interval(
        *(sum(parts) / len(each) for parts in zip(*each, strict=True))
    )
    return found


def _apart(texts: Sequence[str], own: Sequence[str]) -> Interval:
    """Who says nothing has nothing in common with anyone."""
    return divergence_interval(texts, own) if texts else Interval(1.0, 1.0, 1.0)


def trial(cell: Cell, fetch: Fetch) -> Trial:
    """Recall of rephrased questions, locality, and seconds of training of ``cell``; built where
    they are not cached."""
    lines, bare = (
        read_lines(fetch(grades).path / GRADES) for grades in (cell.grades, cell.base_grades)
    )
    right = [float(line["right"]) for line in lines if line["kind"] == "rephrased"]
    pairs = [(a, b) for a, b in zip(lines, bare, strict=True) if is_locality(a["kind"])]
    same = [normalise(a["answers"][0]) == normalise(b["answers"][0]) for a, b in pairs]
    seconds = sum(fetch(adapter).manifest.facts["seconds"] for adapter in cell.trained)
    return Trial(cell.training, mean(right), mean(same), seconds)


def over_seeds(found: Iterable[Trial]) -> list[Trial]:
    """One trial a setting: the means over its seeds."""
    by: dict[Training, list[Trial]] = {}
    for each in found:
        by.setdefault(replace(each.training, seed=0), []).append(each)
    return [
        Trial(
            training,
            *(mean(getattr(t, name) for t in own) for name in ("recall", "locality", "seconds")),
        )
        for training, own in by.items()
    ]
