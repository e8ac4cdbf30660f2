"""Sampling with one seed for each text: an answer does not depend on its neighbours in a batch."""

from __future__ import annotations

from collections.abc import Sequence

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

from harness.recipes import Decoding


def drawn(decoding: Decoding, seeds: Sequence[int]) -> LogitsProcessorList:
    """Processors that sample one token a row, each row by its own seed.

    They stand in the order in which transformers changes probabilities.
    """
    processors = LogitsProcessorList()
    if decoding.temperature != 1:
        processors.append(TemperatureLogitsWarper(decoding.temperature))
    if decoding.top_k > 0:
        processors.append(TopKLogitsWarper(decoding.top_k))
    if decoding.top_p < 1:
        processors.append(TopPLogitsWarper(decoding.top_p))
    if decoding.min_p > 0:
        processors.append(MinPLogitsWarper(decoding.min_p))
    if decoding.typical_p < 1:
        processors.append(TypicalLogitsWarper(decoding.typical_p))
    processors.append(_Draw(seeds))
    return processors


class _Draw(LogitsProcessor):
    """Draws a token by an exponential race, as ``torch.multinomial`` does.

    A random number is drawn for every token. The token with the largest probability / number wins.
    With one seed two models see the same numbers, so their answers differ only where their
    probabilities do.
    """

    def __init__(self, seeds: Sequence[int]) -> None:
        self.rng = [torch.Generator().manual_seed(seed) for seed in seeds]

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:
        """``scores`` (rows x vocabulary) with all but the drawn token at minus infinity."""
        numbers = torch.empty(scores.shape, dtype=torch.float32)
        for row, rng in zip(numbers, self.rng, strict=True):
            row.exponential_(generator=rng)
        # log(p / number): the same order as p / number, without its underflow
        chosen = (scores.float() - numbers.log().to(scores.device)).argmax(-1, keepdim=True)
        rest = torch.full_like(scores, -torch.inf)
        return rest.scatter_(-1, chosen, 0.0)  # type: ignore[return-value]
