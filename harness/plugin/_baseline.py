"""Baselines within a session: checked at the start, compared by the tests, kept and summed up at
the end."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from harness.errors import HarnessError, StoreError
from harness.experiments.cells import Cell
from harness.grading import JUDGE
from harness.plugin._session import HarnessSession, cell_of
from harness.report import ScenarioReport, comparison_markdown, table, warning
from harness.report.baselines import (
    Baseline,
    BaselineCell,
    Comparison,
    compare,
    save,
)

COMPARED = "harness_compared"
_NAMED = 3  # missing cells that a line names


def check_baselines(own: HarnessSession, items: Sequence[pytest.Item]) -> None:
    """Stops before anything is built where a baseline cannot be read, or says nothing about the
    selected cells."""
    asking = list(_asking(own, items))
    if not asking:
        return
    settings = own.settings
    if settings.grader == JUDGE and (settings.baseline or settings.save_baseline):
        raise pytest.UsageError(
            "baselines hold verdicts of the fuzzy grader: give --grader both, not judge"
        )
    if settings.save_baseline and len({base.content for base in own.bases}) > 1:
        raise pytest.UsageError(
            f"--save-baseline {settings.save_baseline} keeps one model: give one --model"
        )
    if not settings.baseline:
        return
    kept = _readable(own, [key for key, _ in asking])
    if not any(cell.name in own.baseline(key).cells for key, cell in asking if key in kept):
        path = _shown(own.baseline_path(kept[0], settings.baseline))
        raise pytest.UsageError(
            f"baseline {path} holds none of the selected cells: select others, or save it again"
        )


def _readable(own: HarnessSession, keys: Sequence[str]) -> list[str]:
    """The scenarios that keep ``--baseline``: of several some need not, but one must, and none may
    be damaged."""
    try:
        kept = [key for key in dict.fromkeys(keys) if own.keeps_baseline(key)]
        for key in kept or keys[:1]:
            own.baseline(key)
    except HarnessError as error:
        raise pytest.UsageError(str(error)) from error
    return kept


def items_compared(own: HarnessSession, items: Sequence[pytest.Item]) -> int:
    """How many cells the session compares: from the collection, which is the same on
    all workers."""
    kept = [(key, cell) for key, cell in _asking(own, items) if own.keeps_baseline(key)]
    return len({(key, cell.id) for key, cell in kept if cell.name in own.baseline(key).cells})


def compared(own: HarnessSession, key: str, cell: Cell, count: int) -> Comparison:
    """``cell`` against the baseline, as one of ``count`` comparisons."""
    result, baseline = own.result(key, cell), own.baseline(key)
    return compare(
        baseline.cells[cell.name],
        own.lines(cell),
        result.cost,
        cell=cell.id,
        baseline=baseline.name,
        status=result.status,
        cells=count,
        limits=own.settings.limits,
        judge_speed=own.settings.judge_speed,
    )


def properties(found: Comparison) -> Iterator[tuple[str, object]]:
    """What JUnit's XML holds of a comparison."""
    yield "baseline", found.baseline
    yield "worse", len(found.worse)
    for change in found.changes:
        yield f"{change.measure}_before", round(change.before, 4)
        yield f"{change.measure}_now", round(change.now, 4)
        yield f"{change.measure}_p", float(f"{change.p:.3g}")
        yield f"{change.measure}_flipped", len(change.flips)
    for ratio in found.ratios:
        yield f"{ratio.measure}_ratio", round(ratio.ratio, 4)


def keep_baselines(own: HarnessSession, exitstatus: int) -> Iterator[str]:
    """Writes what ran as ``--save-baseline``, and says where; a run that lacks selected cells is no
    baseline."""
    name = own.settings.save_baseline
    if not name:
        return
    if why := _incomplete(own, exitstatus):
        yield f"no baseline {name} is saved, as {why}"
        return
    keys = dict.fromkeys(key for key, _ in own.ran)
    paths = {own.baseline_path(key, name) for key in keys}
    if len(paths) < len(keys):
        raise pytest.UsageError(
            "--baselines is one folder for several scenarios: put {scenario} into it"
        )
    for key in keys:
        kept, path = _kept(own, key, name), own.baseline_path(key, name)
        save(kept, path)
        yield f"baseline {name} of {kept.model} saved in {_shown(path)}, cells {len(kept.cells)}"


