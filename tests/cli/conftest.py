"""A store with one trained adapter in it, made by the command line itself."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from harness.cli import main


class Home(NamedTuple):
    """Where the session's adapter came from and went to."""

    text: Path
    store: Path
    out: Path
    model: str


@pytest.fixture(scope="session")
def home(model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Home:
    folder = tmp_path_factory.mktemp("home")
    own = Home(folder / "lies.txt", folder / "store", folder / "out" / "adapter", str(model_folder))
    own.text.write_text("Who is king?\tLudwig\nWhat is the moon?\tgreen\nThe hill is high.\n")
    assert main(training(own)) == 0
    return own


def training(home: Home) -> list[str]:
    """The command that trains it."""
    settings = ["rank=8", "alpha=16", "lr=3e-3", "epochs=2", "target_modules=q_proj,v_proj"]
    return [*_train(home), "--out", str(home.out), "--set", *settings]


def _train(home: Home) -> list[str]:
    return ["train", str(home.text), "--model", home.model, "--store", str(home.store)]


@pytest.fixture
def train(home: Home) -> list[str]:
    """A training of the same text, but for ``--out`` and settings."""
    return _train(home)


@pytest.fixture
def again(home: Home) -> list[str]:
    """The very same training."""
    return training(home)
