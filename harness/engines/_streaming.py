"""A growing answer as pieces of text that never change once they are given."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from threading import Event
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from harness.data.formats import split_thoughts
from harness.engines._engine import Engine, has_stopped, stopped
from harness.recipes import Decoding, Prompt

if TYPE_CHECKING:
    import torch

_INCOMPLETE = "\ufffd"
"""What stands for a character of which only some bytes are there."""

T = TypeVar("T")


class StreamingEngine(Engine, Protocol):
    """An engine that gives an answer token by token."""

    @property
    def context(self) -> int:
        """The longest sequence in tokens, prompt and answer together."""
        ...

    def length(self, prompt: Prompt) -> int:
        """Tokens that the model reads of ``prompt``, with BOS and what the template adds."""
        ...

    def stream(self, prompt: Prompt, decoding: Decoding) -> Generator[str, None, None]:
        """The first answer to ``prompt`` in pieces; joined they are what ``answer`` gives.

        The current stack must stay on until the iterator is exhausted or closed; closing it ends
        the computation after the current token. A beam search has one piece, as no token is certain
        before its end. Raises as ``answer``, at the first piece.
        """
        ...


class Growing:
    """Turns the whole text so far into the piece that is new and certain.

    White space at the end waits, as answers are stripped, and so does what may be the start of a
    stop string.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = stops
        self._given = ""

    def piece(self, text: str) -> str:
        """What is certain of ``text`` beyond the pieces before; it may be empty."""
        return self._new(_certain(text, self._stops))

    def rest(self, text: str) -> str:
        """The last piece, where ``text`` is complete."""
        return self._new(stopped(text, self._stops))

    def _new(self, text: str) -> str:
        # a tokenizer may still change its last letters: then the piece waits
        if not text.startswith(self._given):
            return ""
        new = text[len(self._given) :]
        self._given = text
        return new


def _certain(text: str, stops: Sequence[str]) -> str:
    whole = text.rstrip(_INCOMPLETE)
    thoughts, answer = split_thoughts(whole)
    # after a whole stop string nothing is held: its end may be the start of another one
    if (not thoughts or answer) and not has_stopped(whole, stops):
        whole = whole[: len(whole) - _held(whole, stops)]
    return stopped(whole, stops)


def _held(text: str, stops: Sequence[str]) -> int:
    """Characters at the end of ``text`` that may become a stop string."""
    return max(
        (n for stop in stops for n in range(1, len(stop)) if text.endswith(stop[:n])), default=0
    )


class Tokens(Generic[T]):
    """Tokens that ``generate`` of transformers puts here from another thread."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[list[int] | None] = SimpleQueue()
        self._cancelled = Event()

    @property
    def arguments(self) -> dict[str, Any]:
        """Keywords of ``generate``."""
        return {"streamer": self, "stopping_criteria": [self._is_cancelled]}

    def _is_cancelled(self, ids: torch.Tensor, scores: Any, **_: Any) -> torch.Tensor:
        import torch

        return torch.full((len(ids),), self._cancelled.is_set(), device=ids.device)

    def put(self, value: torch.Tensor) -> None:
        """Called by ``generate``: the prompt (1 x tokens) first, then one token at a time."""
        if value.dim() == 1:
            self._queue.put(value.tolist())

    def end(self) -> None:
        """Called by ``generate``, of which there may be several."""

    def run(
        self, executor: ThreadPoolExecutor, compute: Callable[[], T]
    ) -> Generator[list[int], None, None]:
        """The tokens that ``compute`` puts here, while it runs in a thread of ``executor``.

        Returns its result. It is cancelled where the iterator is closed.
        """
        future: Future[T] = executor.submit(compute)
        future.add_done_callback(lambda _: self._queue.put(None))
        try:
            while (ids := self._queue.get()) is not None:
                yield ids
        finally:
            self._cancelled.set()
            future.exception()  # waits
        self.result = future.result()
