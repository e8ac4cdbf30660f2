"""RESULTS.md, and the table of cells for terminals of any width."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from statistics import mean

from harness.engines import HF
from harness.grading import JUDGE
from harness.recipes import is_locality
from harness.report._judging import corrected, judging_markdown, warning
from harness.report._paired import comparison_table, noise
from harness.report._results import Result, Wrong
from harness.report._scenario_report import ScenarioReport
from harness.report._tables import MIB, escaped, markdown_table, words
from harness.stats import ErrorRates, crossed_bootstrap

_SHOWN_WRONG = 12  # wrong answers listed per cell
_MOST_FACTORS = 3  # more columns would push the figures off the page
_VRAM = "VRAM MiB"
_MFU = "MFU"
_TRAINING = (
    ("train s", "seconds", 1.0, 1),
    ("steps/s", "steps_per_second", 1.0, 1),
    (_MFU, "mfu", 1.0, 2),
    ("RSS MiB", "peak_rss_bytes", MIB, 0),
    (_VRAM, "peak_vram_bytes", MIB, 0),
    ("adapter MiB", "adapter_bytes", MIB, 1),
)
"""Costs of a training, one column each: head, figure, unit, decimals."""
_ANSWERING = (
    ("tokens/s", "tokens_per_second", 1.0),
    ("load s", "load_seconds", 1.0),
    ("model MiB", "model_bytes", MIB),
    ("answering RSS MiB", "answering_rss_bytes", MIB),
    ("answering VRAM MiB", "answering_vram_bytes", MIB),
    ("training steps/s", "steps_per_second", 1.0),
)
"""Columns of the engines' table: head, figure, unit. A figure that no cell has gets none."""
_ENGINES = (
    "*Known* is the share of questions on untouched facts that are answered right. Locality"
    " compares an adapted model with the bare one on the same engine. bitsandbytes quantises while"
    " it loads, so its model is as large on disk as the base."
)
_SHARES = (
    "Shares with 95% intervals (bootstrap over facts). Locality: the share of questions on"
    " untouched facts that are answered as the bare model answers them. Retained accuracy: of those"
    " that the bare model had right, the share that is still right."
)
_LOCAL = ("locality", "retained_accuracy")
_BETWEEN = 2  # blanks between columns in a terminal
_SHORTEST = 24  # letters of a cell's id that always stay
_GO_FIRST = (
    "RSS MiB",
    _VRAM,
    _MFU,
    "adapter MiB",
    "steps/s",
    "status",
    "train s",
    "retained accuracy",
)
"""Columns that a narrow terminal loses first."""


def columns(results: Sequence[Result]) -> list[str]:
    """Kinds of recall and measures, in the order of their first appearance."""
    names = [name for result in results for name in (*result.recall, *result.measures)]
    return list(dict.fromkeys(names))


def share_columns(results: Sequence[Result]) -> list[str]:
    """``columns``, and then locality and retained accuracy where a cell has them."""
    local = [name for name in _LOCAL if any(name in result.shares() for result in results)]
    return [*columns(results), *local]


def varied_factors(results: Sequence[Result]) -> list[str]:
    """Names of the factors in which the cells differ; none where these are more than three."""
    cells = [result.cell.factors for result in results if result.adapted]
    names = dict.fromkeys(name for factors in cells for name in factors)
    varied = [name for name in names if len({factors.get(name) for factors in cells}) > 1]
    return varied if len(varied) <= _MOST_FACTORS else []


def table(results: Sequence[Result], form: str = "github", intervals: bool = True) -> str:
    """A row for each cell, with the factors in which they differ; the bare models come first."""
    head, rows = cells_of(results, intervals)
    factors = varied_factors(results)
    head = [head[0], *map(words, factors), *head[1:]]
    rows = [
        [row[0], *_factors(result, factors), *row[1:]]
        for result, row in zip(results, rows, strict=True)
    ]
    return markdown_table(head, rows, form)


def cells_of(results: Sequence[Result], intervals: bool) -> tuple[list[str], list[list[str]]]:
    """Headings and rows of the table, without factors."""
    shares = share_columns(results)
    # Without a GPU there is no column for its memory.
    gpu = any(result.cost.get("peak_vram_bytes") for result in results)
    # Trainings that were made before MFU was measured have none.
    used = any("mfu" in result.cost for result in results)
    absent = {name for name, there in ((_VRAM, gpu), (_MFU, used)) if not there}
    costs = [column for column in _TRAINING if column[0] not in absent]
    head = ["cell", *map(words, shares), *(name for name, *_ in costs), "status"]
    return head, [_row(result, shares, costs, intervals) for result in results]


