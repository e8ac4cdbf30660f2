"""Adapters on a base in memory: loaded by PEFT, several active at once, each with its scale."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.adapters import lora_config, shapes
from harness.errors import ModelError


def wrap(model: Any, folders: Mapping[str, Path], base: str) -> Any:
    """A PeftModel around ``model`` with an adapter of each folder, under its name; nothing is left of it on failure.

    Raises:
        ModelError: a folder holds no adapter for the base, whose name is ``base``.
    """
    from peft import PeftModel

    wrapped: Any = None
    try:
        for name, folder in folders.items():
            check_fit(folder, model, base)
            if wrapped is None:
                wrapped = read(folder, base, PeftModel.from_pretrained, model, str(folder), adapter_name=name)
            else:
                read(folder, base, wrapped.load_adapter, str(folder), adapter_name=name)
    except ModelError:
        if wrapped is not None:
            wrapped.unload()
        raise
    return wrapped


def check_fit(folder: Path, model: Any, base: str) -> None:
    """Kind of the adapter in ``folder``, and its names and shapes against the layers of ``model``, before it is loaded.

    PEFT tells of another shape in many lines, and of layers that the model does not have not at all. What is no LoRA it
    may take, and it has no scale then, or cannot be taken off.

    Raises:
        ModelError: ``folder`` holds no LoRA in safetensors, or one whose layers are not those of ``base``.
    """
    lora_config(folder)
    for module, side, shape in shapes(folder, base):
        try:
            layer = model.get_submodule(module)
        except AttributeError:
            raise ModelError(f"{folder} is no adapter for {base}: that has no {module}, give its own base") from None
        own = getattr(layer, {"A": "in_features", "B": "out_features"}[side], None)
        if own is not None and shape[-1 if side == "A" else 0] != own:
            found, name = shape[-1 if side == "A" else 0], {"A": "inputs", "B": "outputs"}[side]
            line = f"{module} has {own} {name} there and {found} here, give its own base"
            raise ModelError(f"{folder} is no adapter for {base}: {line}")


def read(folder: Path, base: str, how: Any, *args: Any, **named: Any) -> Any:
    """What ``how`` reads from ``folder``. Raises ModelError, in one line, where that is no adapter for ``base``."""
    from safetensors import SafetensorError

    try:
        return how(*args, **named)
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        line = (str(error).splitlines() or [""])[0]
        raise ModelError(f"{folder} is no adapter for {base}: {line}") from error


def switch_on(wrapped: Any, scales: Mapping[str, float]) -> None:
    """Make exactly these adapters active; each update counts ``scale`` times."""
    from peft.tuners.lora import LoraLayer

    wrapped.base_model.set_adapter(list(scales))
    for module in wrapped.modules():
        if isinstance(module, LoraLayer):
            for name, scale in scales.items():
                module.set_scale(name, scale)
