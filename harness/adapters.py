"""LoRA adapters as files: the factors of each adapted layer, with PEFT's scaling."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from harness.errors import ModelError

if TYPE_CHECKING:
    import torch

WEIGHTS = "adapter_model.safetensors"
CONFIG = "adapter_config.json"
_KEY = re.compile(r"base_model\.model\.(?P<module>.+)\.lora_(?P<side>[AB])\.weight")


class Factors(NamedTuple):
    """The update of one layer is ``up @ down``, scaling and all."""

    down: torch.Tensor
    """float32, rank x inputs."""
    up: torch.Tensor
    """float32, outputs x rank."""

    @property
    def delta(self) -> torch.Tensor:
        """float32, outputs x inputs."""
        return self.up @ self.down


def scaling(config: Mapping[str, Any], module: str, rank: int) -> float:
    """PEFT's factor on B @ A of ``module``: alpha / rank, or alpha / sqrt(rank) with rsLoRA, by module where patterns
    say so."""
    from peft.utils.other import get_pattern_key

    patterns = config.get("alpha_pattern") or {}
    alpha = float(patterns.get(get_pattern_key(list(patterns), module), config.get("lora_alpha") or 0))
    return alpha / math.sqrt(rank) if config.get("use_rslora") else alpha / rank


def lora_config(folder: Path) -> dict[str, Any]:
    """What adapter_config.json in ``folder`` says. Raises ModelError where that cannot be read, or is not of a LoRA."""
    try:
        found = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{folder} holds no adapter: {CONFIG} cannot be read ({error})") from error
    kind = found.get("peft_type") if isinstance(found, dict) else None
    if kind != "LORA":
        raise ModelError(f"{folder} is {kind}, not LORA: give a LoRA that PEFT saved")
    return dict(found)


def factors(folder: Path) -> dict[str, Factors]:
    """By module. Raises ModelError where ``folder`` holds no LoRA of linear layers in safetensors."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    config = lora_config(folder)
    try:
        tensors = load_file(folder / WEIGHTS)
    except (OSError, ValueError, SafetensorError) as error:
        raise ModelError(f"{folder} holds no adapter: {WEIGHTS} cannot be read ({error})") from error
    sides: dict[str, dict[str, Any]] = {}
    for key, tensor in tensors.items():
        match = _KEY.fullmatch(key)
        if match is None:
            raise ModelError(f"tensor {key} of {folder} is no LoRA of a linear layer: merge plain LoRA adapters")
        sides.setdefault(match["module"], {})[match["side"]] = tensor.float()
    return {
        module: Factors(side["A"], side["B"] * scaling(config, module, len(side["A"])))
        for module, side in sides.items()
    }


def shapes(folder: Path, base: str) -> Iterator[tuple[str, str, tuple[int, ...]]]:
    """Module, side (``A`` or ``B``) and shape of each LoRA tensor, from the header alone. Raises ModelError."""
    from safetensors import SafetensorError, safe_open

    try:
        opened: Any = safe_open(folder / WEIGHTS, framework="pt")
    except (OSError, SafetensorError) as error:
        line = (str(error).splitlines() or [type(error).__name__])[0]
        raise ModelError(f"{folder} is no adapter for {base}: {WEIGHTS} cannot be read ({line})") from error
    with opened as tensors:
        for key in tensors.keys():  # noqa: SIM118  # it is no dictionary
            if match := _KEY.fullmatch(key):
                yield match["module"], match["side"], tuple(tensors.get_slice(key).get_shape())


def write(folder: Path, config: Mapping[str, Any], layers: Mapping[str, Factors]) -> None:
    """A PEFT adapter of ``layers``, all of one rank, in ``folder``; what else ``config`` says is kept."""
    from safetensors.torch import save_file

    rank = len(next(iter(layers.values())).down)
    plain = {"rank_pattern": {}, "alpha_pattern": {}, "use_rslora": False, "r": rank, "lora_alpha": rank}
    targets = {"target_modules": sorted(layers), "layers_to_transform": None, "layers_pattern": None}
    kept = {**config, **plain, **targets, "init_lora_weights": True}
    (folder / CONFIG).write_text(json.dumps(kept, indent=1, sort_keys=True), encoding="utf-8")
    tensors = {
        f"base_model.model.{module}.lora_{side}.weight": tensor.contiguous()
        for module, pair in layers.items()
        for side, tensor in (("A", pair.down), ("B", pair.up))
    }
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})