def seeds_table(results: Sequence[Result], rates: ErrorRates | None = None) -> str:
    """Means over the seeds of each cell that has several; empty where none has.

    The intervals are over other seeds and other facts. ``rates`` are those of the judge by which
    recall was corrected.
    """
    names = [*columns(results), *_LOCAL]
    rows = []
    for cell, group in groupby(sorted(results, key=_without_seed), _without_seed):
        runs = list(group)
        if len(runs) < 2:
            continue
        shares = [_over_seeds(runs, name, rates) for name in names]
        seconds = mean(run.cost["seconds"] for run in runs)
        rows.append([cell, str(len(runs)), *shares, f"{seconds:.1f}"])
    return markdown_table(["cell", "seeds", *map(words, names), "train s"], rows) if rows else ""


def engines_table(results: Sequence[Result]) -> str:
    """Each cell on each engine, where there is more than one engine; bare models first."""
    if len({result.engine for result in results}) < 2:
        return ""
    names = ["known", *columns(results), "locality"]
    costs = [column for column in _ANSWERING if any(column[1] in each.cost for each in results)]
    head = ["cell", "engine", *map(words, names), *(column for column, _, _ in costs)]
    rows = []
    for result in results:
        shares = result.shares()
        figures = [f"{shares[name].estimate:.2f}" if name in shares else "" for name in names]
        spent = [_cost(result, name, unit) for _, name, unit in costs]
        rows.append([_without_engine(result), result.engine, *figures, *spent])
    return markdown_table(head, rows)


def document(reports: Sequence[ScenarioReport], plots: Mapping[str, Sequence[str]]) -> str:
    """The whole of RESULTS.md, a chapter for each scenario.

    ``plots`` names the plots of each scenario, without suffix.
    """
    if len(reports) == 1:
        return _chapter(reports[0], plots[reports[0].scenario.name], "#")
    chapters = (_chapter(report, plots[report.scenario.name], "##") for report in reports)
    return "\n".join(["# Results", "", *chapters])


def fitted(results: Sequence[Result], width: int | None) -> str:
    """A row for each cell, without intervals, in at most ``width`` columns (None: no limit).

    No line is wrapped. Costs are left out first, then the scenario's own measures, then the middle
    of long ids; locality and the first kinds of recall stay longest. A line below says what was
    left out.
    """
    head, rows = cells_of(results, intervals=False)
    gone: list[str] = []
    for name in _order(head, results):
        if width is None or _width(head, rows) <= width:
            break
        if _width(head, _shortened(rows, _SHORTEST)) <= width and name not in _GO_FIRST:
            break
        at = head.index(name)
        head = [*head[:at], *head[at + 1 :]]
        rows = [[*row[:at], *row[at + 1 :]] for row in rows]
        gone.append(name)
    if width is not None:
        longest = max((len(row[0]) for row in rows), default=0)
        excess = max(0, _width(head, rows) - width)
        rows = _shortened(rows, max(_SHORTEST, longest - excess))
    text = markdown_table(head, rows, "simple")
    return f"{text}\n\n{_left_out(gone, width)}" if gone else text


def _chapter(report: ScenarioReport, plots: Sequence[str], level: str) -> str:
    results, scenario = report.results, report.scenario
    adapted = [result for result in results if result.adapted]
    judging = report.judging
    # Of a judge whose verdicts count; beside the fuzzy grader it has a section of its own only.
    calibrated = judging.calibrated if judging and judging.grader == JUDGE else None
    lines = [f"{level} {scenario.title}", "", table(results), ""]
    if calibrated and (doubts := warning(calibrated)):
        lines += [*doubts, ""]
    if report.cautions:
        lines += [*(f"{line[:1].upper()}{line[1:]}." for line in report.cautions), ""]
    for finding in report.findings:
        lines += [f"{level}# {finding.title}", "", finding.text.strip(), ""]
        lines += [
            f"![{curves.y} over {curves.x}]({scenario.name}-{curves.name}.svg)\n"
            for curves in finding.curves
        ]
    if seeds := seeds_table(adapted, calibrated.held_out.rates if calibrated else None):
        lines += [f"{level}# Means over seeds", "", seeds, ""]
    if engines := engines_table(results):
        lines += [f"{level}# Engines", "", _ENGINES, "", engines, ""]
    if smallest := noise(results, scenario.headline):
        lines += [f"Please note: {smallest}.", ""]
    headline = words(scenario.headline)
    lines += [_SHARES, ""]
    lines += [f"![{headline} against {name.rpartition('-')[2]}]({name}.svg)" for name in plots]
    if compared := comparison_table(report.compared):
        lines += ["", f"{level}# Compared in {headline}", "", compared]
    settings = markdown_table(("what", "value"), report.settings)
    lines += ["", f"{level}# How it was run", "", settings, ""]
    lines += judging_markdown(judging, f"{level}#") if judging else []
    if facts := _facts(adapted):
        text = f"The share of questions of kind *{headline}* that are answered right, by fact."
        lines += [f"{level}# Facts", "", text, "", facts, ""]
    lines += [f"{level}# Wrong answers", ""]
    for result in adapted:
        lines += [*_wrong(result, level), ""]
    return "\n".join(lines).rstrip() + "\n"


