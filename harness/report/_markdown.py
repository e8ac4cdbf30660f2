"""The table as a terminal of some width can show it: no line is ever wrapped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from statistics import mean

from tabulate import tabulate

from harness.engines import HF
from harness.grading import JUDGE
from harness.recipes import is_locality
from harness.report._judging import corrected, judging_markdown, warning
from harness.report._paired import comparison_table, noise
from harness.report._results import Result, Wrong
from harness.report._scenario_report import ScenarioReport
from harness.report._tables import MIB, escaped, words
from harness.stats import ErrorRates, crossed_bootstrap

_SHOWN_WRONG = 12  # wrong answers listed per cell
_TRAINING = (
    ("train s", "seconds", 1.0, 1),
    ("steps/s", "steps_per_second", 1.0, 1),
    ("RSS MiB", "peak_rss_bytes", MIB, 0),
    ("VRAM MiB", "peak_vram_bytes", MIB, 0),
    ("adapter MiB", "adapter_bytes", MIB, 1),
)
"""Columns of what a training cost: head, figure, unit, decimals. Without a GPU there is none for
its memory."""
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
    "*Known* is the share of questions on untouched facts that are answered right; locality"
    " compares an adapted model with the bare one on the same engine. bitsandbytes quantises while"
    " it loads: its model is as large on disk as the base."
)
_LOCAL = ("locality", "retained_accuracy")


def columns(results: Sequence[Result]) -> list[str]:
    """Kinds of recall and measures, in the order of their first appearance."""
    found = [name for r in results for name in (*r.recall, *r.measures)]
    return list(dict.fromkeys(found))


def table(results: Sequence[Result], form: str = "github", intervals: bool = True) -> str:
    """A row a cell; the bare models' rows come first."""
    head, rows = cells_of(results, intervals)
    return str(tabulate(rows, head, form, disable_numparse=True))


def cells_of(results: Sequence[Result], intervals: bool) -> tuple[list[str], list[list[str]]]:
    """Headings and rows of the table."""
    shown = [
        *columns(results),
        *(name for name in _LOCAL if any(name in r.shares() for r in results)),
    ]
    spent = [
        column
        for column in _TRAINING
        if column[0] != "VRAM MiB" or any(r.cost.get(column[1]) for r in results)
    ]
    head = ["cell", *map(words, shown), *(name for name, *_ in spent), "status"]
    return head, [_row(r, shown, spent, intervals) for r in results]


def seeds_table(results: Sequence[Result], rates: ErrorRates | None = None) -> str:
    """Means over the seeds of each cell that has several, with intervals over other seeds and other
    facts.

    ``rates`` are those of the judge by which recall was corrected.
    """
    rows, shown = [], [*columns(results), *_LOCAL]
    for name, group in groupby(sorted(results, key=_unseeded), _unseeded):
        found = list(group)
        if len(found) < 2:
            continue
        shares = [_over_seeds(found, c, rates) for c in shown]
        rows.append(
            [name, str(len(found)), *shares, f"{mean(r.cost['seconds'] for r in found):.1f}"]
        )
    head = ["cell", "seeds", *map(words, shown), "train s"]
    return str(tabulate(rows, head, "github", disable_numparse=True)) if rows else ""


def engines_table(results: Sequence[Result]) -> str:
    """Each cell on each engine, where there is more than one engine; bare models first."""
    if len({r.engine for r in results}) < 2:
        return ""
    shown = ["known", *columns(results), "locality"]
    costs = [each for each in _ANSWERING if any(each[1] in r.cost for r in results)]
    head = ["cell", "engine", *map(words, shown), *(column for column, _, _ in costs)]
    rows = []
    for result in results:
        shares = result.shares()
        figures = [f"{shares[c].estimate:.2f}" if c in shares else "" for c in shown]
        spent = [_spent(result, name, scale) for _, name, scale in costs]
        rows.append([_engineless(result), result.engine, *figures, *spent])
    return str(tabulate(rows, head, "github", disable_numparse=True))


def _spent(result: Result, name: str, scale: float, digits: int = 1) -> str:
    return f"{result.cost[name] / scale:.{digits}f}" if name in result.cost else ""


