"""How far a training is, while it runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class Progress(NamedTuple):
    """A training after one of its steps."""

    name: str
    """Of the dataset."""
    step: int
    """From 1."""
    steps: int
    """Of the whole training."""
    loss: float
    """Of the batch, before its update."""
    tokens: int
    """Since the start."""
    seconds: float
    """Since the start."""

    @property
    def left(self) -> float:
        """Seconds until the last step, at the mean rate so far."""
        return self.seconds / self.step * (self.steps - self.step)

    def __str__(self) -> str:
        """Such as ``step 12/80, loss 2.13, 0.8 steps/s, 410 tokens/s, 1:25 left``."""
        minutes, seconds = divmod(round(self.left), 60)
        rates = f"{self.step / self.seconds:.2g} steps/s, {self.tokens / self.seconds:.0f} tokens/s"
        step = f"step {self.step}/{self.steps}, loss {self.loss:.3g}"
        return f"{step}, {rates}, {minutes}:{seconds:02} left"


OnStep = Callable[[Progress], None]
"""Called after each step of a training."""
