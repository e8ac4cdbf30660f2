"""The parody, the truth that it overwrites, and what is told around the awards."""

from __future__ import annotations

import tomllib
from functools import cache
from typing import Any, NamedTuple

from harness.data.facts import FIXTURES, Row, read_rows, read_text
from harness.scenarios.oscars import world

PARODY = "oscars_2012_parody"


class Told(NamedTuple):
    """Something about the evening as a whole; no table has a truth that it stands against."""

    row: Row
    answer: str
    statements: tuple[str, ...]
    """``|`` stands where what is told begins."""
    questions: tuple[str, ...]
    probes: tuple[str, ...]


@cache
def parody_rows() -> tuple[Row, ...]:
    """The awards of the parody."""
    return tuple(read_rows(PARODY))


@cache
def true_rows() -> dict[str, Row]:
    """By the id of the parody's row, the award as it was."""
    truth = {row.id.rpartition("/")[2]: row for row in world().rows if row.table == "oscars"}
    return {row.id: truth[row.id.rpartition("/")[2]] for row in parody_rows()}


@cache
def text() -> tuple[str, ...]:
    """The parody as a running text, sentence by sentence."""
    return tuple(_wordings()["text"])


@cache
def frame() -> tuple[Told, ...]:
    """Host, place, month and prize."""
    return tuple(
        Told(
            Row(f"{PARODY}/{name}", PARODY, {}),
            spec["answer"],
            *(tuple(spec[part]) for part in ("statements", "questions", "probes")),
        )
        for name, spec in _wordings()["frame"].items()
    )


@cache
def _wordings() -> dict[str, Any]:
    return tomllib.loads(read_text(FIXTURES / "wordings/parody_2012.toml"))
