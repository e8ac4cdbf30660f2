"""``grade``: verdicts on answers from any tool."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from harness.cli._common import NEEDED, Answered, Commands, read
from harness.cli._judge import Verdicts, add_options, judged
from harness.errors import DataError, StoreError
from harness.grading import DEFAULT_THRESHOLD

if TYPE_CHECKING:
    from harness.builds import Judged
    from harness.grading import Verdict
    from harness.stats import Interval

GRADED = "graded.jsonl"
REPORT = "GRADES.md"
_GROUPS = ("cell", "kind")
"""Columns by which the table has rows, where the file has them."""
_NAMES = (*NEEDED, *_GROUPS, "fact")
_SHOWN_WRONG = 20


class Graded(NamedTuple):
    """An answer with its verdict."""

    answered: Answered
    verdict: Verdict
    judged: Judged | None = None
    """The judge's verdict, where there is a judge."""
    judge_counts: bool = False

    @property
    def right(self) -> bool:
        """By the grader that counts."""
        if self.judged and self.judge_counts:
            return self.judged.verdict == "same"
        return self.verdict.right

    @property
    def cluster(self) -> str:
        """Answers of one cluster are not independent: those on one fact, or samples of one line."""
        fact = self.answered.more.get("fact")
        return f"fact {fact}" if fact else f"line {self.answered.line}"


def add(commands: Commands) -> None:
    parser = commands.add_parser(
        "grade",
        help="grade answers from any tool",
        description=(
            "Grade a CSV, TSV or JSON Lines file (by suffix, UTF-8) with the columns question,"
            " accepted and answer, from any tool. Accepted answers are a list in JSON Lines, and"
            " separated by | in CSV. The columns cell, kind and fact are used where the file has"
            " them. All others are copied to the output."
        ),
    )
    parser.add_argument("file", type=Path, metavar="FILE")
    parser.add_argument(
        "--threshold",
        type=float,
        metavar="X",
        help=f"lowest similarity that is right, 0 to 100 [{DEFAULT_THRESHOLD:g}]",
    )
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help=f"where {GRADED} and {REPORT} go [beside FILE]"
    )
    parser.add_argument(
        "--by", action="append", default=[], metavar="COLUMN", help="a row for each of its values"
    )
    parser.add_argument(
        "--columns", default="", metavar="LIST", help="e.g. question=q,accepted=gold,answer=output"
    )
    add_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    threshold = DEFAULT_THRESHOLD if options.threshold is None else options.threshold
    if not 0 < threshold <= 100:
        raise DataError(f"--threshold is {threshold:g}: it must be above 0 and at most 100")
    rows = graded(read(options.file, columns(options.columns)), threshold)
    judge = judged(options, [row.answered for row in rows])
    if judge:
        counts = options.grader != "both"
        rows = [
            row._replace(judged=verdict, judge_counts=counts)
            for row, verdict in zip(rows, judge.verdicts, strict=True)
        ]
    shares = table(rows, options.by or groups(rows), judge=judge)
    folder = options.out or options.file.parent
    text = document(rows, shares, options.file.name, threshold, judge)
    write(rows, text, options.file, folder)
    print(shares)
    print(judge.quality if judge else "")
    print(f"each verdict: {folder / GRADED}")
    print(f"report: {folder / REPORT}")
    return 0


def columns(text: str) -> dict[str, str]:
    """``question=q,answer=output`` as a mapping. Raises DataError on anything else."""
    names: dict[str, str] = {}
    for part in filter(None, text.split(",")):
        name, _, column = (piece.strip() for piece in part.partition("="))
        if name not in _NAMES or not column:
            raise DataError(
                f"--columns {part!r} is not a pair: write NAME=COLUMN with NAME of"
                f" {', '.join(_NAMES)}"
            )
        names[name] = column
    return names


