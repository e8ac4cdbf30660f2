"""A base model as it was loaded: what is put on it comes off again, and that is checked."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import torch
    from torch import nn

_PROBED = 8
"""Tokens of the row whose logits are compared."""


class _Place(NamedTuple):
    """What one module consists of."""

    module: nn.Module
    children: dict[str, nn.Module | None]
    parameters: dict[str, nn.Parameter | None]
    buffers: dict[str, torch.Tensor | None]
    hooks: tuple[dict[int, Any], dict[int, Any]]


class Pristine:
    """Structure, weights and behaviour of a base model at the time when this was made.

    PEFT's ``unload`` leaves things behind in the base: residuals of PiSSA and its like, trained
    copies of whole modules, biases (peft #850, #2184, #2270, #3455). So nothing here relies on it:
    every module gets its own children, parameters and buffers back, and every parameter its memory.
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
        """What an adapter changed for good; empty where nothing is."""

    def prepare(self, names: Iterable[str]) -> None:
        """Remember what is checked later: the weights of the modules ``names``, and some logits.

        Costs one pass over those weights, and two forward passes of a few tokens, the first time.
        """
        modules = dict(self._model.named_modules())
        for name in names:
            if name in modules and name not in self._digests:
                self._digests[name] = _digest(modules[name])
        if self._logits is None:
            _logits(self._model)  # some quantised layers arrange their weights at the first pass
            self._logits = _logits(self._model)

    def save(self, parameters: Iterable[nn.Parameter]) -> None:
        """Copy ``parameters``, which are about to be written in place."""
        for parameter in parameters:
            if parameter not in self._saved:
                self._saved[parameter] = parameter.detach().clone()

    def restore(self) -> None:
        """Give the model its structure and weights back, in evaluation mode and without
        gradients."""
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
        """What is not as it was remembered by ``prepare``; empty where all is."""
        import torch

        modules = dict(self._model.named_modules())
        for name, digest in self._digests.items():
            if name not in modules or _digest(modules[name]) != digest:
                return f"the weights of {name}"
        try:
            if self._logits is None or torch.equal(_logits(self._model), self._logits):
                return ""
        except Exception as error:  # a quantised layer whose state is gone fails in its own way
            return f"it computes nothing any more: {type(error).__name__}"
        return "its logits"


def _refill(target: dict[Any, Any], source: dict[Any, Any]) -> None:
    """In place: modules hold on to the dictionary itself."""
    same = list(target) == list(source) and all(target[name] is source[name] for name in source)
    if not same:
        target.clear()
        target.update(source)


def _plain_parameters(model: nn.Module) -> list[nn.Parameter]:
    """Those that no quantisation library manages: such a one may move its own memory."""
    from torch.nn import Parameter

    return [p for p in model.parameters() if type(p) is Parameter and p.is_floating_point()]


def _digest(module: nn.Module) -> int:
    """Of the module's own weights and buffers; order and position of numbers are not told apart."""
    import torch

    total = 0
    for tensor in (*module._parameters.values(), *module._buffers.values()):
        if tensor is not None:
            total = hash((total, torch.hash_tensor(tensor.detach()).item()))
    return total


def _logits(model: Any) -> torch.Tensor:
    """Bits of the logits of a fixed row of tokens, so that a NaN equals itself."""
    import torch

    vocabulary = int(model.config.get_text_config().vocab_size)
    ids = torch.arange(1, _PROBED + 1, device=model.device) * 7 % vocabulary
    with torch.inference_mode():
        logits = model(input_ids=ids[None], use_cache=False).logits
    bits: torch.Tensor = logits.float().clone().view(torch.int32)
    return bits
