"""A memory of ours with adapters: it learns every session of a conversation, then answers."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

from harness.data.formats import split_thoughts
from harness.data.published import ChatSession, Conversation
from harness.engines import Engine, engine_for, trainable
from harness.errors import ModelError, RecipeError
from harness.memory import DEFAULTS, Memory, Settings
from harness.memory.documents import Document
from harness.memory.passages import Turn
from harness.memory.rows import FAILED
from harness.recipes import Base, ChatPrompt, Decoding, Prompt
from harness.referee._asking import instructed
from harness.referee._systems import ANSWER_TOKENS, Fed, Reply

LEARNT = ("lora", "lora_and_retrieval", "always_on")
"""The policies that put adapters on."""
_ASKING = "questions"
"""The session in which questions are asked: it has no turns of its own."""


@dataclass(eq=False)
class MemorySystem:
    """``harness.memory`` with one of its policies. Each session of a chat is a document of it."""

    model: str
    policy: str
    store: Path
    """Where its adapters are kept: what was trained once is not trained again."""
    changes: Sequence[str] = ("markers=absolute",)
    """Changes to the settings of a memory, as ``NAME=VALUE``."""
    label: str = ""
    _memory: Memory | None = field(default=None, init=False)
    _folder: TemporaryDirectory[str] | None = field(default=None, init=False)

    @property
    def name(self) -> str:
        """See ``System``."""
        return f"{self.label} {self.policy}".strip()

    @property
    def key(self) -> tuple[str, ...]:
        """See ``System``."""
        return (self.base.content, self.policy, self.settings.as_json())

    @property
    def resumes(self) -> bool:
        """See ``System``."""
        return True

    @cached_property
    def base(self) -> Base:
        """The model. Raises ModelError where nothing can be trained on it."""
        return trainable(self.model)

    @cached_property
    def settings(self) -> Settings:
        """Those of the memory. Raises RecipeError on a change that cannot be."""
        return DEFAULTS.changed(self.changes, "changes")

    def feed(self, conversation: Conversation) -> Fed:
        """See ``System``. Raises as the memory, and ModelError where nothing is learnt."""
        _ = self._engine.load_seconds  # the model is loaded before the clock runs
        self.close()
        self._folder = TemporaryDirectory(prefix="referee-")
        folder = Path(self._folder.name) / "memory"
        memory = Memory.create(folder, self.model, self.settings, self.store)
        self._memory = memory
        began = time.perf_counter()
        for session in conversation.sessions:
            if session.turns:
                memory.add(_document(session))
        before = 0.0
        reason = ""
        while work := memory.next_work():
            learnt = memory.learn(work)
            reason = learnt.reason or reason
            if learnt.found and learnt.adapter:
                before += learnt.adapter.seconds
        seconds = time.perf_counter() - began + before
        failed = memory.passages(state=FAILED)
        if not memory.adapters():
            raise ModelError(f"{self.name} learnt nothing of {conversation.id}: {reason}")
        texts = sum(len(row.text.encode()) for row in memory.passages())
        kept = sum(row.bytes for row in memory.adapters())
        size = kept if self.policy != "lora_and_retrieval" else kept + texts
        return Fed(seconds, size, failed=len(failed))

    def answer(self, question: str) -> Reply:
        """See ``System``."""
        if self._memory is None:
            raise RecipeError(f"{self.name} has no conversation: feed it one")
        began = time.perf_counter()
        turned = self._memory.prepare(_ASKING, question, self.policy)
        prompt = _instructed(turned.prompt, question)
        stop = () if isinstance(prompt, ChatPrompt) else ("\n",)
        with self._engine.with_stack(turned.adapters):
            decoding = Decoding(max_new_tokens=ANSWER_TOKENS, stop=stop)
            raw = self._engine.answer([prompt], decoding)[0][0]
        seconds = time.perf_counter() - began
        read = self._engine.count([prompt if isinstance(prompt, str) else prompt.text])
        written = self._engine.count([raw]) if raw else 0
        places = tuple(row.number for row in turned.passages)
        return Reply(split_thoughts(raw)[1].strip(), seconds, read, written, places)

    def close(self) -> None:
        """Close and remove the memory; its adapters stay in the store."""
        if self._memory:
            self._memory.close()
        if self._folder:
            self._folder.cleanup()
        self._memory = self._folder = None

    @cached_property
    def _engine(self) -> Engine:
        return engine_for(self.model)


def _document(session: ChatSession) -> Document:
    turns = tuple(Turn(turn.speaker, turn.text, session.at) for turn in session.turns)
    return Document(f"{session.id} of {session.when}", turns=turns)


def _instructed(prompt: Prompt, question: str) -> Prompt:
    """``prompt`` with what a model in a chat is told; passages are sought by the question alone."""
    if not isinstance(prompt, ChatPrompt):
        return prompt
    return prompt._replace(text=prompt.text.removesuffix(question) + instructed(question))
