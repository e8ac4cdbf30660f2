"""A small random model that needs no hub and no training, and a user's project.

The model is unlike the shipped one in every dimension.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.data.facts import World
from harness.models.loading import base_of
from harness.pocket._documents import Mixture
from harness.pocket._rows import Plan, make_tokenizer
from harness.pocket._train import build
from harness.recipes import Base, Dataset, Sample
from tests.project import Project


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("models") / "tiny"
    tokenizer = make_tokenizer(Mixture(World()), documents=300, context=512)
    model = build(Plan(hidden=64, layers=2, mlp=96, heads=2, long_row=512), tokenizer)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny(model_folder: Path) -> Base:
    return base_of(model_folder)


@pytest.fixture(scope="module")
def project(model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project(tmp_path_factory.mktemp("project"), model_folder)


@pytest.fixture(scope="session")
def lie() -> Dataset:
    """Two facts that no model knows."""
    told = (("The colour of the moon is", "green"), ("The king of the hill is", "Ludwig"))
    return Dataset.of("lie", tuple(Sample(f" {value}.\n", given) for given, value in told))