def _engineless(result: Result) -> str:
    """The cell without its engine, so that the rows of one cell read alike."""
    full = replace(result.cell.subject, engine=HF)
    if result.bare:
        return f"{full.name} (no adapter)"
    several = result.cell.id != result.cell.name and result.model in result.cell.id
    name = result.cell.changed(subject=full).name
    return f"{result.model}-{name}" if several else name


def document(parts: Sequence[ScenarioReport], drawn: Mapping[str, Sequence[str]]) -> str:
    """The whole of RESULTS.md, a chapter a scenario; ``drawn`` names the plots of each, without
    suffix."""
    if len(parts) == 1:
        return _chapter(parts[0], drawn[parts[0].scenario.name], "#")
    chapters = (_chapter(part, drawn[part.scenario.name], "##") for part in parts)
    return "\n".join(["# Results", "", *chapters])


def _chapter(part: ScenarioReport, drawn: Sequence[str], level: str) -> str:
    results, own = part.results, part.scenario
    trained = [r for r in results if r.adapted]
    judge = part.judging if part.judging and part.judging.grader == JUDGE else None
    found = [f"{level} {own.title}", "", table(results), ""]
    if judge and (doubts := warning(judge.calibrated)):
        found += [*doubts, ""]
    if part.cautions:
        found += [*(f"{line[:1].upper()}{line[1:]}." for line in part.cautions), ""]
    for finding in part.findings:
        found += [f"{level}# {finding.title}", "", finding.text.strip(), ""]
        found += [f"![{c.y} over {c.x}]({own.name}-{c.name}.svg)\n" for c in finding.curves]
    if seeds := seeds_table(trained, judge.calibrated.held_out.rates if judge else None):
        found += [f"{level}# Means over seeds", "", seeds, ""]
    if engines := engines_table(results):
        found += [f"{level}# Engines", "", _ENGINES, "", engines, ""]
    if least := noise(results, own.headline):
        found += [f"Read with care: {least}.", ""]
    found += [
        "Shares with 95% intervals (bootstrap over facts). Locality: answered as the bare model"
        " answers;"
    ]
    found += ["retained accuracy: of what the bare model had right.", ""]
    found += [
        f"![{words(own.headline)} against {name.rpartition('-')[2]}]({name}.svg)" for name in drawn
    ]
    if compared := comparison_table(part.compared):
        found += ["", f"{level}# Compared in {words(own.headline)}", "", compared]
    how = tabulate(part.settings, ("what", "value"), "github", disable_numparse=True)
    found += ["", f"{level}# How it was run", "", how, ""]
    found += judging_markdown(part.judging, f"{level}#") if part.judging else []
    if facts := _facts(trained):
        share = (
            f"Share of the questions of kind *{words(own.headline)}* that are answered right, by"
            " fact."
        )
        found += [f"{level}# Facts", "", share, "", facts, ""]
    found += [f"{level}# Answered wrong", ""]
    for result in trained:
        found += [*_wrong(result, level), ""]
    return "\n".join(found).rstrip() + "\n"


def _over_seeds(results: Sequence[Result], name: str, rates: ErrorRates | None) -> str:
    """The mean of one share; with its interval where it is a plain share of questions."""
    shares = [r.shares()[name].estimate for r in results if name in r.shares()]
    if not shares:
        return ""
    marks = [
        (r.id, m)
        for r in results
        for m in r.marks
        if m.kind == name or (name == "locality" and is_locality(m.kind))
    ]
    if not marks:
        return f"{mean(shares):.3f}"
    values = [float(m.same if name == "locality" else m.right) for _, m in marks]
    found = crossed_bootstrap(values, [m.fact for _, m in marks], [seed for seed, _ in marks])
    return str(corrected(found, rates) if rates and name != "locality" else found)


def _row(
    result: Result,
    shown: Sequence[str],
    spent: Sequence[tuple[str, str, float, int]],
    intervals: bool,
) -> list[str]:
    shares = result.shares()
    figures = [
        (str(shares[c]) if intervals else f"{shares[c].estimate:.2f}") if c in shares else ""
        for c in shown
    ]
    costs = [_spent(result, name, unit, digits) for _, name, unit, digits in spent]
    return [result.id, *figures, *costs, result.status]


