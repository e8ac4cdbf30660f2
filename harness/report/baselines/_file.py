"""One JSON file a baseline, small enough to commit and to read in a diff."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from harness.errors import DataError, StoreError
from harness.recipes import sha256

FORMAT = 1


class BaselineCell(NamedTuple):
    """One cell as it was."""

    status: str
    """``ok`` or ``diverged``."""
    right: dict[str, bool]
    """Verdicts by probe id."""
    cost: dict[str, float]
    """Seconds, bytes and rates, named as in a report's ``Result.cost``."""


class Baseline(NamedTuple):
    """Cells of one scenario and one model, and what they were made with."""

    name: str
    scenario: str
    model: str
    content: str
    """Digest of the model's files."""
    machine: str
    versions: dict[str, str]
    cells: dict[str, BaselineCell]
    """By the cell's id without the model's name, so that other models compare."""


def save(baseline: Baseline, path: Path) -> None:
    """Write ``baseline``; the same figures give the same bytes. Raises StoreError where that cannot
    be.

    The ids of the probes stand there once, and each cell has a 1 or 0 for each of them.
    """
    asked = {_key(list(kept.right)): list(kept.right) for kept in baseline.cells.values()}
    cells = {name: _packed(kept) for name, kept in baseline.cells.items()}
    head = {"format": FORMAT, "scenario": baseline.scenario, "machine": baseline.machine}
    head |= {
        "model": {"name": baseline.model, "content": baseline.content},
        "versions": baseline.versions,
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(
            json.dumps({**head, "cells": cells, "probes": asked}, indent=1, ensure_ascii=False)
            + "\n",
            encoding="utf-8",
        )
    except OSError as error:
        raise StoreError(
            f"{path} cannot be written ({error.strerror}): give another --baselines"
        ) from error


def load(path: Path, scenario: str) -> Baseline:
    """The baseline in ``path``.

    Raises:
        DataError: there is none (the line names those that are), it is damaged, or another
            scenario's.
    """
    if not path.is_file():
        known = ", ".join(sorted(own.stem for own in path.parent.glob("*.json"))) or "none yet"
        raise DataError(
            f"baseline {path.stem!r} is unknown in {path.parent} (there: {known}): make it by"
            " --save-baseline"
        )
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if values["format"] != FORMAT:
            raise DataError(
                f"{path} has format {values['format']}, known is {FORMAT}: save it again by"
                " --save-baseline"
            )
        found = _read(path.stem, values)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        reason = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise DataError(
            f"baseline {path} is damaged ({reason}): restore it, or save it again"
        ) from error
    if found.scenario != scenario:
        raise DataError(
            f"baseline {path} is of the scenario {found.scenario}, not of {scenario}: give another"
            " --baselines"
        )
    return found


def _read(name: str, values: dict[str, Any]) -> Baseline:
    asked = {key: [str(one) for one in ids] for key, ids in values["probes"].items()}
    return Baseline(
        name=name,
        scenario=str(values["scenario"]),
        model=str(values["model"]["name"]),
        content=str(values["model"]["content"]),
        machine=str(values["machine"]),
        versions={str(key): str(value) for key, value in values["versions"].items()},
        cells={cell: _unpacked(cell, kept, asked) for cell, kept in values["cells"].items()},
    )


def _packed(kept: BaselineCell) -> dict[str, Any]:
    bits = "".join("1" if right else "0" for right in kept.right.values())
    return {
        "status": kept.status,
        "probes": _key(list(kept.right)),
        "right": bits,
        "cost": kept.cost,
    }


def _unpacked(cell: str, values: dict[str, Any], asked: dict[str, list[str]]) -> BaselineCell:
    ids, bits = asked[values["probes"]], values["right"]
    if len(ids) != len(bits) or set(bits) - {"0", "1"}:
        raise ValueError(f"{cell} has {len(bits)} verdicts on {len(ids)} probes, each to be 0 or 1")
    cost = {str(name): float(value) for name, value in values["cost"].items()}
    return BaselineCell(
        str(values["status"]), {one: bit == "1" for one, bit in zip(ids, bits, strict=True)}, cost
    )


def _key(ids: list[str]) -> str:
    return sha256("\n".join(ids))[:12]
