"""What a cell must reach. What it reached before: ``harness.baselines``."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

from harness.errors import DataError
from harness.facts import read_text
from harness.report import Result


class Gate(NamedTuple):
    """Bounds on one measure of the cells that match a pattern."""

    measure: str
    """A kind of recall, a measure of the scenario, ``locality``, ``still_right``, ``known``, or ``converged`` (1, or 0
    where the loss ran away)."""
    least: float
    most: float


def gates(path: Path, cell: str) -> list[Gate]:
    """Bounds from the first ``[[gate]]`` of ``path`` whose ``cells`` pattern matches; none without such a file.

    Raises:
        DataError: the file is no TOML, empty, or not UTF-8.
    """
    if not path.exists():
        return []
    try:
        declared = tomllib.loads(read_text(path)).get("gate", [])
    except tomllib.TOMLDecodeError as error:
        raise DataError(f"{path} is no TOML: {error}") from error
    for spec in declared:
        if fnmatch(cell, spec["cells"]):
            least, most = spec.get("least", {}), spec.get("most", {})
            names = dict.fromkeys((*least, *most))
            return [Gate(name, least.get(name, -math.inf), most.get(name, math.inf)) for name in names]
    return []


def broken(found: list[Gate], result: Result) -> Iterator[str]:
    """One line for each bound that ``result`` does not keep."""
    for gate in found:
        if gate.measure not in measures(result):
            yield f"{gate.measure} is gated but not measured: it is none of {', '.join(measures(result))}"
            continue
        value = measures(result)[gate.measure]
        if not gate.least <= value <= gate.most:
            bound = f"at least {gate.least:.2f}" if value < gate.least else f"at most {gate.most:.2f}"
            yield f"{gate.measure} is {value:.2f}, declared {bound}"


def measures(result: Result) -> dict[str, float]:
    """The shares of ``result`` by name."""
    found = {name: interval.estimate for name, interval in result.shares().items()}
    return {**found, "converged": float(result.status != "diverged")}
