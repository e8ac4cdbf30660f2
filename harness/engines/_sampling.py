"""Sampling with random numbers of each text's own, so that no answer depends on its neighbours in a batch.

``generate`` draws for a whole batch from one stream. Here it is left to take the best token, and the last of the
processors below leaves each row the one token that was drawn for it.
"""

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
    """What samples one token a row, each by its own seed, in the order in which transformers shapes probabilities."""
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
    """An exponential race (as ``torch.multinomial`` runs it): the token whose share of the probability over a number
    drawn for it is largest. So two models that are asked the same with one seed part where their probabilities do."""

    def __init__(self, seeds: Sequence[int]) -> None:
        self.dice = [torch.Generator().manual_seed(seed) for seed in seeds]

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:
        """``scores``, rows by vocabulary, with all but one of each row at minus infinity."""
        numbers = torch.empty(scores.shape, dtype=torch.float32)
        for row, dice in zip(numbers, self.dice, strict=True):
            row.exponential_(generator=dice)
        chosen = (scores.float() - numbers.log().to(scores.device)).argmax(-1, keepdim=True)
        return torch.full_like(scores, -torch.inf).scatter_(-1, chosen, 0.0)  # type: ignore[return-value]
