"""pytest's hooks: options, cells as parameters, builds before the tests, and the report."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from typing import Any, TypeGuard

import pytest

from harness.builds import IdleBuilder, Plan, memory_note
from harness.errors import HarnessError, TooLittleKnownError
from harness.experiments.cells import Cell
from harness.measure.machine import Threads, choose_threads, configured_threads
from harness.plugin._baseline import COMPARED, check_baselines, save_baselines, summarise
from harness.plugin._fixtures import RAN, parametrise_engines
from harness.plugin._launch import THREADS_SET, add_launch
from harness.plugin._options import add_options
from harness.plugin._order import check_names, on_worker, sort_by_cell, tell_controller
from harness.plugin._session import KEY, HarnessSession, cell_of
from harness.plugin._shards import add_shard, keep_share, shard_of
from harness.recipes import Recipe
from harness.report import ScenarioReport, fitted, noise, write

_CHECKS = "harness.plugin.checks"
SCENARIO = "harness_scenario"
"""The property of a test's report that names its scenario."""
IDLE_BUILDER = pytest.StashKey[IdleBuilder]()
"""Of a worker of xdist: what it builds while another builds what its test waits for."""
THREADS = pytest.StashKey[Threads]()


def pytest_addoption(parser: pytest.Parser) -> None:
    add_options(parser)
    add_shard(parser)
    add_launch(parser)


def pytest_configure(config: pytest.Config) -> None:
    config.stash[KEY] = HarnessSession(config)
    config.addinivalue_line(
        "markers", "needs(capability, ...): what a test asks of its cell's engine"
    )
    config.pluginmanager.register(Recorder(config.stash[KEY]), "harness-recorder")
    worker = getattr(config, "workerinput", None)
    processes = (
        int(worker["workercount"]) if worker else len(config.getoption("tx", None) or ["here"])
    )
    config.stash[THREADS_SET] = configured_threads()
    # before torch is imported: it reads the number of threads once
    config.stash[THREADS] = choose_threads(processes)


