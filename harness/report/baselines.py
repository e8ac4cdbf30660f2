"""What cells reached before: kept in a file, and compared question by question.

The file is JSON, small enough to commit and to read in a diff.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from harness.builds import GradedLine
from harness.data.user_files import Table, read_json
from harness.errors import DataError, StoreError
from harness.recipes import sha256
from harness.report._paired import RECALL, Change, Flip, Pair, changes, distinct_flips
from harness.report._tables import MIB

__all__ = [
    "Baseline",
    "BaselineCell",
    "Change",
    "Comparison",
    "Flip",
    "Limits",
    "Ratio",
    "compare",
    "load",
    "save",
]

FORMAT = 1
KNOWN = "known"
"""The measure over all questions on untouched facts."""
_ADVICE = "restore the file, or save it again by --save-baseline"
_SHOWN = 12  # flipped questions in the text of a failure
_LIMITED = {
    "adapter_bytes": "bytes",
    "model_bytes": "bytes",
    "peak_rss_bytes": "memory",
    "peak_vram_bytes": "memory",
    "answering_rss_bytes": "memory",
    "answering_vram_bytes": "memory",
    "seconds": "speed",
    "steps_per_second": "speed",
    "tokens_per_second": "speed",
}
"""The field of ``Limits`` that bounds each cost."""
_RATES = ("steps_per_second", "tokens_per_second")


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
    """By the cell's id without the model's name, so that other models can be compared."""


class Limits(NamedTuple):
    """How much worse is still good enough."""

    quality: float = 0.02
    """A fall of a share that does not matter."""
    bytes: float = 1.10
    """Ratio of sizes on disk."""
    memory: float = 1.25
    """Ratio of resident and of accelerator memory."""
    speed: float = 2.0
    """Ratio of times; wide, because machines are shared."""


class Ratio(NamedTuple):
    """One cost, before and now."""

    measure: str
    group: str
    """The field of ``Limits`` that bounds it."""
    before: float
    now: float
    ratio: float
    """Above 1 is worse, for rates too."""
    limit: float

    @property
    def worse(self) -> bool:
        return self.ratio > self.limit

    def amount(self, value: float) -> str:
        """``value`` of this measure in its unit."""
        return f"{value / MIB:.3g} MiB" if self.measure.endswith("bytes") else f"{value:.3g}"

    def __str__(self) -> str:
        amounts = f"{self.amount(self.before)} before, {self.amount(self.now)} now"
        return f"{self.measure} is {self.ratio:.2f} times worse ({amounts}), limit {self.limit:.2f}"


@dataclass(frozen=True, repr=False)
class Comparison:
    """All that was compared of one cell."""

    cell: str
    baseline: str
    changes: tuple[Change, ...]
    ratios: tuple[Ratio, ...]
    status: tuple[str, str]
    """Before and now."""
    main: str
    """The share for which the cell was made: ``recall``, or ``known`` where nothing else is
    asked."""
    unmatched: int
    """Questions of one side that the other does not have."""
    judge_speed: bool

    @property
    def worse(self) -> list[str]:
        """A line for each measure that fails the comparison."""
        diverged = self.status[1] == "diverged" != self.status[0]
        lines = ["the training diverged, and did not before"] if diverged else []
        lines += [str(change) for change in self.changes if change.worse]
        for ratio in self.ratios:
            if ratio.worse and (self.judge_speed or ratio.group != "speed"):
                lines.append(str(ratio))
        return lines

    @property
    def holds(self) -> bool:
        """Whether nothing fails."""
        return not self.worse

    @property
    def blind(self) -> str:
        """One line on the shares of which no loss could be shown, and why; empty without such."""
        lines = []
        if not self._main:
            lines.append(f"no question on {self.main} is one of the baseline's: save it again")
        few = [
            f"{change.measure} {change.facts} (needs {change.needed})"
            for change in self.changes
            if change.needed and not change.worse
        ]
        if few:
            lines.append(f"too few facts to show a loss: {', '.join(few)}")
        return "; ".join(lines)

    @property
    def conclusive(self) -> bool:
        """Whether something fails, or would have failed if all of ``main`` were lost."""
        return not self.holds or any(not change.needed for change in self._main)

    @property
    def _main(self) -> list[Change]:
        return [change for change in self.changes if change.measure == self.main]

    @property
    def slower(self) -> list[str]:
        """A line for each speed beyond its limit, whether or not that fails."""
        return [str(ratio) for ratio in self.ratios if ratio.worse and ratio.group == "speed"]

    @property
    def flips(self) -> tuple[Flip, ...]:
        """Questions that flipped to wrong, those of a measure that got worse first."""
        return distinct_flips(sorted(self.changes, key=lambda change: not change.worse))

    def __str__(self) -> str:
        lines = [
            f"{self.cell} is worse than in baseline {self.baseline}:",
            *(f"  {line}" for line in self.worse),
        ]
        flips = distinct_flips([change for change in self.changes if change.worse])
        if flips:
            lines.append("flipped from right to wrong:")
        for flip in _sample(flips):
            answer, accepted = _short(flip.answer, 60), _short(flip.accepted, 60)
            lines.append(f"  {flip.kind}: {_short(flip.prompt)} “{answer}”, not {accepted}")
        if len(flips) > _SHOWN:
            lines.append(f"  and {len(flips) - _SHOWN} more")
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"Comparison({self.cell} with {self.baseline}: {len(self.worse)} worse)"


def save(baseline: Baseline, path: Path) -> None:
    """Write ``baseline``; the same figures give the same bytes.

    Raises:
        StoreError: the file cannot be written.
    """
    lists = [list(cell.right) for cell in baseline.cells.values()]
    values = {
        "format": FORMAT,
        "scenario": baseline.scenario,
        "machine": baseline.machine,
        "model": {"name": baseline.model, "content": baseline.content},
        "versions": baseline.versions,
        "cells": {name: _packed(cell) for name, cell in baseline.cells.items()},
        "probes": {_key(ids): ids for ids in lists},
    }
    text = json.dumps(values, indent=1, ensure_ascii=False) + "\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise StoreError(
            f"{path} cannot be written ({error.strerror}): give another --baselines"
        ) from error


def load(path: Path, scenario: str) -> Baseline:
    """The baseline in ``path``.

    Raises:
        DataError: there is none (the line names those that exist), it is damaged (the line names
            file, key and value), or it is of another scenario.
    """
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in path.parent.glob("*.json"))) or "none yet"
        raise DataError(
            f"baseline {path.stem!r} is unknown in {path.parent} (there: {known}): make it by"
            " --save-baseline"
        )
    try:
        file = read_json(path, _File)
    except DataError as error:
        reason = str(error).removeprefix(str(path)).lstrip(": ")
        raise DataError(f"baseline {path} is damaged ({reason}): {_ADVICE}") from error
    if file.scenario != scenario:
        raise DataError(
            f"baseline {path} is of the scenario {file.scenario}, not of {scenario}: give another"
            " --baselines"
        )
    return Baseline(
        name=path.stem,
        scenario=file.scenario,
        model=file.model.name,
        content=file.model.content,
        machine=file.machine,
        versions=file.versions,
        cells={name: _unpacked(cell, file) for name, cell in file.cells.items()},
    )


def compare(
    before: BaselineCell,
    lines: Sequence[GradedLine],
    cost: Mapping[str, float],
    *,
    cell: str,
    baseline: str,
    status: str = "ok",
    cells: int = 1,
    limits: Limits = Limits(),  # noqa: B008  # frozen
    judge_speed: bool = False,
) -> Comparison:
    """``cell`` as its graded ``lines`` and ``cost`` show it now, against a baseline's ``before``.

    ``cells`` counts the cells that the session compares: see ``changes`` for the test of each share
    and its correction. ``judge_speed`` lets speeds beyond their limit fail.
    """
    shared = [line for line in lines if line.id in before.right]
    groups = {
        name: [_pair(line, before.right[line.id]) for line in group]
        for name, group in _groups(shared).items()
    }
    return Comparison(
        cell=cell,
        baseline=baseline,
        changes=tuple(changes(groups, limits.quality, cells)),
        ratios=tuple(_ratios(before.cost, cost, limits)),
        status=(before.status, status),
        main=next(iter(_groups(lines)), RECALL),
        unmatched=len(lines) + len(before.right) - 2 * len(shared),
        judge_speed=judge_speed,
    )


class _Model(Table):
    name: str
    content: str


class _Cell(Table):
    status: Literal["ok", "diverged", "base"]
    probes: str
    """The key of its list of probes."""
    right: str = Field(pattern="^[01]*$")
    """A 1 or 0 for each probe of the list, in order."""
    cost: dict[str, float]


class _File(Table):
    """The JSON file."""

    format: int
    scenario: str
    machine: str
    model: _Model
    versions: dict[str, str]
    cells: dict[str, _Cell]
    probes: dict[str, list[str]]
    """Lists of probe ids: cells that are asked the same share one."""

    @model_validator(mode="before")
    @classmethod
    def _known_format(cls, values: dict[str, Any]) -> dict[str, Any]:
        # First, because the keys of another format may be other keys.
        if values.get("format", FORMAT) != FORMAT:
            raise ValueError(f"has format {values['format']}, known is {FORMAT}")
        return values

    @model_validator(mode="after")
    def _a_verdict_for_each_probe(self) -> Self:
        for name, cell in self.cells.items():
            if cell.probes not in self.probes:
                known = ", ".join(self.probes)
                raise ValueError(f"cells, {name}, probes is {cell.probes!r}: it is none of {known}")
            probes = len(self.probes[cell.probes])
            if len(cell.right) != probes:
                raise ValueError(
                    f"cells, {name}, right has {len(cell.right)} verdicts on {probes} probes"
                )
        return self


def _packed(cell: BaselineCell) -> dict[str, Any]:
    return {
        "status": cell.status,
        "probes": _key(list(cell.right)),
        "right": "".join("1" if right else "0" for right in cell.right.values()),
        "cost": cell.cost,
    }


def _unpacked(cell: _Cell, file: _File) -> BaselineCell:
    ids = file.probes[cell.probes]
    right = {name: bit == "1" for name, bit in zip(ids, cell.right, strict=True)}
    return BaselineCell(cell.status, right, cell.cost)


def _key(ids: list[str]) -> str:
    return sha256("\n".join(ids))[:12]


def _pair(line: GradedLine, before: bool) -> Pair:
    verdicts = (bool(before), bool(line.right))
    return Pair(
        line.id, line.kind, line.fact, *verdicts, line.prompt, line.answer, line.accepted[0]
    )


def _ratios(
    before: Mapping[str, float], now: Mapping[str, float], limits: Limits
) -> Iterator[Ratio]:
    for name, group in _LIMITED.items():
        old, new = before.get(name, 0.0), now.get(name, 0.0)
        if old > 0 and new > 0:
            ratio = old / new if name in _RATES else new / old
            yield Ratio(name, group, old, new, ratio, getattr(limits, group))


def _groups(lines: Sequence[GradedLine]) -> dict[str, list[GradedLine]]:
    """Lines by measure, all recall together first: it is the measure with the least noise."""
    groups: dict[str, list[GradedLine]] = {RECALL: []}
    for line in lines:
        groups.setdefault(KNOWN if line.is_locality else line.kind, []).append(line)
        if not line.is_locality:
            groups[RECALL].append(line)
    return {name: group for name, group in groups.items() if group}


def _sample(flips: Sequence[Flip]) -> Sequence[Flip]:
    """At most ``_SHOWN`` flips, from all measures alike."""
    return flips[:: max(1, len(flips) // _SHOWN)][:_SHOWN]


def _short(text: str, limit: int = 100) -> str:
    line = " ".join(text.split()) or "(nothing)"
    return line if len(line) <= limit else line[: limit - 1] + "…"
