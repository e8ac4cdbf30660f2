"""The mean of two models, one trained on from the other (Wortsman et al. 2022, robust fine-tuning: WiSE-FT).

It keeps what the earlier one knew better and most of what the later one learnt: facts, and reading and judging.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from harness.errors import ModelError


def average(earlier: Path, later: Path, share: float, out: Path) -> None:
    """``share`` of ``later`` and the rest of ``earlier``, in the dtype of ``later``; all other files are those of it.

    Raises:
        ModelError: the two differ in shape, or ``share`` is not within 0 and 1.
    """
    from safetensors.torch import load_file, save_file

    if not 0 <= share <= 1:
        raise ModelError(f"share is {share}: it must be at least 0 and at most 1")
    name = "model.safetensors"
    old, new = load_file(earlier / name), load_file(later / name)
    if {key: value.shape for key, value in old.items()} != {key: value.shape for key, value in new.items()}:
        raise ModelError(f"{earlier} and {later} differ in shape: average a model with one trained on from it")
    out.mkdir(parents=True, exist_ok=True)
    for path in later.iterdir():
        if path.is_file() and path.name not in (name, "README.md"):
            shutil.copyfile(path, out / path.name)
    mixed = {key: old[key].float().lerp(new[key].float(), share).to(new[key].dtype) for key in new}
    save_file(mixed, out / name, metadata={"format": "pt"})
