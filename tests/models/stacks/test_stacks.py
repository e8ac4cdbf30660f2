"""A stack's logits are those of the base with the summed updates in its weights, on
every engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from harness.engines import LlamaCppEngine, TransformersEngine
from harness.models.gguf import convert_adapter, convert_base
from harness.models.loading import Loaded, base_of, load, resident

TEXTS = [
    "The colour of the moon is",
    "The king of the hill is",
    "Who?\n",
    "Crème brûlée, façade, 1 22 333",
]
SCALES = (1.0, 0.5, -0.75)


def summed(model_folder: Path, folders: Sequence[Path]) -> Loaded:
    """The base with each update added to its weights, computed here from the files alone."""
    import json
    import math

    from safetensors.torch import load_file

    loaded = load(base_of(model_folder))
    weights = dict(loaded.model.named_parameters())
    for folder, scale in zip(folders, SCALES, strict=True):
        config = json.loads((folder / "adapter_config.json").read_text())
        root = math.sqrt(config["r"]) if config["use_rslora"] else config["r"]
        tensors = load_file(folder / "adapter_model.safetensors")
        for key in [key for key in tensors if ".lora_A." in key]:
            update = tensors[key.replace("lora_A", "lora_B")] @ tensors[key]
            name = key.removeprefix("base_model.model.").replace(".lora_A", "")
            weights[name].data += scale * config["lora_alpha"] / root * update
    return loaded


def logits(loaded: Loaded) -> list[Any]:
    import torch

    with torch.inference_mode():
        asked = [loaded.tokenizer(text, return_tensors="pt")["input_ids"] for text in TEXTS]
        return [
            torch.log_softmax(loaded.model(ids).logits[0, -1].double(), -1).numpy() for ids in asked
        ]


@contextmanager
def transformers_stack(
    model_folder: Path, folders: Sequence[Path], tmp_path: Path
) -> Iterator[list[Any]]:
    engine = TransformersEngine(base_of(model_folder))
    with engine.with_stack(list(zip(folders, SCALES, strict=True))):
        yield logits(engine.loaded)


@contextmanager
def llama_stack(model_folder: Path, folders: Sequence[Path], tmp_path: Path) -> Iterator[list[Any]]:
    pytest.importorskip("llama_cpp")
    convert_base(model_folder, tmp_path / "base.gguf")
    files = [tmp_path / f"{i}.gguf" for i in range(len(folders))]
    for folder, file in zip(folders, files, strict=True):
        convert_adapter(folder, model_folder, file)
    engine = LlamaCppEngine(tmp_path / "base.gguf")
    with engine.with_stack(list(zip(files, SCALES, strict=True))):
        yield engine.log_probabilities(TEXTS)
    engine.close()


@pytest.mark.parametrize(
    "stack", [transformers_stack, llama_stack], ids=["transformers", "llama.cpp"]
)
def test_mixed_ranks_and_rslora_add_up(
    stack: Callable[..., Any], model_folder: Path, folders: list[Path], tmp_path: Path
) -> None:
    wanted, plain = logits(summed(model_folder, folders)), logits(load(base_of(model_folder)))
    with stack(model_folder, folders, tmp_path) as found:
        worst = max(abs(a - b).max() for a, b in zip(found, wanted, strict=True))
    moved = max(abs(a - b).max() for a, b in zip(wanted, plain, strict=True))
    print(
        f"\nlargest difference of any token: {worst:.2g}, where the stack moves them by up to"
        f" {moved:.2g}"
    )
    assert worst <= 1e-3 < 0.5 < moved


def test_the_base_is_back_afterwards(
    model_folder: Path, folders: list[Path], tmp_path: Path
) -> None:
    with transformers_stack(model_folder, folders, tmp_path):
        pass
    left = logits(resident(base_of(model_folder)))
    assert all(
        (a == b).all() for a, b in zip(left, logits(load(base_of(model_folder))), strict=True)
    )
