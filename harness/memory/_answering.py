"""What an engine is given for a question: the prompt, and the adapters that are on."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from harness.data.formats import ask, reply
from harness.memory import _chat, _views
from harness.memory._learning import piece
from harness.memory._tokens import Tokens
from harness.memory.ledger import Ledger
from harness.memory.markers import marked
from harness.memory.passages import Passage
from harness.memory.policies import Shelf, in_context, policy_named
from harness.memory.retrieval import index_of
from harness.memory.rows import ACTIVE, ROLLED_UP, AdapterRow, PassageRow, Turn
from harness.memory.settings import Settings
from harness.recipes import Chat, ChatPrompt, Prompt

FORM = "qa"
"""The plain format in which a model without a chat template is asked."""
_ANSWER = 256
"""Tokens that are left for the answer, or a quarter of a small context."""
_SHELVES = 32
"""Shelves that are kept: one for each session that was asked of late."""


class Turned(NamedTuple):
    """A question as an engine is to be asked it."""

    prompt: Prompt
    adapters: list[tuple[Path, float]]
    """What the engine loads of each adapter, and its scale."""
    passages: list[PassageRow]
    """What stands in the context."""
    adapter_rows: list[AdapterRow]
    """The adapters that are on, in the same order."""
    policy: str
    """The name of the policy that chose them."""


class Chosen(NamedTuple):
    """What a policy chose for a question."""

    prompt: Prompt
    passages: list[PassageRow]
    adapters: list[AdapterRow]
    policy: str


class Answering:
    """Asks policies. The index of a session is kept while nothing changes."""

    def __init__(
        self, ledger: Ledger, settings: Settings, tokens: Tokens, chat: Chat | None
    ) -> None:
        self._ledger = ledger
        self._settings = settings
        self._tokens = tokens
        self._chat = chat
        self._shelves: OrderedDict[tuple[str, ...], Shelf] = OrderedDict()

    def choose(
        self, session: str, question: str, policy: str, usable: set[int] | None = None
    ) -> Chosen:
        """What the policy chooses for ``question`` in ``session``: of this and of no other one.

        ``usable``: numbers of the adapters that may be put on; None: all.
        """
        rows, adapters = visible(self._ledger, session)
        if usable is not None:
            adapters = [row for row in adapters if row.number in usable]
        turns = self._history(session, question)
        chosen = policy_named(policy or self._settings.policy)
        places = {row.number: place for place, row in enumerate(rows)}
        known = [
            [places[row.number] for row in rows if row.adapter == adapter.number]
            for adapter in adapters
        ]
        pieces = tuple(piece(row) for row in rows)
        shelf = replace(
            self._shelf(pieces),
            passages=pieces,
            adapters=tuple(map(frozenset, known)),
            room=self._room(question, turns),
        )
        prepared = chosen.prepare(question, shelf)
        numbers = {id(passage): place for place, passage in enumerate(pieces)}
        return Chosen(
            in_context(self._prompt(question, turns), self._marked(prepared.context)),
            [rows[numbers[id(passage)]] for passage in prepared.context],
            [adapters[number] for number in prepared.adapters],
            chosen.name,
        )

    def _shelf(self, pieces: Sequence[Passage]) -> Shelf:
        """A shelf of ``pieces`` without adapters: an index takes long for long documents."""
        key = tuple(each.headed for each in pieces)
        if key not in self._shelves:
            index = index_of(self._settings.retrieval, key)
            self._shelves[key] = Shelf.of(pieces, tokens=self._tokens.count, index=index)
            while len(self._shelves) > _SHELVES:
                self._shelves.popitem(last=False)
        self._shelves.move_to_end(key)
        return self._shelves[key]

    def _marked(self, context: Sequence[Passage]) -> tuple[Passage, ...]:
        return marked(context, self._settings.markers, datetime.now().astimezone())

    def _history(self, session: str, question: str) -> list[Turn]:
        """The turns in the window, without the question itself where it was noted already."""
        turns = _chat.unsettled(self._ledger, session)
        if turns and turns[-1].role == "user" and turns[-1].text.strip() == question.strip():
            turns = turns[:-1]
        # a reader cannot make passages of what has left the window
        size = _chat.window_size(self._settings, self._tokens)
        return _chat.window(turns, size + size // _chat.REST, self._tokens)

    def _room(self, question: str, turns: Sequence[Turn]) -> int:
        """Tokens that are left for passages."""
        context = self._tokens.context
        taken = sum(self._tokens.count(text) + _MARKS for text in (question, *_texts(turns)))
        return max(0, context - taken - min(_ANSWER, context // 4))

    def _prompt(self, question: str, turns: Sequence[Turn]) -> Prompt:
        if self._chat is None:
            return _plain(turns) + ask(FORM, question)
        before = [*self._chat.before, *_alternating(turns)]
        if before and before[-1][0] == "user":  # it was never answered
            question = f"{before.pop()[1]}\n{question}"
        return ChatPrompt(question, Chat(tuple(before), self._chat.arguments))


_MARKS = 8
"""Tokens of a template around a turn, at most."""


def visible(ledger: Ledger, session: str) -> tuple[list[PassageRow], list[AdapterRow]]:
    """Passages and adapters that ``session`` may see: its own, and those for all sessions."""
    scope = ("", session)
    rows = _views.passages(ledger, f"d.session IN (?, ?) AND p.state NOT IN {_views.GONE}", scope)
    adapters = _views.adapters(
        ledger, f"session IN (?, ?) AND state IN ('{ACTIVE}', '{ROLLED_UP}')", scope
    )
    return rows, adapters


def _texts(turns: Sequence[Turn]) -> list[str]:
    return [turn.text for turn in turns]


def _plain(turns: Sequence[Turn]) -> str:
    """Earlier questions and answers in the plain format; a turn without its other half is not."""
    parts = []
    for asked, answered in pairwise(turns):
        if (asked.role, answered.role) == ("user", "assistant"):
            parts.append(ask(FORM, asked.text) + reply(FORM, answered.text))
    return "".join(parts)


def _alternating(turns: Sequence[Turn]) -> list[tuple[str, str]]:
    """(role, text), the system's first; several turns of one role in a row are one.

    Templates refuse anything else.
    """
    system = [turn.text for turn in turns if turn.role == "system"]
    merged: list[tuple[str, str]] = []
    for turn in turns:
        if turn.role == "system":
            continue
        if merged and merged[-1][0] == turn.role:
            merged[-1] = (turn.role, f"{merged[-1][1]}\n{turn.text}")
        else:
            merged.append((turn.role, turn.text))
    return [*([("system", "\n".join(system))] if system else []), *merged]
