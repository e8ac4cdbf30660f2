"""pytest's hooks."""

from __future__ import annotations

import os
import sys
from typing import Any

import pytest

from harness.builds import IdleBuilder, Plan, launch_here
from harness.errors import HarnessError
from harness.experiments.cells import Cell
from harness.measure.machine import Threads, choose_threads
from harness.plugin._baseline import COMPARED, check_baselines, keep_baselines, summarise
from harness.plugin._fixtures import RAN, parametrise_engines
from harness.plugin._options import add_options
from harness.plugin._order import check_names, on_worker, sort_by_cell, tell_controller
from harness.plugin._session import KEY, HarnessSession, cell_of
from harness.report import fitted, noise, write

SCENARIO = "harness_scenario"
HELP = pytest.StashKey[IdleBuilder]()
"""Of a worker of xdist: what to build while another is at what a test waits for."""


THREADS = pytest.StashKey[Threads]()


def pytest_addoption(parser: pytest.Parser) -> None:
    add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    config.stash[KEY] = HarnessSession(config)
    config.addinivalue_line(
        "markers", "needs(capability, ...): what a test asks of its cell's engine"
    )
    config.pluginmanager.register(Recorder(config.stash[KEY]), "harness-recorder")
    worker = getattr(config, "workerinput", None)  # a local one inherits what the controller chose
    processes = (
        int(worker["workercount"]) if worker else len(config.getoption("tx", None) or ["here"])
    )
    config.stash[THREADS] = choose_threads(processes)  # before torch is imported


def pytest_report_header(config: pytest.Config) -> str:
    """How many threads each process computes with, and why."""
    return f"lora-memory-harness: {config.stash[THREADS]}"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """``cell`` becomes every cell of the module's ``SCENARIO``, ``engine_spec`` every engine."""
    if "engine_spec" in metafunc.fixturenames:
        parametrise_engines(metafunc, metafunc.config.stash[KEY])
    if "cell" not in metafunc.fixturenames or not hasattr(metafunc.module, "SCENARIO"):
        return
    own = metafunc.config.stash[KEY]
    try:
        cells = own.cells(own.key(metafunc.module))
    except (HarnessError, pytest.UsageError) as error:
        own.mistake, cells = (
            str(error),
            [],
        )  # raised here it would be a collection error, with a traceback
    marked = [pytest.param(cell, id=cell.id, marks=_marks(own.missing(cell))) for cell in cells]
    metafunc.parametrize("cell", marked, scope="session")


def _marks(reason: str) -> list[pytest.MarkDecorator]:
    return [pytest.mark.skip(reason=reason)] if reason else []


def pytest_runtest_setup(item: pytest.Item) -> None:
    """``@pytest.mark.needs("scales")``: skips on an engine that cannot, and says so."""
    cell = cell_of(item)
    for marker in item.iter_markers("needs"):
        for need in marker.args:
            if cell and not getattr(cell.subject.engine.capabilities, need):
                pytest.skip(
                    f"engine {cell.subject.engine.name} does not offer {need.replace('_', ' ')}"
                )


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Stops where the user got something wrong; else puts the tests in order.

    What stops a worker of xdist would be shown as an error of its own, so a worker tells the
    mistake and has no tests.
    """
    own = config.stash[KEY]
    try:
        _check(own, items)
    except pytest.UsageError as error:
        if not on_worker(config):
            raise
        tell_controller(config, mistake=str(error))
        items.clear()
    for item in items:
        if cell_of(item) and isinstance(item, pytest.Function):
            item.user_properties.append((SCENARIO, own.scenario(own.key(item.module)).name))
    sort_by_cell(own, items)


def _check(own: HarnessSession, items: list[pytest.Item]) -> None:
    if own.mistake:
        raise pytest.UsageError(own.mistake)
    check_names(own, items)
    check_baselines(own, items)


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """Shows the plan, or builds what the selected tests need before the first of them runs.

    With ``-x`` or ``--maxfail`` each cell is built when its turn comes, so that a failure ends the
    session early; a worker of xdist does likewise, as it does not know its share beforehand. Where
    it would wait for another worker's build, and when it has no tests left, it builds what else is
    to come.
    """
    own = session.config.stash[KEY]
    if session.config.getoption("numprocesses", None):
        _judge_first(own)
    found = dict.fromkeys(cell for item in session.items if (cell := cell_of(item)))
    cells = [cell for cell in found if not own.missing(cell)]
    if found and own.renamed_models and not on_worker(session.config):
        _say(session.config, "\n".join(own.renamed_models))
    if session.config.getoption("plan"):
        if not cells:
            why = own.missing(next(iter(found))) if found else "select a suite, without -n"
            raise pytest.UsageError(f"--plan found no cells: {why}")
        _say(session.config, _planned(own, cells).table())
        return True
    if session.config.getoption("maxfail") or session.config.option.collectonly:
        return None
    if cells and on_worker(session.config):
        session.config.stash[HELP] = own.store.meanwhile = IdleBuilder(
            lambda: own.plan(cells), own.store, own.fetch
        )
    elif cells:
        try:
            if own.judge:
                _say(session.config, own.judge)
            launch_here(_planned(own, cells), own.fetch)
        except HarnessError as error:
            raise pytest.UsageError(str(error)) from error
    return None


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Notes what was selected. A worker that is through helps the others, unless the session was
    broken off."""
    own = session.config.stash[KEY]
    own.stopped = str(session.shouldfail or session.shouldstop or "")
    own.selected |= {
        item.nodeid: (own.key(item.module), cell.id)
        for item in session.items
        if (cell := cell_of(item))
        and isinstance(item, pytest.Function)
        and "outcome" in item.fixturenames
    }
    if on_worker(session.config):
        tell_controller(
            session.config, selected=[[test, *cell] for test, cell in own.selected.items()]
        )
    meanwhile = session.config.stash.get(HELP, None)
    if meanwhile and exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        while meanwhile():
            pass


