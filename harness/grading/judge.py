"""Verdicts that are there already: what one cell was told of an answer, the next need not ask
again."""

from __future__ import annotations

import csv
import hashlib
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
from harness.engines import SERVED, Engine
from harness.errors import DataError, ModelError, StoreError
from harness.grading import FUZZY
from harness.models.loading import base_of
from harness.recipes import Calibration, Decoding, Judge, Labelled, LabelledSet, canonical, sha256

FOUR = "four-1"
"""Name and version of what is asked here and of how replies are read, part of the recipe of every
judge."""

# words of an answer that are judged, as many as the fuzzy grader reads: what follows is rambling
_READ = 60
_WAYS = len(VERDICTS)
_FIRM = " Answer with one word, yes or no:"
_TRIES = (
    ("", Decoding(max_new_tokens=8)),
    (_FIRM, Decoding(max_new_tokens=8)),
    (_FIRM, Decoding(max_new_tokens=8, do_sample=True, temperature=0.7, seed=1)),
)
"""What is put behind the prompt, and how it is answered: firmer where the reply before was neither
yes nor no."""


class Case(NamedTuple):
    """What is judged: does ``given`` say what ``expected`` says?"""

    question: str
    expected: str
    """One accepted answer; names of a list are joined by ``"; "``."""
    given: str


class Judgement(NamedTuple):
    """What a judge said of a case, asked in every way."""

    odds: float
    """Log-likelihood of *same* against *differ* in nats, summed over all ways; or votes for *same*
    less the others."""
    asked: tuple[dict[str, Any], ...]
    """Each prompt, the words for *same* and *differ*, and their ``log_likelihoods``; or the raw
    ``replies``, and how they were read (``vote``: 1 same, -1 differ, 0 neither)."""


def prompts(case: Case) -> list[str]:
    """``case`` in every way of ``VERDICTS``: the question as it is, both answers folded (see
    ``fold``)."""
    expected, given = fold(join_names(case.expected)), fold(" ".join(case.given.split()[:_READ]))
    return [
        way.prompt.format(question=case.question, expected=expected, given=given)
        for way in VERDICTS
    ]


def ask(engine: Engine, cases: Sequence[Case]) -> list[Judgement]:
    """What the judge says of each case: by log-likelihood where its engine tells, else by its
    replies.

    Each word is *same* in two ways and *differ* in two, and each answer stands first in two, so
    whatever a judge leans to by itself, a word or a place, is added as often as it is taken away.
    """
    by = _by_likelihood if engine.capabilities.log_likelihood else _by_reply
    put = [prompt for case in cases for prompt in prompts(case)]
    found = by(engine, put, VERDICTS * len(cases))
    each = [found[left : left + _WAYS] for left in range(0, len(found), _WAYS)]
    return [
        Judgement(round(sum(odds for odds, _ in own), 6), tuple(record for _, record in own))
        for own in each
    ]


def _by_likelihood(
    engine: Engine, put: Sequence[str], ways: Sequence[Verdict]
) -> list[tuple[float, dict[str, Any]]]:
    pairs = [(p, word) for p, way in zip(put, ways, strict=True) for word in (way.same, way.differ)]
    totals = [likelihood.total for likelihood in engine.log_likelihood(pairs)]
    found = []
    for prompt, way, same, differ in zip(put, ways, totals[::2], totals[1::2], strict=True):
        record = {
            "prompt": prompt,
            "same": way.same,
            "differ": way.differ,
            "log_likelihoods": [same, differ],
        }
        found.append((same - differ, record))
    return found


def _by_reply(
    engine: Engine, put: Sequence[str], ways: Sequence[Verdict]
) -> list[tuple[float, dict[str, Any]]]:
    """Prompts whose reply is neither yes nor no are asked again, more firmly."""
    replies: list[list[str]] = [[] for _ in put]
    open_ = list(range(len(put)))
    for behind, decoding in _TRIES:
        said = engine.answer([put[i] + behind for i in open_], decoding) if open_ else []
        for i, texts in zip(open_, said, strict=True):
            replies[i].append(texts[0])
        open_ = [i for i in open_ if not read(replies[i][-1])]
    found = []
    for prompt, way, texts in zip(put, ways, replies, strict=True):
        vote = {way.same.strip(): 1, way.differ.strip(): -1}.get(read(texts[-1]), 0)
        record = {
            "prompt": prompt,
            "same": way.same,
            "differ": way.differ,
            "replies": texts,
            "vote": vote,
        }
        found.append((float(vote), record))
    return found


