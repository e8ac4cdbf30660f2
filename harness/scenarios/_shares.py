"""Shares of probes, resampled by fact, that several scenarios measure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from harness.grading import grade
from harness.scenarios._scenario import Line
from harness.stats import Interval, cluster_bootstrap


def share(name: str, lines: Sequence[Line], holds: Callable[[Line], bool]) -> dict[str, Interval]:
    """``name``: the share of ``lines`` of which ``holds`` is true; nothing where there are no lines."""
    if not lines:
        return {}
    return {name: cluster_bootstrap([float(holds(line)) for line in lines], [line["fact"] for line in lines])}


def says(line: Line, accepted: Sequence[str]) -> bool:
    """Whether the answer in ``line`` is one of ``accepted``."""
    return grade(line["answers"][0], accepted).right


def still_right(lines: Sequence[Line], bare: Sequence[Line], *kinds: str) -> dict[str, Interval]:
    """For each kind ``locality_X``, ``still_right_X``: of what the bare model had right, the share that still is."""
    found: dict[str, Interval] = {}
    for kind in kinds:
        known = [a for a, b in zip(lines, bare, strict=True) if a["kind"] == kind and b["right"]]
        found |= share(kind.replace("locality", "still_right", 1), known, lambda line: bool(line["right"]))
    return found


def contest(
    told: str, lines: Sequence[Line], bare: Sequence[Line], truths: Mapping[str, Sequence[str]], adapted: bool = True
) -> dict[str, Interval]:
    """What is told against the truth, where the bare model knew the truth.

    ``truths`` has the true answers of the probes that the contest is about, by their ids. ``known_before`` is the
    share of those probes that the bare model answers with the truth; ``{told}_over_truth``, ``truth_over_{told}`` and
    ``neither`` are shares of the probes that it so answered, and come with an adapter only.
    """
    asked = [(a, b) for a, b in zip(lines, bare, strict=True) if a["id"] in truths]
    known = [a for a, b in asked if says(b, truths[b["id"]])]
    before = share("known_before", [b for _, b in asked], lambda line: says(line, truths[line["id"]]))
    if not adapted:
        return before
    return {
        **before,
        **share(f"{told}_over_truth", known, lambda line: bool(line["right"])),
        **share(f"truth_over_{told}", known, lambda line: says(line, truths[line["id"]])),
        **share("neither", known, lambda line: not line["right"] and not says(line, truths[line["id"]])),
    }
