"""What the routes of one server share."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from typing import Any

from harness.engines import StreamingEngine
from harness.memory import Memory
from harness.memory.learner import Learner, progress
from harness.models.chat_templates import has_chat_template
from harness.server._limits import Limits
from harness.server._replies import Replies
from harness.server._transcripts import Unnamed

_OFF = {"state": "off", "reason": "", "document": "", "passages": (), "losses": (), "steps": 0}
"""Progress where nothing is learnt while it serves."""


@dataclass
class State:
    """One memory, one model, and what they are limited to."""

    memory: Memory
    engine: StreamingEngine
    limits: Limits
    learns: bool = True
    started: int = field(default_factory=lambda: int(time.time()))

    def __post_init__(self) -> None:
        self.replies = Replies(self.memory, self.engine, self.limits.queue)
        self.unnamed = Unnamed(self.memory)
        self.plain = not has_chat_template(self.memory.base)
        self._learner: Learner | None = None

    @property
    def name(self) -> str:
        """The model's name in the API."""
        return self.memory.base.name

    @property
    def format(self) -> str:
        """How questions are written: in the model's chat template, or in a plain format."""
        return "plain (Question: ... Answer:)" if self.plain else "chat template"

    def start(self) -> None:
        """Start the learner, in a process of its own."""
        if self.learns:
            self._learner = Learner.start(self.memory.folder, self.memory.base.path)

    def stop(self) -> None:
        """End the replies and the learner."""
        self.replies.close()
        if self._learner:
            self._learner.stop()

    def wake(self) -> None:
        """There is something new to learn. A learner that was killed is started again."""
        if self._learner and not self._learner.running:
            self.start()
        elif self._learner:
            self._learner.wake()

    def kept(self, session: str) -> None:
        """A reply in ``session`` is kept: an unnamed one is found by its new transcript."""
        self.unnamed.put_back(session)
        self.wake()

    def progress(self) -> dict[str, Any]:
        """What the learner does."""
        return asdict(progress(self.memory.folder)) if self.learns else dict(_OFF)
