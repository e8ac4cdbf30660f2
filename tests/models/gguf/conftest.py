"""Models of different shapes as transformers folders and as GGUF files, and random adapters for
them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.data.facts import World
from harness.engines._llamacpp import LlamaCppEngine
from harness.models.gguf import convert_adapter, convert_base
from harness.models.loading import SHIPPED, Loaded, base_of, load
from harness.pocket._card import cases
from tests.models.gguf.gguf_helpers import grouped, random_adapter


@pytest.fixture(scope="session")
def folders(model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {
        "pocket": SHIPPED,
        "tiny": model_folder,
        "grouped": grouped(model_folder, tmp_path_factory.mktemp("models") / "grouped"),
    }


@pytest.fixture(scope="session")
def files(folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    found = {name: tmp_path_factory.mktemp("gguf") / f"{name}.gguf" for name in folders}
    for name, folder in folders.items():
        convert_base(folder, found[name])
    return found


@pytest.fixture(scope="session")
def loaded(folders: dict[str, Path]) -> dict[str, Loaded]:
    return {name: load(base_of(folder)) for name, folder in folders.items()}


@pytest.fixture(scope="session")
def engines(files: dict[str, Path]) -> dict[str, LlamaCppEngine]:
    return {name: LlamaCppEngine(file) for name, file in files.items()}


@pytest.fixture(scope="session")
def prompts() -> list[str]:
    """Twelve questions of every ability."""
    return [prompt for asked in cases(World(), 15, seed=3).values() for prompt, _ in asked[:12]]


MakeAdapter = Callable[..., tuple[Path, Path]]


@pytest.fixture(scope="session")
def make_adapter(folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> MakeAdapter:
    """A function from a model's name, a seed and settings of LoraConfig to an adapter's folder and
    GGUF file."""

    def make(name: str, seed: int, **settings: Any) -> tuple[Path, Path]:
        folder = tmp_path_factory.mktemp(f"adapter-{name}")
        random_adapter(folders[name], folder, seed, **settings)
        convert_adapter(folder, folders[name], folder / "adapter.gguf")
        return folder, folder / "adapter.gguf"

    return make
