"""A base model as it was loaded: adapters come off it completely, and that is checked."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import torch
    from torch import nn

_PROBED = 8
"""Tokens of the row whose logits are compared."""


class _Place(NamedTuple):
    """The parts of one module."""

    module: nn.Module
    children: dict[str, nn.Module | None]
    parameters: dict[str, nn.Parameter | None]
    buffers: dict[str, torch.Tensor | None]
    hooks: tuple[dict[int, Any], dict[int, Any]]


class Pristine:
    """Structure, weights and behaviour of a base model when it was loaded.

    PEFT's ``unload`` leaves changes in the base: residuals of PiSSA and similar methods, trained
    copies of whole modules, biases (peft #850, #2184, #2270, #3455). So it is not used here: every
    module gets its own children, parameters and buffers back, and every parameter its memory.
    """

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._attributes = set(vars(model))
        self._places = [
            _Place(
                module,
                dict(module._modules),
                dict(module._parameters),
                dict(module._buffers),
                (dict(module._forward_hooks), dict(module._forward_pre_hooks)),
            )
            for module in model.modules()
        ]
        self._memory = [(p, p.data) for p in _plain_parameters(model)]
        self._saved: dict[nn.Parameter, torch.Tensor] = {}
        self._digests: dict[str, int] = {}
        self._logits: torch.Tensor | None = None
        self.changed = ""
        """The change that an adapter left behind; empty without one."""

    def prepare(self, names: Iterable[str]) -> None:
        """Remember the weights of the modules ``names`` and some logits, for ``difference``.

        The first call reads those weights once and runs two forward passes of a few tokens.
        """
        modules = dict(self._model.named_modules())
        for name in names:
            if name in modules and name not in self._digests:
                self._digests[name] = _digest(modules[name])
        if self._logits is None:
            _logits(self._model)  # some quantised layers arrange their weights at the first pass
            self._logits = _logits(self._model)

    def save(self, parameters: Iterable[nn.Parameter]) -> None:
        """Copy ``parameters`` before they are changed in place."""
        for parameter in parameters:
            if parameter not in self._saved:
                self._saved[parameter] = parameter.detach().clone()

    def restore(self) -> None:
        """Give the model its structure and weights back, without gradients, for evaluation."""
        import torch

        for place in self._places:
            _refill(place.module._modules, place.children)
            _refill(place.module._parameters, place.parameters)
            _refill(place.module._buffers, place.buffers)
            _refill(place.module._forward_hooks, place.hooks[0])
            _refill(place.module._forward_pre_hooks, place.hooks[1])
        for parameter, memory in self._memory:
            if parameter.data_ptr() != memory.data_ptr():
                parameter.data = memory
        with torch.no_grad():
            for parameter, copy in self._saved.items():
                parameter.copy_(copy)
        self._saved.clear()
        for name in set(vars(self._model)) - self._attributes:
            delattr(self._model, name)
        self._model.requires_grad_(False).eval()

    def difference(self) -> str:
        """The first difference from what ``prepare`` remembered; empty without one."""
        import torch

        modules = dict(self._model.named_modules())
        for name, digest in self._digests.items():
            if name not in modules or _digest(modules[name]) != digest:
                return f"the weights of {name}"
        try:
            if self._logits is None or torch.equal(_logits(self._model), self._logits):
                return ""
        except Exception as error:  # a broken quantised layer may raise anything
            return f"it computes nothing any more: {type(error).__name__}"
        return "its logits"


def _refill(target: dict[Any, Any], source: dict[Any, Any]) -> None:
    """Make ``target`` equal ``source``, in place: modules keep this very dictionary."""
    same = list(target) == list(source) and all(target[name] is source[name] for name in source)
    if not same:
        target.clear()
        target.update(source)


def _plain_parameters(model: nn.Module) -> list[nn.Parameter]:
    """Parameters outside quantisation libraries, which may move their own memory."""
    from torch.nn import Parameter

    return [p for p in model.parameters() if type(p) is Parameter and p.is_floating_point()]


def _digest(module: nn.Module) -> int:
    """A hash of the module's own weights and buffers.

    It stays the same when the numbers of a tensor only change places.
    """
    import torch

    total = 0
    for tensor in (*module._parameters.values(), *module._buffers.values()):
        if tensor is not None:
            total = hash((total, torch.hash_tensor(tensor.detach()).item()))
    return total


def _logits(model: Any) -> torch.Tensor:
    """The logits of fixed tokens, as bits, so that a NaN equals itself."""
    import torch

    vocabulary = int(model.config.get_text_config().vocab_size)
    ids = torch.arange(1, _PROBED + 1, device=model.device) * 7 % vocabulary
    with torch.inference_mode():
        logits = model(input_ids=ids[None], use_cache=False).logits
    bits: torch.Tensor = logits.float().clone().view(torch.int32)
    return bits