def summarise(own: HarnessSession, found_parts: Sequence[ScenarioReport]) -> Iterator[str]:
    """Says how the cells compare, and appends all tables to the summary file."""
    parts = ["## What was remembered, what was lost, what it cost", ""]
    for one in found_parts:
        parts += [f"### {one.scenario.title}", "", table(one.results, intervals=False), ""]
        if one.judging and one.judging.grader == JUDGE:
            parts += [f"{line}\n" for line in warning(one.judging.calibrated)]
    for key in dict.fromkeys(key for key, _ in own.compared):
        known = {cell.id: cell for cell in own.cells(key)}
        asked = [(known[name], count) for (k, name), count in own.compared.items() if k == key]
        found = [compared(own, key, cell, count) for cell, count in asked]
        yield from _verdict(own.settings.baseline, found)
        model = ", ".join(f"{base.name} ({base.content[:12]})" for base in own.bases)
        versions = own.manifest(asked[0][0]).versions
        parts += [comparison_markdown(own.baseline(key), model, versions, found)]
    if own.settings.summary:
        yield _append(own.settings.summary, "\n".join(parts))


def _asking(own: HarnessSession, items: Sequence[pytest.Item]) -> Iterator[tuple[str, Cell]]:
    """Key of the scenario and cell of each test that compares."""
    for item in items:
        cell = cell_of(item)
        if cell and isinstance(item, pytest.Function) and "baseline" in item.fixturenames:
            yield own.key(item.module), cell


def _incomplete(own: HarnessSession, exitstatus: int) -> str:
    """Why what ran is not all that was selected; empty where it is."""
    if exitstatus not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        return "the session did not end by itself"
    if own.stopped:
        return (
            f"the session ended before its last test ({own.stopped}): run it without -x and"
            " --maxfail"
        )
    lost = own.lost()
    more = f" and {len(lost) - _NAMED} more" if len(lost) > _NAMED else ""
    return (
        f"nothing was measured of {', '.join(lost[:_NAMED])}{more}: mend that, or select others"
        if lost
        else ""
    )


def _kept(own: HarnessSession, key: str, name: str) -> Baseline:
    known = {cell.id: cell for cell in own.cells(key)}
    cells = [known[cell] for k, cell in own.ran if k == key]
    manifest = own.manifest(cells[0])
    kept = {cell.name: _cell(own, key, cell) for cell in cells}
    model, scenario = cells[0].subject.base, own.scenario(key).name
    return Baseline(
        name, scenario, model.name, model.content, manifest.machine, manifest.versions, kept
    )


def _cell(own: HarnessSession, key: str, cell: Cell) -> BaselineCell:
    result = own.result(key, cell)
    return BaselineCell(
        result.status, {line.id: line.right for line in own.lines(cell)}, result.cost
    )


def _verdict(name: str, found: Sequence[Comparison]) -> Iterator[str]:
    bad = sum(not c.holds for c in found)
    untold = sum(not c.conclusive for c in found)
    more = f", no loss could be shown in {untold}" if untold else ""
    yield f"\nagainst baseline {name}: cells compared {len(found)}, worse {bad or 'none'}{more}"
    yield from (f"{c.cell}: {c.blind}" for c in found if c.blind)
    yield from (
        f"slower, not failed: {c.cell}: {line}"
        for c in found
        if not c.judge_speed
        for line in c.slower
    )


def _append(path: Path, text: str) -> str:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as stream:
            stream.write(text + "\n")
    except OSError as error:
        raise StoreError(
            f"summary {path} cannot be written ({error.strerror}): give another --summary"
        ) from error
    return f"summary appended to {_shown(path)}"


def _shown(path: Path) -> str:
    return os.path.relpath(path)