def pytest_report_header(config: pytest.Config) -> str:
    """How many threads each process computes with, and why."""
    return f"lora-memory-harness: {config.stash[THREADS]}"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """``cell`` becomes every cell of the module's ``SCENARIO``, ``engine_spec`` every engine."""
    session = metafunc.config.stash[KEY]
    if "engine_spec" in metafunc.fixturenames:
        parametrise_engines(metafunc, session)
    if "cell" not in metafunc.fixturenames:
        return
    if not hasattr(metafunc.module, "SCENARIO"):
        if metafunc.function.__module__ == _CHECKS:
            file = metafunc.module.__file__
            session.mistake = f'{file} has no SCENARIO: write SCENARIO = "NAME OF ITS FOLDER"'
            metafunc.parametrize("cell", [])
        return
    params = []
    try:
        for cell in session.cells(session.key(metafunc.module)):
            params.append(pytest.param(cell, id=cell.id, marks=_skip(session.missing(cell))))
    except TooLittleKnownError as error:  # other scenarios of the session may run
        params = [pytest.param(None, id="nothing", marks=_skip(str(error)))]
    except (HarnessError, pytest.UsageError) as error:
        # raised here it would be an error of the collection, with a traceback
        session.mistake = str(error)
        params = []
    metafunc.parametrize("cell", params, scope="session")


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
    """Stop on a mistake of the user; else put the tests in order.

    A worker of xdist that stops would look like a crash. It sends the mistake to the controller
    instead, and runs no tests.
    """
    session = config.stash[KEY]
    try:
        _check(session, items)
        if shard := shard_of(config):
            session.collected = list(items)
            session.share = str(keep_share(session, items, shard, config))
    except pytest.UsageError as error:
        if not on_worker(config):
            raise
        tell_controller(config, mistake=str(error))
        items.clear()
    for item in items:
        if _is_of_scenario(item):
            scenario = session.scenario(session.key(item.module))
            item.user_properties.append((SCENARIO, scenario.name))
    sort_by_cell(session, items)


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """Show the plan, or build what the selected tests need before the first of them runs.

    With ``-x`` or ``--maxfail`` each cell is built when its turn comes, so that a failure ends the
    session early. A worker of xdist does the same, because it does not know its share before. It
    builds other jobs of the plan where it would wait for another worker, and after its last test.
    """
    return _before_tests(session.config, session.config.stash[KEY], session.items)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Note what was selected; a worker without tests left builds for the others."""
    config = session.config
    harness_session = config.stash[KEY]
    harness_session.stopped = str(session.shouldfail or session.shouldstop or "")
    if harness_session.share and exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED:
        session.exitstatus = pytest.ExitCode.OK  # a shard without cells has done its work
    harness_session.selected |= _selected(harness_session, session.items)
    if on_worker(config):
        tests = [[test, *cell] for test, cell in harness_session.selected.items()]
        tell_controller(config, selected=tests)
    build_next = config.stash.get(IDLE_BUILDER, None)
    if build_next and exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        while build_next():
            pass


class Recorder:
    """Notes which cells ran, from the reports of tests.

    Under xdist only reports reach the controller, so fixtures cannot note it.
    """

    def __init__(self, session: HarnessSession) -> None:
        self._session = session

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        properties = dict(report.user_properties)
        if report.skipped:
            self._session.skipped_tests.add(report.nodeid)
        # a comparison that shows nothing skips its test before the call
        measured = report.when == "call" or COMPARED in properties
        if scenario := properties.get(SCENARIO):
            if report.skipped and isinstance(report.longrepr, tuple) and COMPARED not in properties:
                reason = report.longrepr[2].removeprefix("Skipped: ")
                self._session.skipped_scenarios[str(scenario)] = reason
            elif measured:
                self._session.measured_scenarios.add(str(scenario))
        if not measured:
            return
        if isinstance(ran := properties.get(RAN), (list, tuple)):
            self._session.ran[(str(ran[0]), str(ran[1]))] = None
        if isinstance(compared := properties.get(COMPARED), (list, tuple)):
            self._session.compared[(str(compared[0]), str(compared[1]))] = int(compared[2])


def pytest_terminal_summary(terminalreporter: Any, exitstatus: int, config: pytest.Config) -> None:
    """The table, and the report's files."""
    session = config.stash[KEY]
    for scenario, reason in session.skipped_scenarios.items():
        if scenario not in session.measured_scenarios:
            terminalreporter.write_line(
                f"{scenario}: every test was skipped, nothing was measured: {reason}"
            )
    if not session.ran:
        return
    try:
        reports = session.report()
        filled = [report for report in reports if report.entries]
        notes = [*session.renamed_models, *([session.judge] if session.judge else [])]
        path = write(filled, session.settings.report) if filled else None
    except (HarnessError, pytest.UsageError) as error:
        terminalreporter.write_line(f"no report: {error}", red=True)
        return
    terminalreporter.section("what was remembered, what was lost, what it cost")
    _show_tables(terminalreporter, filled, _width(config))
    for report in reports:
        for cell, reason in report.missing:
            terminalreporter.write_line(f"not in the report: {cell}: {reason}", red=True)
    for note in (*notes, *_notes(filled)):
        terminalreporter.write_line(note)
    if path is None:
        return
    shown = os.path.relpath(path, config.invocation_params.dir)
    terminalreporter.write_line(f"full report with intervals, plots and wrong answers: {shown}")
    try:
        lines = [*save_baselines(session, exitstatus), *summarise(session, filled)]
    except (HarnessError, pytest.UsageError) as error:
        terminalreporter.write_line(str(error), red=True)
        return
    for line in lines:
        terminalreporter.write_line(line)


def _skipped(items: Sequence[pytest.Item]) -> str:
    """Why the first test that is skipped has no cell; empty where none is."""
    marks = (item.get_closest_marker("skip") for item in items)
    return next((str(mark.kwargs.get("reason", "")) for mark in marks if mark), "")


def _is_of_scenario(item: pytest.Item) -> TypeGuard[pytest.Function]:
    """Whether ``item`` is a test of cells, also where there are none for the models."""
    spec = getattr(item, "callspec", None)
    return isinstance(item, pytest.Function) and spec is not None and "cell" in spec.params


def _skip(reason: str) -> list[pytest.MarkDecorator]:
    return [pytest.mark.skip(reason=reason)] if reason else []


def _check(session: HarnessSession, items: list[pytest.Item]) -> None:
    if session.mistake:
        raise pytest.UsageError(session.mistake)
    check_names(session, items)
    check_baselines(session, items)


