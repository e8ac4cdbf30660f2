"""Whether a training made the model worse, or its text is merely improbable."""

from __future__ import annotations

import math
from collections.abc import Callable

PATIENCE = 3
"""Steps in a row that must be beyond the bound: a spike that the training recovers from is none."""


class Divergence:
    """Judges each loss against what the model said before training.

    A loss is beyond the bound where it exceeds twice that of guessing, 2 ln(vocabulary), and is
    also worse by half that of guessing, ln(vocabulary) / 2, than both the first loss and the loss
    of the bare base on the same batch. So neither improbable text nor a hard batch late in a
    healthy training counts as divergence. The base is asked only where the rest already holds.
    """

    def __init__(self, vocabulary: int) -> None:
        self._guessing = math.log(vocabulary)
        self._first = math.nan
        self._beyond = 0

    def found(self, loss: float, bare: Callable[[], float]) -> bool:
        """Whether the training has diverged at a step of ``loss`` (mean over its tokens, in nats).

        ``bare`` gives the loss of the bare base on the same batch.
        """
        if math.isnan(self._first):
            self._first = loss
        self._beyond = self._beyond + 1 if self.beyond(loss, bare) else 0
        return self._beyond >= PATIENCE or not math.isfinite(loss)

    def beyond(self, loss: float, bare: Callable[[], float]) -> bool:
        """Whether ``loss`` alone is worse than anything the text explains."""
        if not math.isfinite(loss):
            return True
        excess = loss - self._guessing / 2
        return loss > 2 * self._guessing and excess > self._first and excess > bare()
