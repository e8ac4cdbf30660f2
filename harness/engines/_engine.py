"""What every engine offers."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple, Protocol

from harness.engines._likelihood import Likelihood
from harness.errors import RecipeError
from harness.recipes import Decoding

_OFF = Decoding()


class Capabilities(NamedTuple):
    """What an engine can do; suites skip what it cannot, with the reason."""

    several_adapters: bool
    scales: bool
    vram_known: bool
    """Whether torch's counters see the engine's allocations; of other engines only the driver's count is known."""
    log_likelihood: bool = False
    """Whether given text can be scored."""
    refuses: tuple[str, ...] = ()
    """Fields of Decoding that it cannot follow, so that they must stay at their defaults."""
    trains: bool = False
    """Whether adapters can be trained on what it runs."""


class Engine(Protocol):
    """A loaded base that answers, with or without adapters on it."""

    name: str
    capabilities: Capabilities
    load_seconds: float

    def answer(self, prompts: Sequence[str], decoding: Decoding) -> list[list[str]]:
        """``decoding.num_return_sequences`` continuations of each prompt, up to the first stop string."""
        ...

    def count(self, texts: Sequence[str]) -> int:
        """Tokens in ``texts``, without BOS."""
        ...

    def log_likelihood(self, pairs: Sequence[tuple[str, str]]) -> list[Likelihood]:
        """How probable the second text of each pair is after the first; an empty first one is BOS alone.

        The current stack applies. Tokens are those that the engine would see: the first text is encoded alone where
        a token would lie astride the boundary. Texts beyond the context are scored in overlapping spans, each token
        once. Where ``capabilities.log_likelihood`` is not set, as where a text has no tokens: raises RecipeError.
        """
        ...

    def with_stack(self, adapters: Sequence[tuple[Path, float]]) -> AbstractContextManager[None]:
        """Adapters (folder, scale) on the base for the length of a ``with`` block; their updates add up."""
        ...


def seed_of(decoding: Decoding, copy: int, prompt: str) -> int:
    """Of the answer number ``copy`` to ``prompt``: the text's own, so that answers do not depend on neighbours."""
    return zlib.crc32(f"{decoding.seed} {copy} {prompt}".encode())


def stopped(text: str, stops: Sequence[str]) -> str:
    """``text`` up to the first stop string. An answer may begin with one: a leading newline ends it, too."""
    for stop in stops:
        text = text.partition(stop)[0]
    return text.strip()


def refusal(decoding: Decoding, refuses: Sequence[str], who: str) -> str:
    """A line on what ``decoding`` asks for that ``who`` refuses; empty where it can follow."""
    for name in refuses:
        value, off = getattr(decoding, name), getattr(_OFF, name)
        if value != off:
            return f"{name} is {value!r}: {who} cannot do that, set it to {off!r}"
    return ""


def check(decoding: Decoding, refuses: Sequence[str], who: str) -> None:
    """Raises RecipeError with the ``refusal``, where there is one."""
    if line := refusal(decoding, refuses, who):
        raise RecipeError(line)
