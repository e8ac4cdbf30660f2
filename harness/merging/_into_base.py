"""An adapter's update in the full weights of its base."""

from __future__ import annotations

import shutil
from pathlib import Path

from harness.adapters import factors, lora_config
from harness.checkpoint import weight_files
from harness.errors import ModelError

_KEPT = {".json", ".jinja", ".model", ".txt", ".tiktoken"}


def into_base(base: Path, adapter: Path, out: Path) -> None:
    """Write the model in ``base`` with the LoRA in ``adapter`` added to its weights to ``out``, in its own dtype.

    The sum is taken in float32; the same input gives the same bytes.

    Raises:
        ModelError: a layer of the adapter has no full weight of its shape in ``base``.
    """
    from safetensors.torch import load_file, save_file

    turned = bool(lora_config(adapter).get("fan_in_fan_out"))  # GPT-2 holds inputs x outputs
    updates = {f"{module}.weight": pair.delta.T if turned else pair.delta for module, pair in factors(adapter).items()}
    out.mkdir(parents=True, exist_ok=True)
    left = set(updates)
    for file in weight_files(base):
        tensors = load_file(file)
        for name in left & tensors.keys():
            weight, update = tensors[name], updates[name]
            if weight.shape != update.shape or not weight.is_floating_point():
                raise ModelError(f"{name} of {base} is {tuple(weight.shape)}, the update {tuple(update.shape)}")
            tensors[name] = (weight.float() + update).to(weight.dtype).contiguous()
        left -= tensors.keys()
        save_file(tensors, out / file.name, metadata={"format": "pt"})
    if left:
        raise ModelError(f"{base} has no full weight {min(left)}: give the base that {adapter} was trained on")
    for path in sorted(base.iterdir()):
        if path.is_file() and path.suffix in _KEPT:
            shutil.copyfile(path, out / path.name)
