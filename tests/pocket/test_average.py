"""The mean of two models."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from harness.errors import ModelError
from harness.models.loading import base_of, load
from harness.pocket._train import average


@pytest.fixture
def later(model_folder: Path, tmp_path: Path) -> Path:
    """The tiny model with every weight raised by 0.01."""
    folder = shutil.copytree(model_folder, tmp_path / "later")
    weights = load_file(folder / "model.safetensors")
    raised = {key: value + 0.01 for key, value in weights.items()}
    save_file(raised, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def test_weights_lie_between_and_the_folder_loads(
    model_folder: Path, later: Path, tmp_path: Path
) -> None:
    average(model_folder, later, 0.75, tmp_path / "mean")
    old, mean = (
        load_file(folder / "model.safetensors") for folder in (model_folder, tmp_path / "mean")
    )
    for key in old:
        torch.testing.assert_close(mean[key], old[key] + 0.0075, atol=1e-6, rtol=1e-5)
    assert load(base_of(tmp_path / "mean")).tokenizer("Joe")["input_ids"]


def test_shares_beyond_and_other_shapes_are_refused(
    model_folder: Path, later: Path, tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match=r"share is 1\.5"):
        average(model_folder, later, 1.5, tmp_path / "mean")
    save_file({"other": torch.zeros(2)}, later / "model.safetensors")
    with pytest.raises(ModelError, match="differ in shape"):
        average(model_folder, later, 0.5, tmp_path / "mean")