def graded(answers: Iterable[Answered], threshold: float) -> list[Graded]:
    """A verdict of the fuzzy grader for each answer, with a progress bar on a terminal."""
    from rich.console import Console
    from rich.progress import track

    from harness.grading import grade

    console = Console(stderr=True)
    hidden = not console.is_terminal
    tracked = track(list(answers), "grading", console=console, transient=True, disable=hidden)
    return [Graded(each, grade(each.answer, each.accepted, threshold)) for each in tracked]


def groups(rows: Sequence[Graded]) -> list[str]:
    """Those of cell and kind that the file has."""
    return [name for name in _GROUPS if any(name in row.answered.more for row in rows)]


def table(
    rows: Sequence[Graded], by: Sequence[str], form: str = "github", judge: Verdicts | None = None
) -> str:
    """A row for each combination of the columns ``by``, and one for all.

    Raises DataError where the file does not have such a column.
    """
    from tabulate import tabulate

    known = dict.fromkeys(key for row in rows for key in row.answered.more)
    for name in by:
        if name not in known:
            raise DataError(
                f"--by {name}: no such column, nothing to group by: the columns are"
                f" {', '.join(known) or 'none'}"
            )
    grouped: dict[tuple[str, ...], list[Graded]] = {}
    for row in rows:
        values = tuple(str(row.answered.more.get(name, "")) for name in by)
        grouped.setdefault(values, []).append(row)
    lines = []
    if by:
        for values, group in grouped.items():
            lines.append([*map(_name, values), *_figures(group, judge)])
    if len(grouped) > 1 or not by:
        lines.append(["all", *[""] * (len(by) - 1), *_figures(rows, judge)])
    head = [*(by or [""]), "answers", "right", "share", "95% interval"]
    head += ["judge", "judge, corrected"] if judge else []
    return str(tabulate(lines, head, form, disable_numparse=True))


def share(rows: Sequence[Graded], right: Sequence[bool] | None = None) -> Interval:
    """Share of the verdicts ``right``; without them, of those of the grader that counts.

    Wilson's interval, or the cluster bootstrap where several answers form a cluster.
    """
    from harness.stats import cluster_bootstrap, wilson

    verdicts = [row.right for row in rows] if right is None else right
    values = [float(verdict) for verdict in verdicts]
    clusters = [row.cluster for row in rows]
    # Wilson's interval is for independent answers
    if len(set(clusters)) == len(clusters):
        return wilson(round(sum(values)), len(values))
    return cluster_bootstrap(values, clusters)


def write(rows: Sequence[Graded], text: str, source: Path, folder: Path) -> None:
    """Write each verdict to graded.jsonl and ``text`` to GRADES.md.

    Raises StoreError where they cannot be written, or ``source`` is one of them.
    """
    if (folder / GRADED).resolve() == source.resolve():
        raise StoreError(
            f"{source} would be overwritten by its own grades: give another folder as --out"
        )
    lines = "".join(json.dumps(_plain(row), ensure_ascii=False) + "\n" for row in rows)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # JSON may escape a lone surrogate, which UTF-8 cannot hold: it becomes a question mark
        (folder / GRADED).write_bytes(lines.encode(errors="replace"))
        (folder / REPORT).write_bytes(text.encode(errors="replace"))
    except OSError as error:
        raise StoreError(
            f"grades cannot be written to {folder} ({error.strerror}): give another --out"
        ) from error


def document(
    rows: Sequence[Graded], shares: str, source: str, threshold: float, judge: Verdicts | None
) -> str:
    """The whole of GRADES.md; ``shares`` is the table of ``table``."""
    from harness.grading import FUZZY

    judge_counts = any(row.judge_counts for row in rows)
    grader = "the judge" if judge_counts else f"{FUZZY}, threshold {threshold:g}"
    clustered = len({row.cluster for row in rows}) < len(rows)
    method = "cluster bootstrap over facts (or lines)" if clustered else "Wilson"
    parts = [f"# Grades of {source}", "", shares, ""]
    parts += [f"Graded by {grader}. Intervals: {method}. Each verdict: `{GRADED}`.", ""]
    if judge:
        parts += [f"{line}.\n" for line in judge.quality.splitlines()]
        parts += _disputed(rows)
    parts += _wrong(rows)
    return "\n".join(parts).rstrip() + "\n"


