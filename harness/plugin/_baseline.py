"""Baselines within a session: checked before the tests, compared by them, saved at the end."""

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
"""The property of a test's report that names the comparison it made."""
_SHOWN_MISSING = 3  # cells without figures that a line names


def check_baselines(session: HarnessSession, items: Sequence[pytest.Item]) -> None:
    """Stop before anything is built where a baseline is of no use.

    Raises:
        pytest.UsageError: it cannot be read or holds none of the selected cells, or the options do
            not allow a baseline.
    """
    comparing = list(_comparing(session, items))
    if not comparing:
        return
    settings = session.settings
    if settings.grader == JUDGE and (settings.baseline or settings.save_baseline):
        raise pytest.UsageError(
            "baselines hold verdicts of the fuzzy grader: give --grader both, not judge"
        )
    # cells of a baseline are named without their model
    if settings.save_baseline and len({base.content for base in session.bases}) > 1:
        raise pytest.UsageError(
            f"--save-baseline {settings.save_baseline} keeps one model: give one --model"
        )
    if not settings.baseline:
        return
    keys = _with_baseline(session, [key for key, _ in comparing])
    if not any(cell.name in session.baseline(key).cells for key, cell in comparing if key in keys):
        path = _relative(session.baseline_path(keys[0], settings.baseline))
        raise pytest.UsageError(
            f"baseline {path} holds none of the selected cells: select others, or save it again"
        )


def count_comparisons(session: HarnessSession, items: Sequence[pytest.Item]) -> int:
    """How many cells the session compares.

    It is counted from the collection, which is the same on all workers.
    """
    comparing = [pair for pair in _comparing(session, items) if session.keeps_baseline(pair[0])]
    return len(
        {(key, cell.id) for key, cell in comparing if cell.name in session.baseline(key).cells}
    )


def compare_cell(session: HarnessSession, key: str, cell: Cell, count: int) -> Comparison:
    """``cell`` against the baseline, as one of ``count`` comparisons."""
    result = session.result(key, cell)
    baseline = session.baseline(key)
    return compare(
        baseline.cells[cell.name],
        session.lines(cell),
        result.cost,
        cell=cell.id,
        baseline=baseline.name,
        status=result.status,
        cells=count,
        limits=session.settings.limits,
        judge_speed=session.settings.judge_speed,
    )


def properties(comparison: Comparison) -> Iterator[tuple[str, object]]:
    """What JUnit's XML holds of a comparison."""
    yield "baseline", comparison.baseline
    yield "worse", len(comparison.worse)
    for change in comparison.changes:
        yield f"{change.measure}_before", round(change.before, 4)
        yield f"{change.measure}_now", round(change.now, 4)
        yield f"{change.measure}_p", float(f"{change.p:.3g}")
        yield f"{change.measure}_flipped", len(change.flips)
    for ratio in comparison.ratios:
        yield f"{ratio.measure}_ratio", round(ratio.ratio, 4)


def save_baselines(session: HarnessSession, exitstatus: int) -> Iterator[str]:
    """Write the cells that ran as ``--save-baseline``, and yield a line for each file.

    A run that lacks selected cells is not saved: the line says why.
    """
    name = session.settings.save_baseline
    if not name:
        return
    if why := _incomplete(session, exitstatus):
        yield f"no baseline {name} is saved, as {why}"
        return
    keys = dict.fromkeys(key for key, _ in session.ran)
    # two scenarios in one file would overwrite each other
    paths = {session.baseline_path(key, name) for key in keys}
    if len(paths) < len(keys):
        raise pytest.UsageError(
            "--baselines is one folder for several scenarios: put {scenario} into it"
        )
    for key in keys:
        baseline = _baseline(session, key, name)
        path = session.baseline_path(key, name)
        save(baseline, path)
        cells = len(baseline.cells)
        yield f"baseline {name} of {baseline.model} saved in {_relative(path)}, cells {cells}"


