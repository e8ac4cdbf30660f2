"""What every engine offers."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple, Protocol

from harness.recipes import Decoding


class Capabilities(NamedTuple):
    """What an engine can do; suites skip what it cannot, with the reason."""

    several_adapters: bool
    scales: bool
    vram_known: bool
    """Whether torch's counters see the engine's allocations."""


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

    def with_stack(self, adapters: Sequence[tuple[Path, float]]) -> AbstractContextManager[None]:
        """Adapters (folder, scale) on the base for the length of a ``with`` block; their updates add up."""
        ...
