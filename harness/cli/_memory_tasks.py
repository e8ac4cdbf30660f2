"""What the tasks of ``memory`` do."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from tabulate import tabulate

from harness.cli._common import counted, size
from harness.errors import DataError, RecipeError

if TYPE_CHECKING:
    from harness.memory import Memory
    from harness.memory.rows import Learnt, Recall, RolledUp
    from harness.training import Progress

FAULTY = 1
"""Exit code where ``verify`` found a fault, a passage could not be learnt, or recall would fall."""
_SHOWN = 60
_ID = 12


def create(options: argparse.Namespace) -> int:
    from harness.memory import DEFAULTS, Memory

    settings = DEFAULTS.changed(options.set, "--set")
    with Memory.create(options.folder, options.model, settings, options.store) as memory:
        told = {"memory": str(options.folder), "model": memory.base.name}
        return _told(options, told, f"memory for {memory.base.name}: {options.folder}")


def add_documents(options: argparse.Namespace) -> int:
    from harness.memory.documents import read_document

    # read before anything is changed: a mistake in one file should not leave half of them
    documents = [read_document(path) for path in options.files]
    added: list[dict[str, Any]] = []
    with _opened(options) as memory:
        for document in documents:
            one = memory.add(document, options.session or "")
            added.append(asdict(one))
            _say(
                f"{one.document}: {counted(one.new, 'new passage')}, {one.unchanged} unchanged,"
                f" {one.superseded} superseded"
            )
            for line in document.left_out:
                _say(f"{one.document}: {line}")
        learnt = [] if options.later else _learn_all(memory)
        return _told_learnt(options, memory, learnt, {"added": added})


def learn(options: argparse.Namespace) -> int:
    with _opened(options) as memory:
        return _told_learnt(options, memory, _learn_all(memory), {})


def ls(options: argparse.Namespace) -> int:
    with _opened(options, write=False) as memory:
        rows = _listed(memory, options)
        if options.json:
            print(json.dumps({"counts": memory.counts(), options.kind: rows}, ensure_ascii=False))
            return 0
        if rows:
            print(tabulate([_cells(row) for row in rows], headers="keys", disable_numparse=True))
        counts = (f"{name} {number}" for name, number in memory.counts().items() if number)
        print(f"{options.folder}: {', '.join(counts) or 'empty'}")
    return 0


def _listed(memory: Memory, options: argparse.Namespace) -> list[dict[str, Any]]:
    if options.kind == "passages":
        return [asdict(row) for row in memory.passages(options.document, options.state)]
    if options.kind == "sessions":
        return [{"session": name} for name in memory.sessions()]
    if options.kind == "turns":
        names = [options.session] if options.session else memory.sessions()
        return [asdict(turn) for name in names for turn in memory.turns(name)]
    if options.kind == "settings":
        settings = asdict(memory.settings)
        return [{"name": name, "value": value} for name, value in settings.items()]
    views: dict[str, Sequence[Any]] = {
        "documents": memory.documents(),
        "adapters": memory.adapters(),
        "events": memory.events(),
    }
    return [asdict(row) for row in views[options.kind]]


def _cells(row: dict[str, Any]) -> dict[str, str]:
    """A row as a table shows it."""
    shown = {}
    for name, value in row.items():
        if name in ("turns", "parts", "heading", "digest") or (name == "session" and not value):
            continue
        if name == "passages" and not isinstance(value, int):
            value = len(value)
        if name == "bytes":
            value = size(value)
        if isinstance(value, float):
            value = f"{value:.3g}"
        text = " ".join(str("" if value is None else value).split())
        limit = _ID if name == "id" else _SHOWN
        shown[name] = text if len(text) <= limit or name == "value" else f"{text[:limit]}"
    return shown


def ask(options: argparse.Namespace) -> int:
    from harness.engines import engine_for
    from harness.recipes import ChatPrompt, Decoding

    if not options.question.strip():
        raise DataError("the question is empty: give some text")
    with _opened(options, write=False) as memory:
        turned = memory.prepare(options.session or "", options.question, options.policy)
        stop = () if isinstance(turned.prompt, ChatPrompt) else ("\n",)
        engine = engine_for(memory.base.path)
        with engine.with_stack(turned.adapters):
            ((answer,),) = engine.answer(
                [turned.prompt], Decoding(max_new_tokens=options.tokens, stop=stop)
            )
        told = {
            "answer": answer,
            "policy": turned.policy,
            "passages": [asdict(row) for row in turned.passages],
            "adapters": [asdict(row) for row in turned.adapter_rows],
        }
        for row in turned.passages:
            _say(f"in context: {row.document}, passage {row.place} ({row.id[:_ID]})")
        for adapter in turned.adapter_rows:
            _say(f"adapter {adapter.number}: {adapter.name}")
        if not turned.passages and not turned.adapters:
            _say(f"no passage or adapter is about this: {memory.base.name} answers alone")
        return _told(options, told, answer)


def forget(options: argparse.Namespace) -> int:
    with _opened(options) as memory:
        gone = memory.forget(options.what, options.session)
    line = (
        f"forgot {gone.what}: {counted(gone.passages, 'passage')}, {counted(gone.turns, 'turn')};"
        f" {counted(gone.adapters, 'adapter')} put off, {gone.relearnt} passages to learn again"
    )
    return _told(options, asdict(gone), line)


def correct(options: argparse.Namespace) -> int:
    with _opened(options) as memory:
        done = memory.correct(options.passage, options.text)
    return _told(options, asdict(done), f"{done.document}: {counted(done.new, 'passage')} to learn")


def undo(options: argparse.Namespace) -> int:
    with _opened(options) as memory:
        undone = memory.undo()
    return _told(options, {"undone": undone}, f"took back: {undone}")


def roll_up(options: argparse.Namespace) -> int:
    from harness.memory.rollup import TOLERATED

    tolerated = TOLERATED if options.tolerated is None else options.tolerated
    if not 0 <= tolerated <= 1:
        raise RecipeError(f"--tolerated is {tolerated:g}: give a share from 0 to 1")
    with _opened(options) as memory, _Shown() as shown:
        done = memory.rollup(
            options.method, options.rank, options.session or "", tolerated, shown.step
        )
    told = {
        **asdict(done),
        **{name: getattr(done, name).share for name in ("alone", "before", "after")},
    }
    _told(options, told, _rolled_up(done))
    return 0 if done.done else FAULTY


def _rolled_up(done: RolledUp) -> str:
    def of(recall: Recall) -> str:
        return f"{recall.share:.2f}"

    figures = (
        f"recall on {done.alone.asked} questions: {of(done.alone)} by single adapters,"
        f" {of(done.before)} by all at once, {of(done.after)} rolled up"
    )
    if not done.alone.asked:
        figures = "recall was not measured"
    what = f"{done.adapters} adapters by {done.method}"
    if not done.done:
        return f"not rolled up, as recall would fall too far: {what}; {figures}"
    return f"{what}: {size(done.bytes_before)} became {size(done.bytes_after)}; {figures}"


def verify(options: argparse.Namespace) -> int:
    from harness.memory import Memory

    faults = Memory.recover(options.folder) if options.repair else []
    with _opened(options, write=options.repair) as memory:
        faults += memory.verify(options.repair)
    lines = "\n".join(faults) or "no fault"
    _told(options, {"faults": faults}, lines)
    return FAULTY if faults else 0


def configure(options: argparse.Namespace) -> int:
    with _opened(options) as memory:
        memory.configure(options.settings, "memory set")
        return _told(options, asdict(memory.settings), f"settings of {options.folder} changed")


def _opened(options: argparse.Namespace, write: bool = True) -> Memory:
    from harness.memory import Memory

    return Memory.open(options.folder, write, options.model)


def _learn_all(memory: Memory) -> list[Learnt]:
    learnt = []
    with _Shown() as shown:
        while work := memory.next_work():
            what = f"{work.document}: {counted(len(work.passages), 'passage')}"
            shown.begin(what)
            done = memory.learn(work, shown.step)
            learnt.append(done)
            if done.adapter is None:
                shown.say(f"{what} not learnt: {done.reason}")
            else:
                found = "found in the store" if done.found else f"{done.adapter.seconds:.0f} s"
                shown.say(f"{what} learnt, loss {done.adapter.loss:.3g}, {found}")
        memory.roll_up_where_due()
    return learnt


class _Shown:
    """A line on stderr that says what is learnt now; where that is no terminal, only results."""

    def __init__(self) -> None:
        self._what = ""
        self._moves = sys.stderr.isatty()

    def begin(self, what: str) -> None:
        self._what = what
        self._show(f"{what}: writing what is trained")

    def step(self, progress: Progress) -> None:
        self._show(f"{self._what or progress.name}: {progress}")

    def say(self, line: str) -> None:
        """A line that stays."""
        self._show("")
        _say(line)

    def _show(self, text: str) -> None:
        if self._moves:
            print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)

    def __enter__(self) -> _Shown:
        return self

    def __exit__(self, *_: object) -> None:
        self._show("")


def _told_learnt(
    options: argparse.Namespace, memory: Memory, learnt: Sequence[Learnt], more: dict[str, Any]
) -> int:
    counts = memory.counts()
    told = {
        **more,
        "learnt": [
            {
                "document": each.work.document,
                "passages": [row.number for row in each.work.passages],
                "adapter": asdict(each.adapter) if each.adapter else None,
                "reason": each.reason,
                "found": each.found,
            }
            for each in learnt
        ],
        "counts": counts,
    }
    known = counts.get("passages learnt", 0) + counts.get("passages rolled_up", 0)
    waiting = counts.get("passages pending", 0)
    _told(options, told, f"{counted(known, 'passage')} learnt, {waiting} pending")
    return FAULTY if any(each.adapter is None for each in learnt) else 0


def _told(options: argparse.Namespace, told: dict[str, Any], line: str) -> int:
    print(json.dumps(told, ensure_ascii=False) if options.json else line)
    return 0


def _say(line: str) -> None:
    print(line, file=sys.stderr)