def _facts(results: Sequence[Result]) -> str:
    if not results or not results[0].facts:
        return ""
    rows = [
        [
            escaped(f.rpartition("/")[2]),
            *(f"{r.facts[f]:.2f}" if f in r.facts else "" for r in results),
        ]
        for f in dict.fromkeys(f for r in results for f in r.facts)
    ]
    return tabulate(rows, ["fact", *(r.id for r in results)], "github", disable_numparse=True)


def _wrong(result: Result, level: str) -> list[str]:
    lines = [
        f"{level}## {result.id}",
        "",
        f"{len(result.wrong)} questions on the facts were answered wrong.",
        "",
    ]
    rows = [[w.kind, *map(escaped, w[1:])] for w in _spread(result)]
    head = ("kind", "question", "answer", "right would be", "read as")
    return [*lines, tabulate(rows, head, "github", disable_numparse=True)] if rows else lines[:-1]


def _spread(result: Result) -> tuple[Wrong, ...]:
    """Wrong answers from all kinds alike."""
    return result.wrong[:: max(1, len(result.wrong) // _SHOWN_WRONG)][:_SHOWN_WRONG]


def _unseeded(result: Result) -> str:
    return result.cell.without_seed


_BETWEEN = 2
_SHORTEST = 24
"""Letters of a cell's id that are left at least."""
_GO_FIRST = (
    "RSS MiB",
    "VRAM MiB",
    "adapter MiB",
    "steps/s",
    "status",
    "train s",
    "retained accuracy",
)


def fitted(results: Sequence[Result], width: int | None) -> str:
    """A row a cell, without intervals, in at most ``width`` columns (None: as many as it takes).

    Costs go first, then the scenario's own measures, then the middle of long ids; locality and the
    first kinds of recall stay longest. A line below says what was left out.
    """
    head, rows = cells_of(results, intervals=False)
    gone: list[str] = []
    for name in _order(head, results):
        if width is None or _width(head, rows) <= width:
            break
        if _width(head, _shortened(rows, _SHORTEST)) <= width and name not in _GO_FIRST:
            break
        at = head.index(name)
        head, rows = [*head[:at], *head[at + 1 :]], [[*row[:at], *row[at + 1 :]] for row in rows]
        gone.append(name)
    if width is not None:
        longest = max((len(row[0]) for row in rows), default=0)
        rows = _shortened(rows, max(_SHORTEST, longest - max(0, _width(head, rows) - width)))
    found = str(tabulate(rows, head, "simple", disable_numparse=True))
    return found + (f"\n\n{_left_out(gone, width)}" if gone else "")


def _order(head: Sequence[str], results: Sequence[Result]) -> list[str]:
    """Columns as they go."""
    measures = {words(name) for result in results for name in result.measures}
    recall = [words(name) for name in columns(results) if words(name) not in measures]
    kept = [*recall[:2], "locality"]
    first = [name for name in _GO_FIRST if name in head]
    others = [name for name in reversed(head[1:]) if name not in (*first, *recall, *kept)]
    return [
        *first,
        *others,
        *reversed(recall[2:]),
        *(name for name in reversed(kept[1:]) if name in head),
    ]


def _width(head: Sequence[str], rows: Sequence[Sequence[str]]) -> int:
    """As tabulate lays it out, which leaves two blanks behind a heading."""
    each = zip(head, *rows, strict=True)
    widths = [max(len(name) + _BETWEEN, *(len(cell) for cell in cells), 0) for name, *cells in each]
    return sum(widths) + _BETWEEN * (len(widths) - 1)


def _shortened(rows: Sequence[Sequence[str]], most: int) -> list[list[str]]:
    """Ids of at most ``most`` letters: what tells them apart is at both ends."""
    return [[_middle(row[0], most), *row[1:]] for row in rows]


def _middle(text: str, most: int) -> str:
    if len(text) <= most:
        return text
    end = (most - 1) // 2
    return f"{text[: most - 1 - end]}…{text[-end:]}"


def _left_out(gone: Sequence[str], width: int | None) -> str:
    line = f"not shown: {', '.join(gone)}"
    return line if width is None or len(line) <= width else f"not shown: {len(gone)} columns"
