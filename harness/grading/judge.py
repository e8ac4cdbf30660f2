"""A judge: a model that is asked whether two answers mean the same, with a memory on disk."""

from __future__ import annotations

import csv
import io
import json
import re
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from harness.data.facts import FIXTURES, join_names, read_text
from harness.data.formats import VERDICTS, Verdict, fold
from harness.engines import SERVED_PREFIXES, Engine
from harness.errors import DataError, ModelError, StoreError
from harness.grading import FUZZY
from harness.models.loading import base_of
from harness.recipes import Calibration, Decoding, Judge, Labelled, LabelledSet, canonical, sha256
from harness.store import file_sha256

FOUR = "four-1"
"""Name and version of the prompts and of the reading of replies, part of every judge's recipe."""

_READ = 60
"""Words of an answer that are judged, as many as the fuzzy grader reads."""
_WAYS = len(VERDICTS)
_FIRM = " Answer with one word, yes or no:"
_TRIES = (
    ("", Decoding(max_new_tokens=8)),
    (_FIRM, Decoding(max_new_tokens=8)),
    (_FIRM, Decoding(max_new_tokens=8, do_sample=True, temperature=0.7, seed=1)),
)
"""A suffix of the prompt and a decoding for each try; the next one follows an unclear reply."""


class Case(NamedTuple):
    """A question with two answers: does ``given`` mean the same as ``expected``?"""

    question: str
    expected: str
    """One accepted answer; ``"; "`` joins the names of a list."""
    given: str
    """The answer to be judged."""


class Judgement(NamedTuple):
    """A judge's replies on one case, asked in all four ways of ``VERDICTS``."""

    odds: float
    """Sum over the ways of the log-likelihood of *same* minus that of *differ*, in nats.

    Where the engine gives no log-likelihoods: votes for *same* minus votes for *differ*.
    """
    asked: tuple[dict[str, Any], ...]
    """A record for each way: ``prompt``, the words for ``same`` and ``differ``, and their
    ``log_likelihoods``; or the raw ``replies`` and the ``vote`` (1 same, -1 differ, 0 neither)."""


def prompts(case: Case) -> list[str]:
    """The prompts for ``case``, one for each way of ``VERDICTS``.

    Both answers are in lower case without accents (see ``fold``); the question is not changed.
    """
    expected = fold(join_names(case.expected))
    given = fold(" ".join(case.given.split()[:_READ]))
    return [
        way.prompt.format(question=case.question, expected=expected, given=given)
        for way in VERDICTS
    ]


def ask(engine: Engine, cases: Sequence[Case]) -> list[Judgement]:
    """The judge's replies on each case: by log-likelihood where its engine gives it, else as text.

    Each word means *same* in two ways and *differ* in two, and each answer is first in two. So a
    judge's preference for a word or a place is added as often as it is subtracted.
    """
    score = _by_likelihood if engine.capabilities.log_likelihood else _by_reply
    all_prompts = [prompt for case in cases for prompt in prompts(case)]
    results = score(engine, all_prompts, VERDICTS * len(cases))
    by_case = [results[left : left + _WAYS] for left in range(0, len(results), _WAYS)]
    return [
        Judgement(round(sum(odds for odds, _ in ways), 6), tuple(record for _, record in ways))
        for ways in by_case
    ]


def _by_likelihood(
    engine: Engine, prompts: Sequence[str], ways: Sequence[Verdict]
) -> list[tuple[float, dict[str, Any]]]:
    """(odds in nats, record) of each prompt."""
    pairs = []
    for prompt, way in zip(prompts, ways, strict=True):
        pairs += [(prompt, way.same), (prompt, way.differ)]
    totals = [likelihood.total for likelihood in engine.log_likelihood(pairs)]
    results = []
    for prompt, way, same, differ in zip(prompts, ways, totals[::2], totals[1::2], strict=True):
        record = {
            "prompt": prompt,
            "same": way.same,
            "differ": way.differ,
            "log_likelihoods": [same, differ],
        }
        results.append((same - differ, record))
    return results


def _by_reply(
    engine: Engine, prompts: Sequence[str], ways: Sequence[Verdict]
) -> list[tuple[float, dict[str, Any]]]:
    """(vote, record) of each prompt; after a reply that is neither yes nor no it is asked again."""
    replies: list[list[str]] = [[] for _ in prompts]
    unclear = list(range(len(prompts)))
    for suffix, decoding in _TRIES:
        if not unclear:
            break
        answers = engine.answer([prompts[i] + suffix for i in unclear], decoding)
        for i, texts in zip(unclear, answers, strict=True):
            replies[i].append(texts[0])
        unclear = [i for i in unclear if not read(replies[i][-1])]
    results = []
    for prompt, way, texts in zip(prompts, ways, replies, strict=True):
        vote = {way.same.strip(): 1, way.differ.strip(): -1}.get(read(texts[-1]), 0)
        record = {
            "prompt": prompt,
            "same": way.same,
            "differ": way.differ,
            "replies": texts,
            "vote": vote,
        }
        results.append((float(vote), record))
    return results


def read(reply: str) -> str:
    """``yes`` or ``no`` where ``reply`` begins with it and does not hold the other; else empty."""
    words = re.findall(r"[^\W_]+", reply.lower())
    verdicts = {"yes", "no"} & set(words)
    return words[0] if len(verdicts) == 1 and words[0] in verdicts else ""


