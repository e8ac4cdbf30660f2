"""The protocol of all engines, and what they share: likelihoods of spans, stops and seeds."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple, Protocol

from harness.data.formats import split_thoughts
from harness.errors import RecipeError
from harness.models.files import encode_pair
from harness.recipes import Decoding, Prompt, canonical

_DEFAULT = Decoding()


class Likelihood(NamedTuple):
    """How probable one continuation is, as ``loglikelihood`` of lm-evaluation-harness.

    ``matched == tokens`` is what is called ``is_greedy`` there.
    """

    total: float
    """Summed log-probability of the continuation's tokens, in nats."""
    tokens: int
    matched: int
    """Tokens that are the most probable one after the true text before them (teacher forcing)."""


class Written(NamedTuple):
    """A prompt as the text that a model reads."""

    text: str
    special: bool = True
    """Whether BOS is put before it, where the model has that; a chat template writes its own."""


class Span(NamedTuple):
    """Successive tokens that fit into the context; those from index ``first`` on are scored."""

    ids: tuple[int, ...]
    first: int
    """At least 1, because nothing predicts the first token."""


def spans(
    pairs: Sequence[tuple[Written, str]],
    encode: Callable[[str, bool], list[int]],
    start: int | None,
    context: int,
) -> list[list[Span]]:
    """The spans of each (context, continuation): they score every token of the continuation once.

    ``encode`` turns text into ids, with BOS or without. Where it gives no token for an empty
    context, ``start`` is the context. A text longer than ``context`` tokens is cut into spans that
    overlap by half, so that no token is scored with less than half a context before it.

    Raises:
        RecipeError: a continuation has no tokens, or there is no token before it.
    """
    return [list(_cut(*_joined(pair, encode, start), context)) for pair in pairs]


def total(parts: Iterable[Likelihood]) -> Likelihood:
    """The likelihood of a text from those of its spans."""
    return Likelihood(*(sum(column) for column in zip(*parts, strict=True)))


def _joined(
    pair: tuple[Written, str], encode: Callable[[str, bool], list[int]], start: int | None
) -> tuple[list[int], int]:
    before, continuation = pair

    def encode_part(text: str, special: bool) -> list[int]:
        return encode(text, special and before.special)

    ids, first = encode_pair(encode_part, before.text, continuation)
    if not first and start is not None:
        ids = [start, *ids]
        first = 1
    if len(ids) <= first:
        raise RecipeError(f"continuation {continuation!r} has no tokens: give it some text")
    if not first:
        raise RecipeError(
            f"{continuation!r} cannot be scored without a context: this model has no token to begin"
            " with"
        )
    return ids, first


def _cut(ids: list[int], first: int, context: int) -> Iterator[Span]:
    context = max(context, 2)
    while first < len(ids):
        left = max(0, min(first - context // 2, len(ids) - context))
        part = tuple(ids[left : left + context])
        yield Span(part, first - left)
        first = left + len(part)


class Capabilities(NamedTuple):
    """What an engine can do; suites skip the rest and say why."""

    several_adapters: bool
    scales: bool
    vram_known: bool
    """Whether torch counts the engine's GPU memory; of other engines only the driver's count is
    known."""
    log_likelihood: bool = False
    """Whether given text can be scored."""
    refuses: tuple[str, ...] = ()
    """Fields of Decoding that it cannot follow; they must stay at their defaults."""
    trains: bool = False
    """Whether adapters can be trained on the model that it runs."""


class Engine(Protocol):
    """A loaded base that answers, with or without adapters on it."""

    name: str
    capabilities: Capabilities
    load_seconds: float

    def answer(self, prompts: Sequence[Prompt], decoding: Decoding) -> list[list[str]]:
        """``decoding.num_return_sequences`` answers to each prompt.

        Each ends before its first stop string after its thoughts, and a turn of a chat also at what
        ends a turn in the model's template. Raises RecipeError where the model has no template, or
        it refuses the turns.
        """
        ...

    def count(self, texts: Sequence[str]) -> int:
        """Tokens in ``texts``, without BOS."""
        ...

    def log_likelihood(self, pairs: Sequence[tuple[Prompt, str]]) -> list[Likelihood]:
        """How probable the second text of each pair is after the first, with the current stack.

        An empty first text means BOS alone. Where one token would cover the end of the first text
        and the start of the second, the two are encoded separately, because ``answer`` encodes
        prompts alone. Texts longer than the context are scored in overlapping spans, each token
        once. Raises RecipeError where ``capabilities.log_likelihood`` is false, and for a text
        without tokens.
        """
        ...

    def with_stack(self, adapters: Sequence[tuple[Path, float]]) -> AbstractContextManager[None]:
        """Put adapters (path, scale) on the base for a ``with`` block; their updates add up."""
        ...


def key_of(prompt: Prompt) -> str:
    """A text that stands for ``prompt`` alone."""
    return prompt if isinstance(prompt, str) else canonical(prompt)


def seed_of(decoding: Decoding, copy: int, prompt: Prompt) -> int:
    """The seed of answer number ``copy`` to ``prompt``.

    It depends on nothing else, so that an answer does not depend on the other prompts of a batch.
    """
    return zlib.crc32(f"{decoding.seed} {copy} {key_of(prompt)}".encode())


def stopped(text: str, stops: Sequence[str]) -> str:
    """``text`` up to the first stop string, also where that is at the very start.

    Stop strings within thoughts do not count.
    """
    if not stops:
        return text.strip()
    thoughts, answer = _parted(text)
    for stop in stops:
        answer = answer.partition(stop)[0]
    return (thoughts + answer).strip()


def has_stopped(text: str, stops: Sequence[str]) -> bool:
    """Whether a stop string is in the answer of ``text``, after its thoughts."""
    _, answer = _parted(text)
    return any(stop in answer for stop in stops)


def _parted(text: str) -> tuple[str, str]:
    """(thoughts, answer); after thoughts, line ends come before the answer."""
    thoughts, answer = split_thoughts(text)
    return thoughts, answer.lstrip() if thoughts else answer


def refusal(decoding: Decoding, refuses: Sequence[str], who: str) -> str:
    """A line on the first setting of ``decoding`` that ``who`` refuses; empty without one."""
    for name in refuses:
        value = getattr(decoding, name)
        off = getattr(_DEFAULT, name)
        if value != off:
            return f"{name} is {value!r}: {who} cannot do that, set it to {off!r}"
    return ""


def check(decoding: Decoding, refuses: Sequence[str], who: str) -> None:
    """Raises RecipeError with the ``refusal``, where there is one."""
    if line := refusal(decoding, refuses, who):
        raise RecipeError(line)
