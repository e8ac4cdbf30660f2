"""Verdicts that are there already: what one cell was told of an answer, the next need not ask again."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from harness.engines import Engine
from harness.errors import StoreError
from harness.judging._ask import Case, Judgement, ask
from harness.recipes import Judge, canonical, sha256

_AT_ONCE = 64
"""Cases judged between two writes: what a crash loses."""
_WAIT = 60.0
"""Seconds for which another process may be writing."""


class Memory:
    """Judgements of one judge by content, in an SQLite file that processes share."""

    def __init__(self, file: Path, judge: Judge) -> None:
        self._file, self._judge = file, judge

    def recall(self, cases: Sequence[Case]) -> dict[Case, Judgement]:
        """Those of ``cases`` that were judged before. Raises StoreError where the file is damaged or not readable."""
        found = {}
        with self._open() as rows:
            for case in cases:
                kept = rows.execute("SELECT judgement FROM verdicts WHERE key = ?", (self._key(case),)).fetchone()
                if kept:
                    odds, asked = json.loads(kept[0])
                    found[case] = Judgement(odds, tuple(asked))
        return found

    def keep(self, found: Mapping[Case, Judgement]) -> None:
        """Add ``found``. Raises StoreError where the file is damaged or cannot be written."""
        lines = [(self._key(case), json.dumps(judgement, ensure_ascii=False)) for case, judgement in found.items()]
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
                    rows.execute("CREATE TABLE IF NOT EXISTS verdicts (key TEXT PRIMARY KEY, judgement TEXT)")
                    yield rows
            finally:
                rows.close()
        except sqlite3.Error as error:
            raise StoreError(f"verdicts in {self._file} cannot be used ({error}): remove that file") from error


def judgements(cases: Sequence[Case], engine: Callable[[], Engine], memory: Memory) -> dict[Case, Judgement]:
    """What the judge says of each case, from memory or asked now; ``engine`` is made where one is to be asked."""
    found = memory.recall(list(dict.fromkeys(cases)))
    missing = [case for case in dict.fromkeys(cases) if case not in found]
    for left in range(0, len(missing), _AT_ONCE):
        some = missing[left : left + _AT_ONCE]
        told = dict(zip(some, ask(engine(), some), strict=True))
        memory.keep(told)
        found |= told
    return found
