"""``grade``: verdicts on answers from any tool."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from harness.cli._common import NEEDED, Answered, Commands, read
from harness.cli._judge import Bench, add_options, bench
from harness.errors import DataError, StoreError
from harness.grading import DEFAULT_THRESHOLD

if TYPE_CHECKING:
    from harness.builds import Judged
    from harness.grading import Verdict
    from harness.stats import Interval

GRADED = "graded.jsonl"
REPORT = "GRADES.md"
_GROUPS = ("cell", "kind")
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
        return (
            self.judged.verdict == "same"
            if self.judged and self.judge_counts
            else self.verdict.right
        )

    @property
    def cluster(self) -> str:
        """Answers about one fact stand or fall together, and so do several samples of one line's
        answer."""
        return (
            f"fact {fact}"
            if (fact := self.answered.more.get("fact"))
            else f"line {self.answered.line}"
        )


def add(commands: Commands) -> None:
    own = commands.add_parser(
        "grade",
        help="grade answers from any tool",
        description=(
            "Grade a CSV, TSV or JSON Lines file (by suffix, UTF-8) of question, accepted answers"
            " and answer, whatever tool it comes from. Accepted answers are a list in JSON Lines,"
            " separated by | in CSV. Columns cell, kind and fact are used where they are there, and"
            " all others carried along."
        ),
    )
    own.add_argument("file", type=Path, metavar="FILE")
    own.add_argument(
        "--threshold",
        type=float,
        metavar="X",
        help=f"lowest similarity that is right, 0 to 100 [{DEFAULT_THRESHOLD:g}]",
    )
    own.add_argument(
        "--out", type=Path, metavar="DIR", help=f"where {GRADED} and {REPORT} go [beside FILE]"
    )
    own.add_argument(
        "--by", action="append", default=[], metavar="COLUMN", help="a row for each of its values"
    )
    own.add_argument(
        "--columns", default="", metavar="LIST", help="e.g. question=q,accepted=gold,answer=output"
    )
    add_options(own)
    own.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    threshold = DEFAULT_THRESHOLD if given.threshold is None else given.threshold
    if not 0 < threshold <= 100:
        raise DataError(f"--threshold is {threshold:g}: it must be above 0 and at most 100")
    rows = graded(read(given.file, columns(given.columns)), threshold)
    judge = bench(given, [row.answered for row in rows])
    if judge:
        counts = given.grader != "both"
        rows = [
            row._replace(judged=j, judge_counts=counts)
            for row, j in zip(rows, judge.verdicts, strict=True)
        ]
    found = table(rows, given.by or groups(rows), judge=judge)
    folder = given.out or given.file.parent
    write(rows, found, given.file, folder, threshold, judge)
    print(
        f"{found}\n{judge.worth if judge else ''}\neach verdict: {folder / GRADED}\nreport:"
        f" {folder / REPORT}"
    )
    return 0


def columns(text: str) -> dict[str, str]:
    """``question=q,answer=output`` as a mapping. Raises DataError on anything else."""
    found: dict[str, str] = {}
    for part in filter(None, text.split(",")):
        name, equals, own = (piece.strip() for piece in part.partition("="))
        if name not in _NAMES or not (equals and own):
            raise DataError(
                f"--columns {part!r} is no pair: write NAME=COLUMN with NAME of {', '.join(_NAMES)}"
            )
        found[name] = own
    return found


def graded(answers: Iterable[Answered], threshold: float) -> list[Graded]:
    """A verdict for each; a bar on the terminal, as a hundred thousand take a minute."""
    from rich.console import Console
    from rich.progress import track

    from harness.grading import grade

    console = Console(stderr=True)
    shown = track(
        list(answers), "grading", console=console, transient=True, disable=not console.is_terminal
    )
    return [Graded(a, grade(a.answer, a.accepted, threshold)) for a in shown]


def groups(rows: Sequence[Graded]) -> list[str]:
    """Which of cell and kind there are."""
    return [name for name in _GROUPS if any(name in row.answered.more for row in rows)]


def table(
    rows: Sequence[Graded], by: Sequence[str], form: str = "github", judge: Bench | None = None
) -> str:
    """A row for each combination of the columns ``by``, and one for all. Raises DataError where
    there is no such."""
    from tabulate import tabulate

    for name in by:
        if not any(name in row.answered.more for row in rows):
            known = (
                ", ".join(dict.fromkeys(key for row in rows for key in row.answered.more)) or "none"
            )
            raise DataError(
                f"--by {name}: no such column, nothing to group by: the columns are {known}"
            )
    sorts: dict[tuple[str, ...], list[Graded]] = {}
    for row in rows:
        sorts.setdefault(tuple(str(row.answered.more.get(name, "")) for name in by), []).append(row)
    lines = (
        [[*map(_name, names), *_figures(found, judge)] for names, found in sorts.items()]
        if by
        else []
    )
    lines += (
        [["all", *[""] * (len(by) - 1), *_figures(rows, judge)]] if len(sorts) > 1 or not by else []
    )
    head = [*(by or [""]), "answers", "right", "share", "95% interval"]
    head += ["judge", "judge, corrected"] if judge else []
    return str(tabulate(lines, head, form, disable_numparse=True))


def share(rows: Sequence[Graded], right: Sequence[bool] | None = None) -> Interval:
    """Share that is right, by the grader that counts, or of the verdicts ``right``.

    Wilson's interval, or the cluster bootstrap where answers belong together.
    """
    from harness.stats import cluster_bootstrap, wilson

    values = [float(hit) for hit in (right if right is not None else [row.right for row in rows])]
    clusters = [row.cluster for row in rows]
    if len(set(clusters)) == len(clusters):
        return wilson(round(sum(values)), len(values))
    return cluster_bootstrap(values, clusters)


def write(
    rows: Sequence[Graded],
    found: str,
    source: Path,
    folder: Path,
    threshold: float,
    judge: Bench | None,
) -> None:
    """graded.jsonl and GRADES.md. Raises StoreError where they cannot be written, or where one is
    the source."""
    if (folder / GRADED).resolve() == source.resolve():
        raise StoreError(
            f"{source} would be overwritten by its own grades: give another folder as --out"
        )
    lines = "".join(json.dumps(_plain(row), ensure_ascii=False) + "\n" for row in rows)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # A lone surrogate, which JSON may escape and UTF-8 may not hold, becomes a question mark.
        (folder / GRADED).write_bytes(lines.encode(errors="replace"))
        (folder / REPORT).write_bytes(
            document(rows, found, source.name, threshold, judge).encode(errors="replace")
        )
    except OSError as error:
        raise StoreError(
            f"grades cannot be written to {folder} ({error.strerror}): give another --out"
        ) from error


def document(
    rows: Sequence[Graded], found: str, source: str, threshold: float, judge: Bench | None
) -> str:
    """The whole of GRADES.md."""
    from tabulate import tabulate

    from harness.grading import FUZZY

    by = (
        "the judge"
        if any(row.judge_counts for row in rows)
        else f"{FUZZY}, threshold {threshold:g}"
    )
    wrong = [row for row in rows if not row.right]
    clustered = len({row.cluster for row in rows}) < len(rows)
    how = "cluster bootstrap over facts (or lines)" if clustered else "Wilson"
    parts = [f"# Grades of {source}", "", found, ""]
    parts += [f"Graded by {by}. Intervals: {how}. Each verdict: `{GRADED}`.", ""]
    parts += (
        [*(f"{line}.\n" for line in judge.worth.splitlines()), *_disputed(rows)] if judge else []
    )
    parts += ["## Answered wrong", "", f"{len(wrong)} of {len(rows)}.", ""]
    shown = wrong[:: -(-len(wrong) // _SHOWN_WRONG)] if wrong else []
    lines = [
        [r.answered.line, *map(_cell, (*_words(r), r.verdict.kind)), f"{r.verdict.score:.0f}"]
        for r in shown
    ]
    head = ("line", "question", "answer", "right would be", "read as", "score")
    parts += [tabulate(lines, head, "github", disable_numparse=True), ""] if lines else []
    return "\n".join(parts).rstrip() + "\n"


def _disputed(rows: Sequence[Graded]) -> list[str]:
    """Where the judge disagrees with the fuzzy grader, or is undecided."""
    from tabulate import tabulate

    found = [
        (r, j)
        for r in rows
        if (j := r.judged) and j.verdict != ("same" if r.verdict.right else "differ")
    ]
    told = {True: "right", False: "wrong"}
    lines = [
        [r.answered.line, *map(_cell, _words(r)), told[r.verdict.right], j.verdict]
        for r, j in found
    ]
    head = ("line", "question", "answer", "right would be", "fuzzy", "judge")
    shown = (
        [tabulate(lines[:_SHOWN_WRONG], head, "github", disable_numparse=True), ""] if lines else []
    )
    return ["## Where the graders disagree", "", f"{len(found)} of {len(rows)}.", "", *shown]


def _figures(rows: Sequence[Graded], judge: Bench | None) -> list[str]:
    found = share(rows)
    right = sum(row.right for row in rows)
    told = []
    if judge:
        from harness.report import corrected

        own = share(rows, [bool(row.judged and row.judged.verdict == "same") for row in rows])
        told = [f"{own.estimate:.3f}", str(corrected(own, judge.found.held_out.rates))]
    return [
        str(len(rows)),
        str(right),
        f"{found.estimate:.3f}",
        f"{found.low:.3f} to {found.high:.3f}",
        *told,
    ]


def _plain(row: Graded) -> dict[str, Any]:
    """A verdict that the source already held stays, as ``given_right`` and so on."""
    answered, verdict, judged = row.answered, row.verdict, row.judged
    own = {"line": answered.line, "question": answered.question, "accepted": answered.accepted}
    own |= {"answer": answered.answer}
    own |= {"right": row.right, "score": round(verdict.score, 2), "matched": verdict.matched}
    own |= {"read_as": verdict.kind}
    own |= {"fuzzy": verdict.right, "judge": judged.verdict, "odds": judged.odds} if judged else {}
    return own | {
        f"given_{key}" if key in own else key: value for key, value in answered.more.items()
    }


def _words(row: Graded) -> tuple[str, str, str]:
    return row.answered.question, row.answered.answer, " or ".join(row.answered.accepted)


def _cell(text: str) -> str:
    """One line, not too long, that breaks no table and is no markup."""
    from harness.report import escaped

    line = " ".join(text.split())
    return escaped(line if len(line) <= 100 else line[:99] + "\u2026")


def _name(text: str) -> str:
    """The same of a group, which the terminal shows, too: underscores, as ids of cells have them,
    stay as they are."""
    return _cell(text).replace("\\_", "_")