def _before_tests(
    config: pytest.Config, session: HarnessSession, items: Sequence[pytest.Item]
) -> bool | None:
    """True where only the plan is shown, and no test runs."""
    if config.getoption("numprocesses", None):
        _calibrate_judge(session)
    if session.share and not on_worker(config):
        _say(config, session.share)
    selected = list(dict.fromkeys(cell for item in items if (cell := cell_of(item))))
    cells = [cell for cell in selected if not session.missing(cell)]
    if selected and session.renamed_models and not on_worker(config):
        _say(config, "\n".join(session.renamed_models))
    if config.getoption("plan"):
        if not cells:
            deselected = config.getoption("keyword") or config.getoption("markexpr")
            advice = f"{deselected!r} selects none" if deselected else "select a suite, without -n"
            why = session.missing(selected[0]) if selected else _skipped(items) or advice
            if session.share and not selected:  # more shards than cells
                return True
            raise pytest.UsageError(f"--plan found no cells: {why}")
        plan = _plan(session, cells)
        notes = dict.fromkeys(cell.note for cell in cells if cell.note)
        short = memory_note(_recipes(plan), session.store)
        _say(config, "\n".join(filter(None, [plan.table(), *notes, short])))
        return True
    if config.option.collectonly or (config.getoption("maxfail") and not session.launcher):
        return None
    if cells and on_worker(config):
        builder = IdleBuilder(lambda: session.plan(cells), session.store, session.fetch)
        config.stash[IDLE_BUILDER] = session.store.meanwhile = builder
    elif cells:
        try:
            if session.judge:
                _say(config, session.judge)
            plan = _plan(session, cells)
            if note := memory_note(_recipes(plan), session.store, only_where_short=True):
                _say(config, note)
            if session.share:  # another shard may be building what this one needs, too
                session.store.meanwhile = IdleBuilder(lambda: plan, session.store, session.fetch)
            session.launch(plan)
        except HarnessError as error:
            raise pytest.UsageError(str(error)) from error
    return None


def _recipes(plan: Plan) -> list[Recipe]:
    return [job.recipe for job in plan.todo]


def _calibrate_judge(session: HarnessSession) -> None:
    """With xdist the controller calibrates, because a mistake that stops a worker is not shown."""
    try:
        session.judge  # noqa: B018 - reading it stops on a judge that is too weak
    except HarnessError as error:
        raise pytest.UsageError(str(error)) from error


def _plan(session: HarnessSession, cells: list[Cell]) -> Plan:
    try:
        return session.plan(cells)
    except HarnessError as error:
        raise pytest.UsageError(str(error)) from error


def _selected(session: HarnessSession, items: Sequence[pytest.Item]) -> dict[str, tuple[str, str]]:
    """Scenario's key and cell's id of every test that is to measure a cell, by the test's id."""
    tests: dict[str, tuple[str, str]] = {}
    for item in items:
        cell = cell_of(item)
        if cell and isinstance(item, pytest.Function) and "outcome" in item.fixturenames:
            tests[item.nodeid] = (session.key(item.module), cell.id)
    return tests


def _show_tables(terminal: Any, reports: Sequence[ScenarioReport], width: int | None) -> None:
    for report in reports:
        terminal.write_line(f"{report.scenario.title}\n\n{fitted(report.results, width)}\n")
        for finding in report.findings:
            if finding.summary:
                terminal.write_line(f"{finding.title}: {finding.summary}\n")


def _notes(reports: Sequence[ScenarioReport]) -> Iterator[str]:
    """Cautions of the reports, and the smallest difference that their tables can show."""
    for report in reports:
        name = report.scenario.name
        yield from (f"{name}: {line}" for line in report.cautions)
        if least := noise(report.results, report.scenario.headline):
            yield f"{name}: {least}"


def _width(config: pytest.Config) -> int | None:
    """Columns of the terminal; None in a file or a pipe without ``COLUMNS``: nothing is wrapped."""
    writer = config.get_terminal_writer()
    return writer.fullwidth if sys.stdout.isatty() or "COLUMNS" in os.environ else None


def _say(config: pytest.Config, text: str) -> None:
    reporter: Any = config.pluginmanager.get_plugin("terminalreporter")
    reporter.write_line("\n" + text)
