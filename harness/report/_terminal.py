"""The table as a terminal of some width can show it: no line is ever wrapped."""

from __future__ import annotations

from collections.abc import Sequence

from tabulate import tabulate

from harness.report._markdown import cells_of, columns, words
from harness.report._results import Result

_BETWEEN = 2
_SHORTEST = 24
"""Letters of a cell's id that are left at least."""
_GO_FIRST = ("RSS MiB", "VRAM MiB", "adapter MiB", "steps/s", "status", "train s", "still right")


def fitted(results: Sequence[Result], width: int | None) -> str:
    """A row a cell, without intervals, in at most ``width`` columns (None: as many as it takes).

    Costs go first, then the scenario's own measures, then the middle of long ids; locality and the first kinds of
    recall stay longest. A line below says what was left out.
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
    return [*first, *others, *reversed(recall[2:]), *(name for name in reversed(kept[1:]) if name in head)]


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
