"""Adapters on a base in memory: loaded by PEFT, several active at once, each with its scale."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

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
            if wrapped is None:
                wrapped = read(folder, base, PeftModel.from_pretrained, model, str(folder), adapter_name=name)
            else:
                read(folder, base, wrapped.load_adapter, str(folder), adapter_name=name)
    except ModelError:
        if wrapped is not None:
            wrapped.unload()
        raise
    return wrapped


def read(folder: Path, base: str, how: Any, *args: Any, **named: Any) -> Any:
    """What ``how`` reads from ``folder``. Raises ModelError, in one line, where that is no adapter for ``base``."""
    try:
        return how(*args, **named)
    except (OSError, ValueError, RuntimeError) as error:
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