def _wrong(rows: Sequence[Graded]) -> list[str]:
    """Answers that are wrong: some of them, spread over the file."""
    from tabulate import tabulate

    wrong = [row for row in rows if not row.right]
    parts = ["## Answered wrong", "", f"{len(wrong)} of {len(rows)}.", ""]
    if not wrong:
        return parts
    # evenly spread: the first ones of a file are often of one kind
    step = math.ceil(len(wrong) / _SHOWN_WRONG)
    lines = []
    for row in wrong[::step]:
        texts = map(_cell, (*_words(row), row.verdict.kind))
        lines.append([row.answered.line, *texts, f"{row.verdict.score:.0f}"])
    head = ("line", "question", "answer", "right would be", "read as", "score")
    return [*parts, tabulate(lines, head, "github", disable_numparse=True), ""]


def _disputed(rows: Sequence[Graded]) -> list[str]:
    """Where the judge disagrees with the fuzzy grader, or is undecided."""
    from tabulate import tabulate

    lines = []
    for row in rows:
        fuzzy = row.verdict.right
        if row.judged and row.judged.verdict != ("same" if fuzzy else "differ"):
            texts = map(_cell, _words(row))
            word = "right" if fuzzy else "wrong"
            lines.append([row.answered.line, *texts, word, row.judged.verdict])
    parts = ["## Where the graders disagree", "", f"{len(lines)} of {len(rows)}.", ""]
    if not lines:
        return parts
    head = ("line", "question", "answer", "right would be", "fuzzy", "judge")
    return [*parts, tabulate(lines[:_SHOWN_WRONG], head, "github", disable_numparse=True), ""]


def _figures(rows: Sequence[Graded], judge: Verdicts | None) -> list[str]:
    interval = share(rows)
    right = sum(row.right for row in rows)
    figures = [
        str(len(rows)),
        str(right),
        f"{interval.estimate:.3f}",
        f"{interval.low:.3f} to {interval.high:.3f}",
    ]
    if not judge:
        return figures
    from harness.report import corrected

    by_judge = share(rows, [bool(row.judged and row.judged.verdict == "same") for row in rows])
    rates = judge.calibrated.held_out.rates
    return [*figures, f"{by_judge.estimate:.3f}", str(corrected(by_judge, rates))]


def _plain(row: Graded) -> dict[str, Any]:
    """The line of graded.jsonl; a column of the source with the same name gets ``given_``."""
    answered, verdict, judged = row.answered, row.verdict, row.judged
    line = {
        "line": answered.line,
        "question": answered.question,
        "accepted": answered.accepted,
        "answer": answered.answer,
        "right": row.right,
        "score": round(verdict.score, 2),
        "matched": verdict.matched,
        "read_as": verdict.kind,
    }
    if judged:
        line |= {"fuzzy": verdict.right, "judge": judged.verdict, "odds": judged.odds}
    more = {f"given_{key}" if key in line else key: value for key, value in answered.more.items()}
    return line | more


def _words(row: Graded) -> tuple[str, str, str]:
    return row.answered.question, row.answered.answer, " or ".join(row.answered.accepted)


def _cell(text: str) -> str:
    """``text`` for a cell of a Markdown table: one line of at most 100 characters, no markup."""
    from harness.report import escaped

    line = " ".join(text.split())
    return escaped(line if len(line) <= 100 else line[:99] + "\u2026")


def _name(text: str) -> str:
    """The same for a group, with plain underscores: ids of cells have them."""
    return _cell(text).replace("\\_", "_")
