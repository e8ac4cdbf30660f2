"""Tokens that must not come next: bad words and repeated n-grams, by the rules of transformers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from harness.errors import RecipeError
from harness.recipes import Decoding

Encode = Callable[[str], Sequence[int]]
"""Token ids of a text, without BOS."""


class Bans(NamedTuple):
    """What one decoding forbids."""

    words: tuple[tuple[int, ...], ...]
    """Token sequences none of which may be completed."""
    ngram: int
    """Length of the n-grams that may not occur twice, the prompt included; 0 allows all."""

    @classmethod
    def of(cls, decoding: Decoding, encode: Encode) -> Bans:
        """The bans of ``decoding`` in the tokens of one model."""
        return cls(bad_words_ids(decoding.bad_words, encode), decoding.no_repeat_ngram_size)

    def after(self, tokens: Sequence[int]) -> set[int]:
        """Ids that may not follow ``tokens``: as NoBadWords- and NoRepeatNGramLogitsProcessor have it."""
        found = {word[-1] for word in self.words if _ends(tokens, word[:-1])}
        return found | set(self._repeats(tokens))

    def _repeats(self, tokens: Sequence[int]) -> Iterator[int]:
        if not self.ngram or len(tokens) < self.ngram:
            return
        last = tuple(tokens[len(tokens) - self.ngram + 1 :])
        for left in range(len(tokens) - self.ngram + 1):
            if tuple(tokens[left : left + len(last)]) == last:
                yield tokens[left + len(last)]


def bad_words_ids(words: Iterable[str], encode: Encode) -> tuple[tuple[int, ...], ...]:
    """Each word as it begins a text, and as it stands within one: byte-level vocabularies tell the two apart."""
    forms = (form for word in words for form in (word, f" {word.lstrip()}"))
    return tuple(dict.fromkeys(tuple(encode(form)) for form in forms))


def only_token(name: str, text: str, encode: Encode) -> int:
    """The id of the one token that ``text`` is. Raises RecipeError where it is several, or none."""
    ids = encode(text)
    if len(ids) != 1:
        raise RecipeError(f"{name} {text!r} is {len(ids)} tokens for this model: give the text of one, such as </s>")
    return ids[0]


def _ends(tokens: Sequence[int], wanted: Sequence[int]) -> bool:
    return len(wanted) <= len(tokens) and tuple(tokens[len(tokens) - len(wanted) :]) == tuple(wanted)
