"""Context distillation: what the base says about completions when it reads their contexts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from itertools import islice
from typing import TYPE_CHECKING

from harness.errors import DataError
from harness.models.loading import Loaded
from harness.training._adapted import bare
from harness.training._batches import (
    Taught,
    Tensors,
    keeps_apart,
    logits_of,
    shares_starts,
    tensors,
)
from harness.training._windows import Reading, Window

if TYPE_CHECKING:
    import torch
    from peft import PeftModel

_KEPT_BYTES = 2**30
"""Of log-probabilities. Beyond that, those of a token are computed again in each epoch."""
_AT_ONCE = 16
"""Readings in one forward pass."""


class Teacher:
    """The base without its adapter, which reads a context before each prompt.

    Its log-probabilities do not change during a training, so they are computed once, before it.
    Samples with one context are read together: where the model allows it, the context stands in a
    row only once.

    Raises:
        DataError: a context with its prompt and completion is longer than the model's context.
    """

    def __init__(
        self,
        model: PeftModel,
        loaded: Loaded,
        weight: float,
        text: Sequence[Window],
        autocast: AbstractContextManager[object],
    ) -> None:
        self._model = model
        self._loaded = loaded
        self._weight = weight
        self._autocast = autocast
        self._kept: dict[Reading, torch.Tensor] = {}
        readings = sorted({window.reading for window in text if window.reading})
        self._check_lengths(readings)
        longest = max((len(reading.ids) for reading in readings), default=0)
        self._packed = keeps_apart(loaded)
        self._shared = shares_starts(loaded, longest)
        self._keep(readings)

    def _check_lengths(self, readings: Sequence[Reading]) -> None:
        for reading in readings:
            if len(reading.ids) > self._loaded.context:
                raise DataError(
                    f"a sample with its context has {len(reading.ids)} tokens, and"
                    f" {self._loaded.base.name} takes at most {self._loaded.context}: give shorter"
                    " contexts"
                )

    def _keep(self, readings: Sequence[Reading]) -> None:
        """Compute and keep what ``_KEPT_BYTES`` hold of ``readings``."""
        room = _KEPT_BYTES // (4 * len(self._loaded.tokenizer))
        fitting: list[Reading] = []
        for reading in readings:
            room -= reading.taught
            if room < 0:
                break
            fitting.append(reading)
        self._kept.update(self._read(fitting))

    def teach(self, micro: Tensors) -> Tensors:
        """``micro`` with what the teacher says about it."""
        import torch

        flat = 0
        indices: list[int] = []
        readings: list[Reading] = []
        for window in micro.windows:
            flat += len(window.learnt)
            if window.reading:
                indices += range(flat - window.reading.taught, flat)
                readings.append(window.reading)
        if not readings:
            return micro
        more = dict(self._read([each for each in readings if each not in self._kept]))
        logs = [self._kept[each] if each in self._kept else more[each] for each in readings]
        at = torch.tensor(indices, device=self._loaded.device)
        return micro._replace(taught=Taught(at, torch.cat(logs), self._weight))

    def _read(self, readings: Iterable[Reading]) -> Iterator[tuple[Reading, torch.Tensor]]:
        """Each of ``readings`` with float32 log-probabilities, taught tokens x vocabulary."""
        import torch

        rest = iter(readings)
        training = self._model.training
        self._model.eval()
        while some := list(islice(rest, _AT_ONCE)):
            windows = [Window(each.ids, each.start, reading=each) for each in some]
            pad = self._loaded.tokenizer.pad_token_id or 0
            micro = tensors(windows, pad, self._loaded.device, self._packed, self._shared)
            with torch.no_grad(), self._autocast, bare(self._model):
                logs = logits_of(self._model, micro).log_softmax(-1)
            left = 0
            for reading in (window.reading for window in micro.windows if window.reading):
                # a copy, as a view would keep the whole batch in memory
                yield reading, logs[left : left + reading.taught].clone()
                left += reading.taught
        self._model.train(training)
