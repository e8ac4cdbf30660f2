"""Decodings by name, and the tokens that they forbid."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import fields
from typing import NamedTuple

from harness.errors import RecipeError
from harness.recipes import Decoding, changed

Encode = Callable[[str], Sequence[int]]
"""Token ids of a text, without BOS."""


class Bans(NamedTuple):
    """The tokens that one decoding forbids."""

    words: tuple[tuple[int, ...], ...]
    """Token sequences that must not be completed."""
    ngram: int
    """Length of the n-grams that must not occur twice, the prompt included; 0 allows all."""

    @classmethod
    def of(cls, decoding: Decoding, encode: Encode) -> Bans:
        """The bans of ``decoding`` in the tokens of one model."""
        return cls(bad_words_ids(decoding.bad_words, encode), decoding.no_repeat_ngram_size)

    def after(self, tokens: Sequence[int]) -> set[int]:
        """Ids that must not follow ``tokens``.

        The same as transformers' NoBadWordsLogitsProcessor and NoRepeatNGramLogitsProcessor.
        """
        banned = {word[-1] for word in self.words if _ends_with(tokens, word[:-1])}
        return banned | set(self._repeats(tokens))

    def _repeats(self, tokens: Sequence[int]) -> Iterator[int]:
        if not self.ngram or len(tokens) < self.ngram:
            return
        prefix = tuple(tokens[len(tokens) - self.ngram + 1 :])
        for left in range(len(tokens) - self.ngram + 1):
            if tuple(tokens[left : left + len(prefix)]) == prefix:
                yield tokens[left + len(prefix)]


def bad_words_ids(words: Iterable[str], encode: Encode) -> tuple[tuple[int, ...], ...]:
    """Token ids of each word, at the start of a text and after a space.

    The two differ in byte-level vocabularies, where the space is part of the token.
    """
    forms = (form for word in words for form in (word, f" {word.lstrip()}"))
    return tuple(dict.fromkeys(tuple(encode(form)) for form in forms))


def only_token(name: str, text: str, encode: Encode) -> int:
    """The id of ``text``, which must be exactly one token. Raises RecipeError otherwise."""
    ids = encode(text)
    if len(ids) != 1:
        raise RecipeError(
            f"{name} {text!r} is {len(ids)} tokens for this model: give the text of one, such as"
            " </s>"
        )
    return ids[0]


def _ends_with(tokens: Sequence[int], suffix: Sequence[int]) -> bool:
    start = len(tokens) - len(suffix)
    return start >= 0 and tuple(tokens[start:]) == tuple(suffix)


# The community presets have the values of text-generation-webui in 2023.
DECODINGS: dict[str, Decoding] = {
    "deterministic": Decoding(),
    "coco2023": Decoding(
        max_new_tokens=20,
        do_sample=True,
        temperature=0.72,
        top_p=0.1,
        top_k=40,
        repetition_penalty=1.176,
    ),
    "default": Decoding(
        do_sample=True, temperature=0.7, top_p=0.9, top_k=20, repetition_penalty=1.15
    ),
    "llama_precise": Decoding(
        do_sample=True, temperature=0.7, top_p=0.1, top_k=40, repetition_penalty=1.18
    ),
    "novelai_storywriter": Decoding(
        do_sample=True, temperature=0.72, top_p=0.73, repetition_penalty=1.1
    ),
    "debug_deterministic": Decoding(),
    "beam_search": Decoding(num_beams=5, early_stopping=True),
}


def decoding(text: str) -> Decoding:
    """The decoding ``text``: a preset, or ``NAME,field=value,...`` for a preset with changes.

    Items of a list are separated by ``|``. Raises RecipeError for an unknown preset or field, and
    for an invalid value.
    """
    name, *settings = text.split(",")
    if name not in DECODINGS:
        raise RecipeError(
            f"decoding preset {name!r} is unknown: choose one of {', '.join(DECODINGS)}"
        )
    return changed(DECODINGS[name], settings, "decoding", separator="|")


def described(by: Decoding) -> str:
    """``greedy``, or the fields that differ from greedy decoding, in their order."""
    greedy = Decoding()
    names = [f.name for f in fields(by) if getattr(by, f.name) != getattr(greedy, f.name)]
    return ", ".join(f"{name} {getattr(by, name)!r}" for name in names) or "greedy"