def read(reply: str) -> str:
    """``yes`` or ``no`` where ``reply`` begins with one and does not hold the other;
    else nothing."""
    words = re.findall(r"[^\W_]+", reply.lower())
    said = {"yes", "no"} & set(words)
    return words[0] if len(said) == 1 and words[0] in said else ""


LABELLED = (FIXTURES / "grading" / "pairs.csv", FIXTURES / "grading" / "kinds.csv")
"""Answers of which people have said whether they are right: winners in many wordings, and kinds of
answers that graders get wrong."""
_COLUMNS = ("question", "accepted", "answer", "right")


def judge_of(model: str | Path) -> Judge:
    """The judge that ``model`` names: a folder, hub id, ``.gguf`` file, or ``openai:NAME@URL``.

    What a server calls by one name may change behind it; its verdicts are kept by name and address.

    Raises:
        ModelError: there is no such folder or file.
    """
    text = str(model)
    if text.startswith(SERVED):
        return Judge(text, text, text, FOUR)
    if text.endswith(".gguf"):
        file = Path(text).expanduser()
        try:
            with file.open("rb") as stream:
                content = hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError as error:
            raise ModelError(
                f"judge {file} cannot be read ({error.strerror}): give a GGUF file"
            ) from error
        return Judge(content, file.name, str(file), FOUR)
    base = base_of(model)
    return Judge(base.content, base.name, base.path, FOUR)


def calibration_of(model: str | Path) -> Calibration:
    """That of the judge ``model`` on the labelled pairs that come along. Raises ModelError as
    ``judge_of``."""
    return Calibration(judge_of(model), labelled(), FUZZY)


@cache
def labelled(*files: Path) -> LabelledSet:
    """The pairs of CSV files, by default those that come along.

    Columns: question, accepted, answer, right (yes or no), and perhaps case and group; a pair
        without a group
    belongs to one that is named as its file.

    Raises:
        DataError: a file cannot be read, or a column is missing, or a label is neither yes nor no.
    """
    chosen = files or LABELLED
    pairs = tuple(pair for file in chosen for pair in _pairs(file))
    return LabelledSet.of(" and ".join(file.name for file in chosen), pairs)


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


_AT_ONCE = 64
"""Cases judged between two writes: what a crash loses."""
_WAIT = 60.0
"""Seconds for which another process may be writing."""


class Memory:
    """Judgements of one judge by content, in an SQLite file that processes share."""

    def __init__(self, file: Path, judge: Judge) -> None:
        self._file, self._judge = file, judge

    def recall(self, cases: Sequence[Case]) -> dict[Case, Judgement]:
        """Those of ``cases`` that were judged before. Raises StoreError where the file is damaged
        or not readable."""
        found = {}
        with self._open() as rows:
            for case in cases:
                kept = rows.execute(
                    "SELECT judgement FROM verdicts WHERE key = ?", (self._key(case),)
                ).fetchone()
                if kept:
                    odds, asked = json.loads(kept[0])
                    found[case] = Judgement(odds, tuple(asked))
        return found

    def keep(self, found: Mapping[Case, Judgement]) -> None:
        """Add ``found``. Raises StoreError where the file is damaged or cannot be written."""
        lines = [
            (self._key(case), json.dumps(judgement, ensure_ascii=False))
            for case, judgement in found.items()
        ]
        with self._open() as rows:
            rows.executemany("INSERT OR REPLACE INTO verdicts VALUES (?, ?)", lines)

    def _key(self, case: Case) -> str:
        return sha256(canonical([self._judge, *case]))

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            rows = sqlite3.connect(self._file, timeout=_WAIT)
            try:
                with rows:
                    rows.execute(
                        "CREATE TABLE IF NOT EXISTS verdicts (key TEXT PRIMARY KEY, judgement TEXT)"
                    )
                    yield rows
            finally:
                rows.close()
        except sqlite3.Error as error:
            raise StoreError(
                f"verdicts in {self._file} cannot be used ({error}): remove that file"
            ) from error


def judgements(
    cases: Sequence[Case], engine: Callable[[], Engine], memory: Memory
) -> dict[Case, Judgement]:
    """What the judge says of each case, from memory or asked now; ``engine`` is made where one is
    to be asked."""
    found = memory.recall(list(dict.fromkeys(cases)))
    missing = [case for case in dict.fromkeys(cases) if case not in found]
    for left in range(0, len(missing), _AT_ONCE):
        some = missing[left : left + _AT_ONCE]
        told = dict(zip(some, ask(engine(), some), strict=True))
        memory.keep(told)
        found |= told
    return found