def summarise(session: HarnessSession, reports: Sequence[ScenarioReport]) -> Iterator[str]:
    """Yield lines on how the cells compare, and append all tables to the summary file."""
    parts = ["## What was remembered, what was lost, what it cost", ""]
    for report in reports:
        parts += [f"### {report.scenario.title}", "", table(report.results, intervals=False), ""]
        if report.judging and report.judging.grader == JUDGE:
            parts += [f"{line}\n" for line in warning(report.judging.calibrated)]
    for key in dict.fromkeys(key for key, _ in session.compared):
        cells = {cell.id: cell for cell in session.cells(key)}
        comparing = [
            (cells[cell], count) for (of, cell), count in session.compared.items() if of == key
        ]
        comparisons = [compare_cell(session, key, cell, count) for cell, count in comparing]
        yield from _verdict(session.settings.baseline, comparisons)
        model = ", ".join(f"{base.name} ({base.content[:12]})" for base in session.bases)
        versions = session.manifest(comparing[0][0]).versions
        parts += [comparison_markdown(session.baseline(key), model, versions, comparisons)]
    if session.settings.summary:
        yield _append(session.settings.summary, "\n".join(parts))


def _comparing(session: HarnessSession, items: Sequence[pytest.Item]) -> Iterator[tuple[str, Cell]]:
    """Key of the scenario and cell of each test that compares."""
    for item in items:
        cell = cell_of(item)
        if cell and isinstance(item, pytest.Function) and "baseline" in item.fixturenames:
            yield session.key(item.module), cell


def _with_baseline(session: HarnessSession, keys: Sequence[str]) -> list[str]:
    """The scenarios that have the baseline ``--baseline``.

    Of several scenarios some may have none. It is a mistake if none has it, or one is damaged.
    """
    try:
        having = [key for key in dict.fromkeys(keys) if session.keeps_baseline(key)]
        for key in having or keys[:1]:
            session.baseline(key)
    # a UsageError is one line, an error of the collection a traceback
    except HarnessError as error:
        raise pytest.UsageError(str(error)) from error
    return having


def _incomplete(session: HarnessSession, exitstatus: int) -> str:
    """Why what ran is not all that was selected; empty where it is."""
    if exitstatus not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        return "the session did not end by itself"
    if session.stopped:
        return (
            f"the session ended before its last test ({session.stopped}): run it without -x and"
            " --maxfail"
        )
    unmeasured = session.unmeasured()
    if not unmeasured:
        return ""
    further = len(unmeasured) - _SHOWN_MISSING
    more = f" and {further} more" if further > 0 else ""
    names = ", ".join(unmeasured[:_SHOWN_MISSING])
    return f"nothing was measured of {names}{more}: correct that, or select others"


def _baseline(session: HarnessSession, key: str, name: str) -> Baseline:
    ids = {cell.id: cell for cell in session.cells(key)}
    cells = [ids[cell] for of, cell in session.ran if of == key]
    manifest = session.manifest(cells[0])
    model = cells[0].subject.base
    return Baseline(
        name,
        session.scenario(key).name,
        model.name,
        model.content,
        manifest.machine,
        manifest.versions,
        {cell.name: _cell(session, key, cell) for cell in cells},
    )


def _cell(session: HarnessSession, key: str, cell: Cell) -> BaselineCell:
    result = session.result(key, cell)
    verdicts = {line.id: line.right for line in session.lines(cell)}
    return BaselineCell(result.status, verdicts, result.cost)


def _verdict(name: str, comparisons: Sequence[Comparison]) -> Iterator[str]:
    worse = sum(not each.holds for each in comparisons)
    blind = sum(not each.conclusive for each in comparisons)
    more = f", no loss could be shown in {blind}" if blind else ""
    count = len(comparisons)
    yield f"\nagainst baseline {name}: cells compared {count}, worse {worse or 'none'}{more}"
    for each in comparisons:
        if each.blind:
            yield f"{each.cell}: {each.blind}"
    for each in comparisons:
        if not each.judge_speed:
            yield from (f"slower, not failed: {each.cell}: {line}" for line in each.slower)


def _append(path: Path, text: str) -> str:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as stream:
            stream.write(text + "\n")
    except OSError as error:
        raise StoreError(
            f"summary {path} cannot be written ({error.strerror}): give another --summary"
        ) from error
    return f"summary appended to {_relative(path)}"


def _relative(path: Path) -> str:
    """``path`` as seen from where the process runs."""
    return os.path.relpath(path)
