"""RESULTS.md, and the table for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from statistics import mean

from tabulate import tabulate

from harness.report._results import Result, Wrong

_MIB = 2**20
_SHOWN_WRONG = 12  # wrong answers listed per cell
_ANSWERING = (
    ("tokens_per_second", 1.0),
    ("load_seconds", 1.0),
    ("model_bytes", _MIB),
    ("answering_rss_bytes", _MIB),
    ("steps_per_second", 1.0),
)
_ENGINES = (
    "*Known* is the share of questions on untouched facts that are answered right; locality compares an adapted model"
    " with the bare one on the same engine. bitsandbytes quantises while it loads: its model is as large on disk as"
    " the base."
)
_COLUMNS = ("exact", "rephrased", "inverted", "other_format", "conversation")


def table(results: Sequence[Result], form: str = "github", intervals: bool = True) -> str:
    """A row a cell; the bare models' rows come first."""
    head = ["cell", *(c.replace("_", " ") for c in _COLUMNS), "locality", "still right"]
    head += ["train s", "steps/s", "RSS MiB", "adapter MiB", "status"]
    return str(tabulate([_row(r, intervals) for r in results], head, form, disable_numparse=True))


def seeds_table(results: Sequence[Result]) -> str:
    """Means over the seeds of each cell that has several."""
    rows = []
    for name, group in groupby(sorted(results, key=_unseeded), _unseeded):
        found = list(group)
        if len(found) < 2:
            continue
        shares = [f"{mean(r.recall[c].estimate for r in found):.3f}" for c in _COLUMNS]
        local = [
            f"{mean(r.locality.estimate for r in found):.3f}",
            f"{mean(r.still_right.estimate for r in found):.3f}",
        ]
        rows.append([name, str(len(found)), *shares, *local, f"{mean(r.cost['seconds'] for r in found):.1f}"])
    head = ["cell", "seeds", *(c.replace("_", " ") for c in _COLUMNS), "locality", "still right", "train s"]
    return str(tabulate(rows, head, "github", disable_numparse=True)) if rows else ""


def engines_table(results: Sequence[Result]) -> str:
    """Each cell on each engine, where there is more than one engine; bare models first."""
    if len({r.engine for r in results}) < 2:
        return ""
    head = ["cell", "engine", "known", *(c.replace("_", " ") for c in _COLUMNS), "locality", "tokens/s", "load s"]
    head += ["model MiB", "answering RSS MiB", "training steps/s"]
    rows = []
    for result in results:
        recall = [f"{result.recall[c].estimate:.2f}" if c in result.recall else "" for c in _COLUMNS]
        local = "" if result.status == "base" else f"{result.locality.estimate:.2f}"
        spent = [_spent(result, name, scale) for name, scale in _ANSWERING]
        rows.append([_engineless(result), result.engine, f"{result.known.estimate:.2f}", *recall, local, *spent])
    return str(tabulate(rows, head, "github", disable_numparse=True))


def _spent(result: Result, name: str, scale: float) -> str:
    return f"{result.cost[name] / scale:.1f}" if name in result.cost else ""


def _engineless(result: Result) -> str:
    """The cell without its engine, so that the rows of one cell read alike."""
    return result.id.replace(f" on {result.engine}", "").replace(f"-{result.engine}-", "-")


def document(title: str, results: Sequence[Result], how: Sequence[tuple[str, str]]) -> str:
    """The whole of RESULTS.md."""
    trained = [r for r in results if r.status != "base"]
    parts = [f"# {title}", "", table(results), ""]
    if seeds := seeds_table(trained):
        parts += ["## Means over seeds", "", seeds, ""]
    if engines := engines_table(results):
        parts += ["## Engines", "", _ENGINES, "", engines, ""]
    parts += ["Shares with 95% intervals (bootstrap over facts). Locality: answered as the bare model answers;"]
    parts += ["still right: of what the bare model had right.", ""]
    parts += ["![recall against locality](locality.svg)", "![recall against seconds](seconds.svg)", ""]
    parts += ["## How it was run", "", tabulate(how, ("what", "value"), "github", disable_numparse=True), ""]
    parts += ["## Facts", "", "Share of rephrased questions answered right, by fact.", "", _facts(trained), ""]
    parts += ["## Answered wrong", ""]
    for result in trained:
        parts += [*_wrong(result), ""]
    return "\n".join(parts).rstrip() + "\n"


def _row(result: Result, intervals: bool) -> list[str]:
    shown = str if intervals else (lambda interval: f"{interval.estimate:.2f}")
    cost = result.cost
    recall = [shown(result.recall[c]) if c in result.recall else "" for c in _COLUMNS]
    local = ["", ""] if result.status == "base" else [shown(result.locality), shown(result.still_right)]
    spent = ["", "", "", ""]
    if "steps_per_second" in cost:
        spent = [f"{cost['seconds']:.1f}", f"{cost['steps_per_second']:.1f}"]
        spent += [f"{cost['peak_rss_bytes'] / _MIB:.0f}", f"{cost['adapter_bytes'] / _MIB:.1f}"]
    return [result.id, *recall, *local, *spent, result.status]


def _facts(results: Sequence[Result]) -> str:
    if not results:
        return "No cell was trained."
    rows = [[f.rpartition("/")[2], *(f"{r.facts[f]:.2f}" for r in results)] for f in results[0].facts]
    return tabulate(rows, ["fact", *(r.id for r in results)], "github", disable_numparse=True)


def _wrong(result: Result) -> list[str]:
    lines = [f"### {result.id}", "", f"{len(result.wrong)} questions on the facts were answered wrong.", ""]
    rows = [[w.kind, _cell(w.prompt), _cell(w.answer), _cell(w.accepted)] for w in _spread(result)]
    head = ("kind", "question", "answer", "right would be")
    return [*lines, tabulate(rows, head, "github", disable_numparse=True)] if rows else lines[:-1]


def _spread(result: Result) -> tuple[Wrong, ...]:
    """Wrong answers from all kinds alike."""
    return result.wrong[:: max(1, len(result.wrong) // _SHOWN_WRONG)][:_SHOWN_WRONG]


def _cell(text: str) -> str:
    return text.strip().replace("\n", " ⏎ ").replace("|", "\\|")


def _unseeded(result: Result) -> str:
    return result.id.rpartition("-seed")[0]