def _judge_first(own: HarnessSession) -> None:
    """With xdist the controller calibrates: what stops a worker is not shown."""
    try:
        own.judge  # noqa: B018 - read: a judge that is not to be trusted stops here
    except HarnessError as error:
        raise pytest.UsageError(str(error)) from error


class Recorder:
    """Notes which cells ran, from reports and not in the fixture: under xdist only reports reach
    the controller."""

    def __init__(self, own: HarnessSession) -> None:
        self._own = own

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        told = dict(report.user_properties)
        if report.skipped:
            self._own.left_out.add(report.nodeid)
        measured = (
            report.when == "call" or COMPARED in told
        )  # what is compared in vain is skipped before its call
        if scenario := told.get(SCENARIO):
            if report.skipped and isinstance(report.longrepr, tuple) and COMPARED not in told:
                self._own.skipped[str(scenario)] = report.longrepr[2].removeprefix("Skipped: ")
            elif measured:
                self._own.asked.add(str(scenario))
        if not measured:
            return
        if isinstance(found := told.get(RAN), (list, tuple)):
            self._own.ran[(str(found[0]), str(found[1]))] = None
        if isinstance(found := told.get(COMPARED), (list, tuple)):
            self._own.compared[(str(found[0]), str(found[1]))] = int(found[2])


def pytest_terminal_summary(terminalreporter: Any, exitstatus: int, config: pytest.Config) -> None:
    """The table, and the report's files."""
    own = config.stash[KEY]
    for scenario, reason in own.skipped.items():
        if scenario not in own.asked:
            terminalreporter.write_line(
                f"{scenario}: every test was skipped, nothing was measured: {reason}"
            )
    if not own.ran:
        return
    try:
        found = own.report()
        parts = [part for part in found if part.entries]
        notes = [*own.renamed_models, *([own.judge] if own.judge else [])]
        path = write(parts, own.settings.report) if parts else None
    except (HarnessError, pytest.UsageError) as error:
        terminalreporter.write_line(f"no report: {error}", red=True)
        return
    terminalreporter.section("what was remembered, what was lost, what it cost")
    width = _width(config)
    for part in parts:
        notes += [f"{part.scenario.name}: {line}" for line in part.cautions]
        if least := noise(part.results, part.scenario.headline):
            notes.append(f"{part.scenario.name}: {least}")
        terminalreporter.write_line(f"{part.scenario.title}\n\n{fitted(part.results, width)}\n")
        for finding in part.findings:
            if finding.summary:
                terminalreporter.write_line(f"{finding.title}: {finding.summary}\n")
    for cell, reason in (missing for part in found for missing in part.missing):
        terminalreporter.write_line(f"not in the report: {cell}: {reason}", red=True)
    for note in notes:
        terminalreporter.write_line(note)
    if path is None:
        return
    shown = os.path.relpath(path, config.invocation_params.dir)
    terminalreporter.write_line(f"full report with intervals, plots and wrong answers: {shown}")
    try:
        said = [*keep_baselines(own, exitstatus), *summarise(own, parts)]
    except (HarnessError, pytest.UsageError) as error:
        terminalreporter.write_line(str(error), red=True)
        return
    for line in said:
        terminalreporter.write_line(line)


def _width(config: pytest.Config) -> int | None:
    """Columns of the terminal; None in a file or a pipe, which wrap nothing, unless ``COLUMNS``
    says."""
    writer = config.get_terminal_writer()
    return writer.fullwidth if sys.stdout.isatty() or "COLUMNS" in os.environ else None


def _planned(own: HarnessSession, cells: list[Cell]) -> Plan:
    try:
        return own.plan(cells)
    except HarnessError as error:
        raise pytest.UsageError(str(error)) from error


def _say(config: pytest.Config, text: str) -> None:
    reporter: Any = config.pluginmanager.get_plugin("terminalreporter")
    reporter.write_line("\n" + text)