LABELLED = (FIXTURES / "grading" / "pairs.csv", FIXTURES / "grading" / "kinds.csv")
"""Answers that people labelled right or wrong.

The first file has award winners in many wordings, the second has answers that graders get wrong.
"""
_COLUMNS = ("question", "accepted", "answer", "right")


def judge_of(model: str | Path) -> Judge:
    """The judge that ``model`` names: a folder, hub id, ``.gguf`` file, or ``openai:NAME@URL``.

    A judge on a server is known by name and address only. The model behind them may change, and
    its old verdicts are then still used.

    Raises:
        ModelError: the folder or file does not exist or cannot be read.
    """
    text = str(model)
    if text.startswith(SERVED_PREFIXES):
        return Judge(text, text, text, FOUR)
    if text.endswith(".gguf"):
        file = Path(text).expanduser()
        try:
            content = file_sha256(file)
        except OSError as error:
            raise ModelError(
                f"judge {file} cannot be read ({error.strerror}): give a GGUF file"
            ) from error
        return Judge(content, file.name, str(file), FOUR)
    base = base_of(model)
    return Judge(base.content, base.name, base.path, FOUR)


def calibration_of(model: str | Path) -> Calibration:
    """The calibration of the judge ``model`` on the shipped pairs. Raises as ``judge_of``."""
    return Calibration(judge_of(model), labelled(), FUZZY)


@cache
def labelled(*files: Path) -> LabelledSet:
    """The labelled pairs in CSV ``files``, by default the shipped ones (``LABELLED``).

    Columns: question, accepted, answer, right (yes or no), and optionally case and group. A pair
    without a group belongs to the group that is named as its file.

    Raises:
        DataError: a file cannot be read, a column is missing, or a label is neither yes nor no.
    """
    files = files or LABELLED
    pairs = tuple(pair for file in files for pair in _pairs(file))
    return LabelledSet.of(" and ".join(file.name for file in files), pairs)


def _pairs(file: Path) -> Iterator[Labelled]:
    rows = list(csv.DictReader(io.StringIO(read_text(file), newline="")))
    for line, row in enumerate(rows, 2):
        if missing := [name for name in _COLUMNS if row.get(name) is None]:
            raise DataError(
                f"{file}, line {line}: has no {missing[0]}: give the columns {', '.join(_COLUMNS)}"
            )
        if row["right"] not in ("yes", "no"):
            raise DataError(f"{file}, line {line}: right is {row['right']!r}: write yes or no")
        yield Labelled(
            row["question"],
            row["accepted"],
            row["answer"],
            row["right"] == "yes",
            row.get("case") or "",
            row.get("group") or file.name,
        )


_BATCH = 64
"""Cases judged between two writes; a crash loses at most so many."""
_TIMEOUT = 60.0
"""Seconds to wait while another process writes."""


class Memory:
    """Judgements of one judge, in an SQLite file that several processes may use.

    Their key is a digest of judge and case, so the cells of all experiments share them.
    """

    def __init__(self, file: Path, judge: Judge) -> None:
        self._file = file
        self._judge = judge

    def recall(self, cases: Sequence[Case]) -> dict[Case, Judgement]:
        """The judgements of those ``cases`` that were judged before.

        Raises:
            StoreError: the file is damaged or cannot be read.
        """
        judgements = {}
        with self._open() as database:
            for case in cases:
                row = database.execute(
                    "SELECT judgement FROM verdicts WHERE key = ?", (self._key(case),)
                ).fetchone()
                if row:
                    odds, records = json.loads(row[0])
                    judgements[case] = Judgement(odds, tuple(records))
        return judgements

    def keep(self, judgements: Mapping[Case, Judgement]) -> None:
        """Add ``judgements``.

        Raises:
            StoreError: the file is damaged or cannot be written.
        """
        rows = [
            (self._key(case), json.dumps(judgement, ensure_ascii=False))
            for case, judgement in judgements.items()
        ]
        with self._open() as database:
            database.executemany("INSERT OR REPLACE INTO verdicts VALUES (?, ?)", rows)

    def _key(self, case: Case) -> str:
        return sha256(canonical([self._judge, *case]))

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            database = sqlite3.connect(self._file, timeout=_TIMEOUT)
            try:
                with database:  # commits, but does not close
                    database.execute(
                        "CREATE TABLE IF NOT EXISTS verdicts (key TEXT PRIMARY KEY, judgement TEXT)"
                    )
                    yield database
            finally:
                database.close()
        except sqlite3.Error as error:
            raise StoreError(
                f"verdicts in {self._file} cannot be used ({error}): remove that file"
            ) from error


def judgements(
    cases: Sequence[Case], engine: Callable[[], Engine], memory: Memory
) -> dict[Case, Judgement]:
    """The judgement of each case, from ``memory`` or by asking the judge.

    ``engine`` makes the judge's engine. It is called only where a case is not in ``memory``.
    """
    unique = list(dict.fromkeys(cases))
    judgements = memory.recall(unique)
    missing = [case for case in unique if case not in judgements]
    for left in range(0, len(missing), _BATCH):
        batch = missing[left : left + _BATCH]
        new = dict(zip(batch, ask(engine(), batch), strict=True))
        memory.keep(new)
        judgements |= new
    return judgements
