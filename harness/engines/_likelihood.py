"""How probable a model finds given text: what every engine that can tell has in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from harness.errors import RecipeError
from harness.models import encode_pair


class Likelihood(NamedTuple):
    """Of one continuation, as lm-evaluation-harness's ``loglikelihood``; ``matched == tokens`` is its ``is_greedy``."""

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
    pairs: Sequence[tuple[str, str]], encode: Callable[[str, bool], list[int]], start: int | None, context: int
) -> list[list[Span]]:
    """The spans of each (context, continuation); their scored tokens are the continuation's, each once.

    ``encode`` turns text into ids with BOS or without. Where it gives an empty text none, ``start`` stands in.
    A text beyond ``context`` tokens is cut into spans that share half of them, so that no token is scored with
    less than half a context before it.

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
        raise RecipeError(f"{pair[1]!r} cannot be scored without a context: this model has no token to begin with")
    return ids, first


def _spans(ids: list[int], first: int, context: int) -> Iterator[Span]:
    context = max(context, 2)
    while first < len(ids):
        left = max(0, min(first - context // 2, len(ids) - context))
        part = tuple(ids[left : left + context])
        yield Span(part, first - left)
        first = left + len(part)