def _factors(result: Result, names: Sequence[str]) -> list[str]:
    """Values of the factors ``names``; empty for a bare model."""
    factors = result.cell.factors if result.adapted else {}
    return [_factor(factors[name]) if name in factors else "" for name in names]


def _factor(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else escaped(str(value))


def _row(
    result: Result,
    names: Sequence[str],
    costs: Sequence[tuple[str, str, float, int]],
    intervals: bool,
) -> list[str]:
    shares = result.shares()
    figures = []
    for name in names:
        share = shares.get(name)
        if share is None:
            figures.append("")
        else:
            figures.append(str(share) if intervals else f"{share.estimate:.2f}")
    spent = [_cost(result, name, unit, digits) for _, name, unit, digits in costs]
    return [result.id, *figures, *spent, result.status]


def _cost(result: Result, name: str, unit: float, digits: int = 1) -> str:
    return f"{result.cost[name] / unit:.{digits}f}" if name in result.cost else ""


def _without_seed(result: Result) -> str:
    return result.cell.without_seed


def _without_engine(result: Result) -> str:
    """The cell without its engine, so that the rows of one cell have one name."""
    full = replace(result.cell.subject, engine=HF)
    if result.bare:
        return f"{full.name} (no adapter)"
    several_models = result.cell.id != result.cell.name and result.model in result.cell.id
    name = result.cell.changed(subject=full).name
    return f"{result.model}-{name}" if several_models else name


def _over_seeds(runs: Sequence[Result], name: str, rates: ErrorRates | None) -> str:
    """The mean of one share; with its interval where it is a plain share of questions."""
    shares = [run.shares()[name].estimate for run in runs if name in run.shares()]
    if not shares:
        return ""
    local = name == "locality"
    marks = [
        (run.id, mark)
        for run in runs
        for mark in run.marks
        if mark.kind == name or (local and is_locality(mark.kind))
    ]
    if not marks:
        return f"{mean(shares):.3f}"
    values = [float(mark.same if local else mark.right) for _, mark in marks]
    share = crossed_bootstrap(values, [mark.fact for _, mark in marks], [run for run, _ in marks])
    return str(corrected(share, rates) if rates and not local else share)


def _facts(results: Sequence[Result]) -> str:
    if not results or not results[0].facts:
        return ""
    rows = []
    for fact in dict.fromkeys(fact for result in results for fact in result.facts):
        shares = [f"{each.facts[fact]:.2f}" if fact in each.facts else "" for each in results]
        rows.append([escaped(fact.rpartition("/")[2]), *shares])
    return markdown_table(["fact", *(result.id for result in results)], rows)


def _wrong(result: Result, level: str) -> list[str]:
    count = len(result.wrong)
    lines = [f"{level}## {result.id}", "", f"{count} questions on the facts were answered wrong."]
    if not count:
        return lines
    rows = [[wrong.kind, *map(escaped, wrong[1:])] for wrong in _spread(result)]
    head = ("kind", "question", "answer", "right answer", "read as")
    return [*lines, "", markdown_table(head, rows)]


def _spread(result: Result) -> tuple[Wrong, ...]:
    """Wrong answers from all kinds alike."""
    return result.wrong[:: max(1, len(result.wrong) // _SHOWN_WRONG)][:_SHOWN_WRONG]


def _order(head: Sequence[str], results: Sequence[Result]) -> list[str]:
    """Columns in the order in which a narrow terminal loses them."""
    measures = {words(name) for result in results for name in result.measures}
    recall = [words(name) for name in columns(results) if words(name) not in measures]
    last = [*recall[:2], "locality"]
    first = [name for name in _GO_FIRST if name in head]
    others = [name for name in reversed(head[1:]) if name not in (*first, *recall, *last)]
    end = [name for name in reversed(last[1:]) if name in head]
    return [*first, *others, *reversed(recall[2:]), *end]


def _width(head: Sequence[str], rows: Sequence[Sequence[str]]) -> int:
    """The width that tabulate gives the table: it leaves two blanks behind a heading."""
    widths = [
        max(len(name) + _BETWEEN, *(len(cell) for cell in cells), 0)
        for name, *cells in zip(head, *rows, strict=True)
    ]
    return sum(widths) + _BETWEEN * (len(widths) - 1)


def _shortened(rows: Sequence[Sequence[str]], length: int) -> list[list[str]]:
    """Ids of at most ``length`` letters, without their middle: both ends tell them apart."""
    return [[_without_middle(row[0], length), *row[1:]] for row in rows]


def _without_middle(text: str, length: int) -> str:
    if len(text) <= length:
        return text
    end = (length - 1) // 2
    return f"{text[: length - 1 - end]}…{text[-end:]}"


def _left_out(names: Sequence[str], width: int | None) -> str:
    line = f"not shown: {', '.join(names)}"
    return line if width is None or len(line) <= width else f"not shown: {len(names)} columns"
