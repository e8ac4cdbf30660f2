"""Gates: what a cell must reach, as gates.toml declares it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

from pydantic import Field, FiniteFloat

from harness.data.user_files import Table, read_toml
from harness.report._results import Result


class Gate(NamedTuple):
    """Bounds on one measure of the cells that match a pattern."""

    measure: str
    """A kind of recall, a measure of the scenario, ``locality``, ``retained_accuracy``, ``known``,
    or ``converged`` (1, or 0 where the loss ran away)."""
    least: float
    most: float


class _DeclaredGate(Table):
    """One ``[[gate]]``."""

    cells: str
    """A pattern as of a shell: ``*-rank64-*``."""
    least: dict[str, FiniteFloat] = Field(default_factory=dict)
    most: dict[str, FiniteFloat] = Field(default_factory=dict)


class _File(Table):
    """gates.toml."""

    model: str = ""
    """Name of the base that the gates hold for; without it they hold for any."""
    gate: list[_DeclaredGate] = Field(default_factory=list)


def model_of(path: Path) -> str:
    """Name of the base that the gates in ``path`` hold for; empty for any. Raises as ``gates``."""
    return read_toml(path, _File).model if path.exists() else ""


def gates(path: Path, cell: str) -> list[Gate]:
    """Bounds from the first ``[[gate]]`` of ``path`` whose pattern matches the id ``cell``.

    There are none without such a file.

    Raises:
        DataError: the file is empty, not UTF-8 or not TOML, or a key or value is not one of a gate.
    """
    for gate in _declared(path):
        if fnmatch(cell, gate.cells):
            names = dict.fromkeys((*gate.least, *gate.most))
            return [
                Gate(name, gate.least.get(name, -math.inf), gate.most.get(name, math.inf))
                for name in names
            ]
    return []


def without_cells(path: Path, ids: Iterable[str]) -> list[str]:
    """Patterns in ``path`` that match none of ``ids``. Raises as ``gates``."""
    ids = list(ids)
    patterns = [gate.cells for gate in _declared(path)]
    return [pattern for pattern in patterns if not any(fnmatch(cell, pattern) for cell in ids)]


def broken(gates: list[Gate], result: Result) -> Iterator[str]:
    """One line for each bound that ``result`` breaks."""
    values = measures(result)
    for gate in gates:
        if gate.measure not in values:
            names = ", ".join(values)
            yield f"{gate.measure} has a gate, but is not measured: it is none of {names}"
            continue
        value = values[gate.measure]
        if not gate.least <= value <= gate.most:
            below = value < gate.least
            bound = f"at least {gate.least:.2f}" if below else f"at most {gate.most:.2f}"
            yield f"{gate.measure} is {value:.2f}, declared {bound}"


def measures(result: Result) -> dict[str, float]:
    """The shares of ``result`` by name."""
    shares = {name: interval.estimate for name, interval in result.shares().items()}
    return {**shares, "converged": float(result.status != "diverged")}


def _declared(path: Path) -> list[_DeclaredGate]:
    return read_toml(path, _File).gate if path.exists() else []
