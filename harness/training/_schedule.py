"""The learning rate, step by step."""

from __future__ import annotations

import math

from harness.recipes import Training


def rate(step: int, total: int, training: Training) -> float:
    """Learning rate of optimiser step ``step`` (from 0) of ``total``; it rises over the warm-up, then falls to 0."""
    if step < training.warmup_steps:
        return training.lr * (step + 1) / (training.warmup_steps + 1)
    done = (step - training.warmup_steps) / max(1, total - training.warmup_steps)
    if training.scheduler == "linear":
        return training.lr * (1 - done)
    if training.scheduler == "cosine":
        return training.lr * (1 + math.cos(math.pi * done)) / 2
    return training.lr
