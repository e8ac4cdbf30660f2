"""What the frozen base computes of a window: computed once a training, as it never changes.

Two things are kept. The states that enter the first adapted layer save the layers below it in each
further pass. The states that enter the head, at replayed positions, save the whole pass of the base
that KL compares with: the head makes the same logits of them, and they are a hundredth of the size
of log-probabilities.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from harness.models.loading import Loaded
from harness.training._adapted import bare
from harness.training._batches import Tensors, logits_of
from harness.training._windows import Window

if TYPE_CHECKING:
    import torch
    from peft import PeftModel

_BLOCK = 64
"""Windows that are computed at once."""
_MEMORY = 2**30
"""Most bytes of states that are kept for a training."""
_TOLERATED = 1e-3
"""Difference of logits, as a share of the largest, up to which two ways give the same."""


class States(NamedTuple):
    """Of one window."""

    below: torch.Tensor | None
    """tokens x hidden: what enters the first adapted layer."""
    last: torch.Tensor | None
    """loss-bearing positions x hidden: what enters the head; of replayed windows alone."""


class Frozen:
    """States of the windows of one training, computed in blocks when they are first needed.

    Blocks follow the order in which a training first uses its windows. So a training that goes on
    from a checkpoint computes the same blocks as one that was not broken, and the same last bits.
    """

    def __init__(
        self,
        model: PeftModel,
        loaded: Loaded,
        used: Iterable[Window],
        first: int,
        kl: bool,
        make: Callable[[Sequence[Window]], list[Tensors]],
    ) -> None:
        """``used``: all windows, in the order of their use; ``first``: the first adapted layer.

        ``kl``: whether the base's logits on replayed windows are needed. ``make`` makes
        micro-batches of windows.
        """
        from peft.tuners.lora import LoraLayer

        self._model = model
        self._make = make
        self._head: Any = model.get_output_embeddings()
        self._layers = _decoder_layers(loaded)
        self._first = first
        windows = list(dict.fromkeys(used))
        self._block_of: dict[Window, list[Window]] = {}
        for replay in (False, True):  # apart, as the base reads only replayed windows to the end
            for block in _blocks(w for w in windows if w.replay == replay):
                self._block_of |= dict.fromkeys(block, block)
        self._states: dict[Window, States] = {}
        hidden = int(loaded.model.config.get_text_config().hidden_size)
        size = 4 * hidden
        last = size * sum(len(w.learnt) for w in windows if w.replay)
        below = size * sum(len(w.ids) for w in windows)
        replayed = kl and any(w.replay for w in windows)
        self.keeps_last = replayed and last <= _MEMORY and not isinstance(self._head, LoraLayer)
        fits = below + last * self.keeps_last <= _MEMORY
        self.keeps_below = first > 0 and fits and bool(self._layers) and not _drops(loaded)
        if windows and (self.keeps_last or self.keeps_below):
            self._check([*islice((w for w in windows if w.replay), 2), *windows[:2]])

    @contextmanager
    def lower_layers(self, micro: Tensors) -> Iterator[None]:
        """Within this block the layers below the first adapted one are not computed again."""
        if not self.keeps_below:
            yield
            return
        with self._replaced(self._below(micro)):
            yield

    def log_probabilities(self, micro: Tensors) -> torch.Tensor:
        """Of the base on the replayed windows of ``micro``: float32, flat x vocabulary."""
        import torch

        with torch.no_grad():
            if self.keeps_last:
                states = [self._of(w).last for w in micro.windows if w.replay]
                logits = self._head(torch.cat([s for s in states if s is not None])).float()
            else:
                replayed = micro.replayed()
                with bare(self._model), self.lower_layers(replayed):
                    logits = logits_of(self._model, replayed)
            return torch.log_softmax(logits, -1)

    def _of(self, window: Window) -> States:
        if window not in self._states:
            self._compute(self._block_of[window])
        return self._states[window]

    def _compute(self, block: list[Window]) -> None:
        for micro in self._make(block):
            below, last, _ = self._pass(micro, whole=self.keeps_last and block[0].replay)
            counts = [len(w.learnt) for w in micro.windows]
            lasts = last.split(counts) if last is not None else [None] * len(counts)
            belows = _of_windows(micro, below) if self.keeps_below else [None] * len(counts)
            self._states |= {
                window: States(*states)
                for window, *states in zip(micro.windows, belows, lasts, strict=True)
            }

    def _pass(self, micro: Tensors, whole: bool) -> tuple[Any, torch.Tensor | None, torch.Tensor]:
        """One pass of the base: states below, states before the head, logits.

        Without ``whole`` it ends below the first adapted layer: the others pass their input on.
        """
        import torch

        kept: dict[str, Any] = {}
        hooks = []
        if self.keeps_below:
            hooks.append(
                self._layers[self._first].register_forward_pre_hook(
                    lambda _, args, kwargs: kept.update(below=_hidden(args, kwargs)),
                    with_kwargs=True,
                )
            )
        if whole:
            # The head is called on the selected positions: see ``logits_of``.
            hooks.append(
                self._head.register_forward_hook(lambda _, args, out: kept.update(last=args[0]))
            )
        training = self._model.training
        self._model.eval()
        try:
            with torch.no_grad(), bare(self._model):
                if whole:
                    logits = logits_of(self._model, micro)
                else:
                    with self._passed_on(range(self._first, len(self._layers))):
                        logits = logits_of(self._model, micro._replace(indices=micro.indices[:1]))
        finally:
            self._model.train(training)
            for hook in hooks:
                hook.remove()
        last = kept.get("last")
        return kept.get("below"), None if last is None else last.reshape(-1, last.shape[-1]), logits

    def _below(self, micro: Tensors) -> torch.Tensor:
        """rows x tokens x hidden: what enters the first adapted layer; 0 on padding."""
        import torch

        width = micro.ids.shape[1]
        pieces: list[Any] = []
        for row in micro.rows:
            left = micro.shared
            for number, window in enumerate(row):
                below: Any = self._of(window).below
                pieces.append(below if not number else below[micro.shared :])
                left += len(window.ids) - micro.shared
            pieces.append(pieces[-1].new_zeros(width - left, pieces[-1].shape[-1]))
        return torch.cat(pieces).view(len(micro.rows), width, -1)

    @contextmanager
    def _replaced(self, states: torch.Tensor) -> Iterator[None]:
        """The first adapted layer gets ``states``."""

        def replace(layer: Any, args: Any, kwargs: Any) -> tuple[Any, Any]:
            if args:
                return (states, *args[1:]), kwargs
            return args, {**kwargs, "hidden_states": states}

        hook = self._layers[self._first].register_forward_pre_hook(replace, with_kwargs=True)
        try:
            with self._passed_on(range(self._first)):
                yield
        finally:
            hook.remove()

    @contextmanager
    def _passed_on(self, numbers: Iterable[int]) -> Iterator[None]:
        """The layers with these numbers give their input as it is."""
        layers = [self._layers[number] for number in numbers]
        try:
            for layer in layers:
                layer.forward = lambda *args, **kwargs: _hidden(args, kwargs)
            yield
        finally:
            for layer in layers:
                del layer.forward

    def _check(self, windows: Sequence[Window]) -> None:
        """Keep only what gives the logits of a whole pass; not every model is built alike."""
        import torch

        for micro in self._make(list(dict.fromkeys(windows))):
            try:
                below, last, logits = self._pass(micro, whole=True)
                if self.keeps_last:
                    with torch.no_grad():
                        self.keeps_last = last is not None and _alike(self._head(last), logits)
                if self.keeps_below:
                    with torch.no_grad(), bare(self._model), self._replaced(below):
                        self.keeps_below = _alike(logits_of(self._model, micro), logits)
            except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError):
                self.keeps_last = self.keeps_below = False  # layers that are called otherwise


def _decoder_layers(loaded: Loaded) -> Any:
    """The decoder layers of the model; empty where they cannot be told from other lists."""
    from torch.nn import ModuleList

    count = int(loaded.model.config.get_text_config().num_hidden_layers)
    lists = [m for m in loaded.model.modules() if isinstance(m, ModuleList) and len(m) == count]
    return lists[0] if len(lists) == 1 else []


def _drops(loaded: Loaded) -> bool:
    """Whether the base has dropout of its own, so that no two passes of a training are alike."""
    from torch.nn import Dropout

    config = loaded.model.config.get_text_config()
    layers = (
        module.p
        for name, module in loaded.model.named_modules()
        if isinstance(module, Dropout) and "lora_dropout" not in name
    )
    return any(layers) or bool(getattr(config, "attention_dropout", 0.0))


def _blocks(windows: Iterable[Window]) -> Iterator[list[Window]]:
    rest = iter(windows)
    while block := list(islice(rest, _BLOCK)):
        yield block


def _hidden(args: Any, kwargs: Any) -> Any:
    return args[0] if args else kwargs["hidden_states"]


def _of_windows(micro: Tensors, states: torch.Tensor) -> list[Any]:
    """Of each window its tokens' share of ``states`` (rows x tokens x hidden)."""
    import torch

    found: list[Any] = []
    for row, values in zip(micro.rows, states, strict=True):
        start, left = values[: micro.shared], micro.shared
        for window in row:
            right = left + len(window.ids) - micro.shared
            found.append(torch.cat([start, values[left:right]]))  # a copy: the rows are not kept
            left = right
    return found


def _alike(one: torch.Tensor, other: torch.Tensor) -> bool:
    one, other = one.float().reshape(other.shape), other.float()
    return bool((one - other).abs().max() <= _TOLERATED * other.abs().max())
