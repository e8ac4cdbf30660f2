"""What every engine offers."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple, Protocol

from harness.errors import RecipeError
from harness.models.tokens import encode_pair
from harness.recipes import Decoding


class Likelihood(NamedTuple):
    """Of one continuation, as lm-evaluation-harness's ``loglikelihood``; ``matched == tokens`` is
    its ``is_greedy``."""

    total: float
    """Summed log-probability of the continuation's tokens, in nats."""
    tokens: int
    matched: int
    """Tokens that are the most probable one, given the true text before them (teacher-forced)."""


class Span(NamedTuple):
    """Neighbouring tokens that fit into the context; those from index ``first`` on are scored."""

    ids: tuple[int, ...]
    first: int
    """At least 1, as nothing foretells the first token."""


def spans(
    pairs: Sequence[tuple[str, str]],
    encode: Callable[[str, bool], list[int]],
    start: int | None,
    context: int,
) -> list[list[Span]]:
    """The spans of each (context, continuation); their scored tokens are the continuation's, each
    once.

    ``encode`` turns text into ids with BOS or without. Where it gives an empty text none, ``start``
    stands in. A text beyond ``context`` tokens is cut into spans that share half of them, so that
    no token is scored with less than half a context before it.

    Raises:
        RecipeError: a continuation has no tokens, or there is nothing before it.
    """
    return [list(_spans(*_joined(pair, encode, start), context)) for pair in pairs]


def total(parts: Iterable[Likelihood]) -> Likelihood:
    """The likelihood of a text from those of its spans."""
    return Likelihood(*(sum(column) for column in zip(*parts, strict=True)))


def _joined(
    pair: tuple[str, str], encode: Callable[[str, bool], list[int]], start: int | None
) -> tuple[list[int], int]:
    ids, first = encode_pair(encode, *pair)
    if not first and start is not None:
        ids, first = [start, *ids], 1
    if len(ids) <= first:
        raise RecipeError(f"continuation {pair[1]!r} has no tokens: give it some text")
    if not first:
        raise RecipeError(
            f"{pair[1]!r} cannot be scored without a context: this model has no token to begin with"
        )
    return ids, first


def _spans(ids: list[int], first: int, context: int) -> Iterator[Span]:
    context = max(context, 2)
    while first < len(ids):
        left = max(0, min(first - context // 2, len(ids) - context))
        part = tuple(ids[left : left + context])
        yield Span(part, first - left)
        first = left + len(part)


_OFF = Decoding()


class Capabilities(NamedTuple):
    """What an engine can do; suites skip what it cannot, with the reason."""

    several_adapters: bool
    scales: bool
    vram_known: bool
    """Whether torch's counters see the engine's allocations; of other engines only the driver's
    count is known."""
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
        """``decoding.num_return_sequences`` continuations of each prompt, up to the first stop
        string."""
        ...

    def count(self, texts: Sequence[str]) -> int:
        """Tokens in ``texts``, without BOS."""
        ...

    def log_likelihood(self, pairs: Sequence[tuple[str, str]]) -> list[Likelihood]:
        """How probable the second text of each pair is after the first; an empty first one is BOS
        alone.

        The current stack applies. Tokens are those that the engine would see: the first text is
        encoded alone where a token would lie astride the boundary. Texts beyond the context are
        scored in overlapping spans, each token once. Where ``capabilities.log_likelihood`` is not
        set, as where a text has no tokens: raises RecipeError.
        """
        ...

    def with_stack(self, adapters: Sequence[tuple[Path, float]]) -> AbstractContextManager[None]:
        """Adapters (folder, scale) on the base for the length of a ``with`` block; their updates
        add up."""
        ...


def seed_of(decoding: Decoding, copy: int, prompt: str) -> int:
    """Of the answer number ``copy`` to ``prompt``: the text's own, so that answers do not depend on
    neighbours."""
    return zlib.crc32(f"{decoding.seed} {copy} {prompt}".encode())


def stopped(text: str, stops: Sequence[str]) -> str:
    """``text`` up to the first stop string. An answer may begin with one: a leading newline ends
    it, too."""
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
