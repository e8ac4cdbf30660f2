"""The lines of artefacts, each with its type: answers, verdicts, likelihoods and timings."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from harness.recipes import is_locality
from harness.store import Artefact

ANSWERS = "answers.jsonl"
GRADES = "grades.jsonl"
LIKELIHOODS = "likelihoods.jsonl"
TIMINGS = "timings.jsonl"
VERDICTS = "verdicts.jsonl"
MEANINGS = "meanings.jsonl"


_LEFT_OUT_IF_EMPTY = ("family", "judged", "odds", "by")
_DETAILS = ("family", "read_as", "judged", "odds", "by")
_TUPLES = ("accepted", "answers", "verdicts", "scores", "read_as", "judged", "odds", "likelihoods")


class AnsweredLine(NamedTuple):
    """One probe with what was answered to it."""

    id: str
    """Of the probe."""
    kind: str
    fact: str
    prompt: str
    accepted: tuple[str, ...]
    answers: tuple[str, ...]
    """One, or as many as were sampled; empty texts after a training that diverged."""
    family: str = ""

    @property
    def answer(self) -> str:
        """The first, which counts."""
        return self.answers[0]


class ByGrader(NamedTuple):
    """Whether the first answer is right, by each grader."""

    fuzzy: bool
    judge: bool


class GradedLine(NamedTuple):
    """One probe with its answers and their verdicts."""

    id: str
    """Of the probe."""
    kind: str
    fact: str
    prompt: str
    accepted: tuple[str, ...]
    answers: tuple[str, ...]
    verdicts: tuple[bool, ...]
    """One an answer, of the grader that counts."""
    right: bool
    """The first verdict."""
    scores: tuple[float, ...]
    """One an answer: similarity to the closest accepted answer, 0 to 100."""
    read_as: tuple[str, ...]
    """One an answer: what the fuzzy grader read the accepted answer as (``text``, ``date ...``)."""
    family: str = ""
    judged: tuple[str, ...] = ()
    """One an answer: ``same``, ``differ`` or ``undecided``; none without a judge."""
    odds: tuple[float, ...] = ()
    """One an answer: how far the judge is above its cut, in nats or votes."""
    by: ByGrader | None = None
    """Both graders on the first answer; None without a judge."""

    @property
    def answer(self) -> str:
        """The first, which counts."""
        return self.answers[0]

    @property
    def is_locality(self) -> bool:
        """Whether nothing was trained on its fact."""
        return is_locality(self.kind)

    @property
    def details(self) -> dict[str, Any]:
        """Optional fields, JSON-ready: the family, readings, and the judge's verdicts."""
        stored = self.stored()
        return {name: stored[name] for name in _DETAILS if name in stored}

    def stored(self) -> dict[str, Any]:
        """The line as a mapping, JSON-ready, without empty optional fields."""
        # ``_asdict`` leaves a nested tuple as it is
        values = self._asdict() | {"by": self.by._asdict() if self.by else None}
        return {
            name: value for name, value in values.items() if value or name not in _LEFT_OUT_IF_EMPTY
        }


class ScoredLine(NamedTuple):
    """One probe with the likelihoods of its accepted answers."""

    id: str
    """Of the probe."""
    kind: str
    fact: str
    likelihoods: tuple[Mapping[str, float], ...]
    """One an accepted answer: ``total`` (nats), ``tokens``, ``matched``; none if it diverged."""


class ComparedLine(NamedTuple):
    """One probe with how near the meanings of two answers to it are: cosines, 1 at most."""

    id: str
    """Of the probe."""
    kind: str
    fact: str
    same: float
    """Of the two answers."""
    other: float
    """Of the bare model's answer and those that it gave to other probes, as a mean."""


class TimedRound(NamedTuple):
    """One round of timings, in seconds."""

    round: int
    bare: float
    """To answer without the adapters."""
    put_on: float
    """To put the adapters on."""
    adapted: float
    """To answer with them."""
    tokens: int
    """Of the adapted model's answers."""


def answered_lines(artefact: Artefact) -> list[AnsweredLine]:
    """The answers, probe by probe."""
    return [AnsweredLine(**_typed(line)) for line in read_lines(artefact.path / ANSWERS)]


def graded_lines(artefact: Artefact) -> list[GradedLine]:
    """The answers with their verdicts, probe by probe."""
    return [graded(line) for line in read_lines(artefact.path / GRADES)]


def scored_lines(artefact: Artefact) -> list[ScoredLine]:
    """Likelihoods, probe by probe."""
    return [ScoredLine(**_typed(line)) for line in read_lines(artefact.path / LIKELIHOODS)]


def compared_lines(artefact: Artefact) -> list[ComparedLine]:
    """Nearness in meaning, probe by probe; none after a training that diverged."""
    return [ComparedLine(**line) for line in read_lines(artefact.path / MEANINGS)]


def timed_rounds(artefact: Artefact) -> list[TimedRound]:
    """Timings, round by round; none after a training that diverged."""
    return [TimedRound(**line) for line in read_lines(artefact.path / TIMINGS)]


def graded(line: Mapping[str, Any]) -> GradedLine:
    """A line of ``grades.jsonl``."""
    by = ByGrader(**line["by"]) if "by" in line else None
    return GradedLine(**_typed(line) | {"by": by})


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The objects of a JSON Lines file."""
    # not splitlines: it would also break at a U+2028 within an answer
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def write_lines(path: Path, lines: Iterable[Mapping[str, Any]]) -> None:
    """One object a line, with sorted keys."""
    with path.open("w", encoding="utf-8") as stream:
        for line in lines:
            stream.write(json.dumps(line, ensure_ascii=False, sort_keys=True) + "\n")


def _typed(line: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if name in _TUPLES else value for name, value in line.items()}
