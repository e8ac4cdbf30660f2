"""Named ways to generate. The community presets carry the values of
text-generation-webui of 2023."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import fields
from typing import NamedTuple

import torch
from transformers import (
    LogitsProcessor,
    LogitsProcessorList,
    MinPLogitsWarper,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
    TypicalLogitsWarper,
)

from harness.errors import RecipeError
from harness.recipes import Decoding, changed

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
        """Ids that may not follow ``tokens``: as NoBadWords- and NoRepeatNGramLogitsProcessor have
        it."""
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
    """Each word as it begins a text, and as it stands within one: byte-level vocabularies tell the
    two apart."""
    forms = (form for word in words for form in (word, f" {word.lstrip()}"))
    return tuple(dict.fromkeys(tuple(encode(form)) for form in forms))


def only_token(name: str, text: str, encode: Encode) -> int:
    """The id of the one token that ``text`` is. Raises RecipeError where it is several, or none."""
    ids = encode(text)
    if len(ids) != 1:
        raise RecipeError(
            f"{name} {text!r} is {len(ids)} tokens for this model: give the text of one, such as"
            " </s>"
        )
    return ids[0]


def _ends(tokens: Sequence[int], wanted: Sequence[int]) -> bool:
    return len(wanted) <= len(tokens) and tuple(tokens[len(tokens) - len(wanted) :]) == tuple(
        wanted
    )


def drawn(decoding: Decoding, seeds: Sequence[int]) -> LogitsProcessorList:
    """What samples one token a row, each by its own seed, in the order in which transformers shapes
    probabilities."""
    found = LogitsProcessorList()
    if decoding.temperature != 1:
        found.append(TemperatureLogitsWarper(decoding.temperature))
    if decoding.top_k > 0:
        found.append(TopKLogitsWarper(decoding.top_k))
    if decoding.top_p < 1:
        found.append(TopPLogitsWarper(decoding.top_p))
    if decoding.min_p > 0:
        found.append(MinPLogitsWarper(decoding.min_p))
    if decoding.typical_p < 1:
        found.append(TypicalLogitsWarper(decoding.typical_p))
    found.append(_Draw(seeds))
    return found


class _Draw(LogitsProcessor):
    """An exponential race (as ``torch.multinomial`` runs it): the token whose share of the
    probability over a number drawn for it is largest. So two models that are asked the same with
    one seed part where their probabilities do.
    """

    def __init__(self, seeds: Sequence[int]) -> None:
        self.rng = [torch.Generator().manual_seed(seed) for seed in seeds]

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:
        """``scores``, rows by vocabulary, with all but one of each row at minus infinity."""
        numbers = torch.empty(scores.shape, dtype=torch.float32)
        for row, rng in zip(numbers, self.rng, strict=True):
            row.exponential_(generator=rng)
        chosen = (scores.float() - numbers.log().to(scores.device)).argmax(-1, keepdim=True)
        return torch.full_like(scores, -torch.inf).scatter_(-1, chosen, 0.0)  # type: ignore[return-value]


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
    """The preset called ``text``, or ``NAME,field=value,...``: a preset with fields of its own.

    Items of a list are separated by ``|``. Raises RecipeError on an unknown preset or field, or a
    value that cannot be.
    """
    name, *settings = text.split(",")
    if name not in DECODINGS:
        raise RecipeError(
            f"decoding preset {name!r} is unknown: choose one of {', '.join(DECODINGS)}"
        )
    return changed(DECODINGS[name], settings, "decoding", between="|")


def described(by: Decoding) -> str:
    """``greedy``, or the fields that differ from it, in their order."""
    off = Decoding()
    pairs = ((f.name, getattr(by, f.name), getattr(off, f.name)) for f in fields(by))
    return (
        ", ".join(f"{name} {value!r}" for name, value, default in pairs if value != default)
        or "greedy"
    )
