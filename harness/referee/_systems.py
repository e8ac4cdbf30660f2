"""Systems that remember chats: each is fed a conversation, then asked about it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, Protocol

from harness.data.formats import ask, split_thoughts
from harness.data.published import Conversation
from harness.engines import SERVED_PREFIXES, Engine, LlamaCppEngine, engine_for, identify
from harness.errors import RecipeError
from harness.memory.passages import SIZE, Passage, Turn, spans
from harness.memory.policies import (
    ClosedBook,
    Policy,
    Prepared,
    Shelf,
    Window,
    in_context,
    policy_named,
)
from harness.memory.retrieval import index_of
from harness.models.chat_templates import has_chat_template
from harness.models.files import config_of
from harness.recipes import BARE, Base, ChatPrompt, Decoding, Prompt
from harness.referee._asking import instructed

ANSWER_TOKENS = 40
"""New tokens of an answer, at most."""
_MARGIN = 64
"""Tokens that a template takes around a question, at most."""
_ENDLESS = 2**20
_FORM = "qa"
"""The plain format in which a model without a chat template is asked."""


class Fed(NamedTuple):
    """What it took to take a conversation in."""

    seconds: float
    bytes: int | None
    """That are kept of the conversation; None: a system does not tell."""
    tokens: int | None = None
    """That a model read for it; None: unknown."""
    failed: int = 0
    """Passages that could not be learnt."""


class Reply(NamedTuple):
    """The answer to one question."""

    text: str
    seconds: float
    read: int | None
    """Tokens before the answer; None: unknown."""
    written: int | None
    """Tokens of the answer."""
    passages: tuple[int, ...] = ()
    """Places of the passages that were read, for who wants to see why."""


class System(Protocol):
    """Something that remembers chats."""

    @property
    def name(self) -> str:
        """For tables; unique in a run."""
        ...

    @property
    def key(self) -> tuple[str, ...]:
        """What its answers depend on beside conversation and question; kept answers go by it."""
        ...

    @property
    def resumes(self) -> bool:
        """Whether, fed again, it is the same: then questions go on after an interruption."""
        ...

    def feed(self, conversation: Conversation) -> Fed:
        """Take in a conversation, session by session; forget the one before."""
        ...

    def answer(self, question: str) -> Reply:
        """The answer about the conversation that was fed last."""
        ...


def passages_of(conversation: Conversation, size: int = SIZE) -> tuple[Passage, ...]:
    """The sessions in passages of at most ``size`` characters, headed by their date."""
    passages: list[Passage] = []
    for session in conversation.sessions:
        said = [Turn(turn.speaker, turn.text, session.at) for turn in session.turns]
        for part in spans(said, size, conversation.id):
            heading = f"Conversation of {session.when}"
            place = len(passages)
            passages.append(Passage(part.text, conversation.id, place, heading, part.when))
    return tuple(passages)


@dataclass(eq=False)
class PolicySystem:
    """A policy of ours over the passages of a conversation, without adapters."""

    model: str
    """A folder, hub id, ``.gguf`` file, or ``openai:NAME@URL`` of the model that answers."""
    policy: Policy
    context: int = 0
    """Tokens that the model takes; 0: as its files say. A server does not tell."""
    retrieval: str = "bm25"
    size: int = SIZE
    """Characters of a passage."""
    label: str = ""
    """Of the model, where several are compared."""
    asked: str = ""
    """The day on which a server answers."""
    _shelf: Shelf | None = field(default=None, init=False)

    @property
    def name(self) -> str:
        """See ``System``."""
        return f"{self.label} {self.policy.name}".strip()

    @property
    def key(self) -> tuple[str, ...]:
        """See ``System``."""
        settings = (repr(self.policy), self.retrieval, str(self.size), str(self._context))
        return (self.base.content, *settings)

    @property
    def resumes(self) -> bool:
        """See ``System``."""
        return True

    @cached_property
    def base(self) -> Base:
        """The model. Raises ModelError."""
        return identify(self.model, self.asked)

    def feed(self, conversation: Conversation) -> Fed:
        """See ``System``."""
        _ = self._engine.load_seconds  # the model is loaded before the clock runs
        began = time.perf_counter()
        passages = passages_of(conversation, self.size)
        texts = [passage.headed for passage in passages]
        index = index_of(self.retrieval, texts)
        self._shelf = Shelf.of(passages, tokens=self._count, index=index)
        seconds = time.perf_counter() - began
        if isinstance(self.policy, ClosedBook | Window):  # the same for every question
            texts = [passage.headed for passage in self._prepared("").context]
        return Fed(seconds, sum(len(text.encode()) for text in texts), 0)

    def answer(self, question: str) -> Reply:
        """See ``System``. Raises RecipeError where the policy's passages do not fit."""
        began = time.perf_counter()
        prepared = self._prepared(question)
        prompt = in_context(self._prompt(question), prepared.context)
        stop = () if self._in_chat else ("\n",)
        decoding = Decoding(max_new_tokens=ANSWER_TOKENS, stop=stop)
        raw = self._engine.answer([prompt], decoding)[0][0]
        seconds = time.perf_counter() - began
        text = split_thoughts(raw)[1].strip()
        read = self._tokens(prompt)
        places = tuple(passage.place for passage in prepared.context)
        return Reply(text, seconds, read, self._count(raw) if raw else 0, places)

    def _prepared(self, question: str) -> Prepared:
        if self._shelf is None:
            raise RecipeError(f"{self.name} has no conversation: feed it one")
        asked = self._tokens(self._prompt(question))
        room = self._context - ANSWER_TOKENS - _MARGIN - asked
        return self.policy.prepare(question, replace(self._shelf, room=max(0, room)))

    def _prompt(self, question: str) -> Prompt:
        if self._in_chat:
            return ChatPrompt(instructed(question), BARE)
        return ask(_FORM, question)

    @cached_property
    def _engine(self) -> Engine:
        return engine_for(self.model)

    @cached_property
    def _in_chat(self) -> bool:
        return has_chat_template(self.base)

    @cached_property
    def _context(self) -> int:
        if self.context:
            return self.context
        if self.model.startswith(SERVED_PREFIXES):
            raise RecipeError(f"{self.model} does not tell its context: give --context TOKENS")
        if isinstance(self._engine, LlamaCppEngine):
            return self._engine.context
        config = dict(config_of(Path(self.base.path)))
        inner = config.get("text_config") or config
        return int(inner.get("max_position_embeddings") or _ENDLESS)

    def _tokens(self, prompt: Prompt) -> int:
        return self._count(prompt if isinstance(prompt, str) else prompt.text)

    def _count(self, text: str) -> int:
        return self._engine.count([text])


def policy_system(
    model: str, policy: str, context: int = 0, label: str = "", asked: str = ""
) -> PolicySystem:
    """The shipped policy by its name; ``retrieval:fused`` also names how passages are found.

    Raises RecipeError on an unknown name.
    """
    name, _, retrieval = policy.partition(":")
    system = PolicySystem(
        model, policy_named(name), context, retrieval or "bm25", label=label, asked=asked
    )
    if retrieval:
        system.label = f"{label} {retrieval}".strip()
    return system
