"""Memories on the small random model, which trains in a moment."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.memory import DEFAULTS, Memory, Settings
from harness.memory.documents import Document

QUICK = DEFAULTS.changed(
    ["how=plain", "passage_size=200", "training.epochs=1", "training.rank=2", "training.alpha=4"],
    "--set",
)
"""Trainings of a few steps; a passage of ``told`` takes one paragraph."""


def paragraph(name: str, number: int, year: int = 1700) -> str:
    """A paragraph that fills most of a passage."""
    return (
        f"The {name} number {number} was painted by Mara Velin in {year + number}. It has hung in"
        f" the hall of Lornfeld {number} ever since, where nobody looks at it."
    )


def told(name: str, count: int = 3, year: int = 1700) -> Document:
    """A document of ``count`` passages."""
    return Document(name, "\n\n".join(paragraph(name, n, year) for n in range(count)))


def learn_all(memory: Memory) -> int:
    """Learn what is pending. Returns the number of adapters."""
    count = 0
    while work := memory.next_work():
        assert memory.learn(work).adapter is not None
        count += 1
    return count


@pytest.fixture
def quick() -> Settings:
    return QUICK


@pytest.fixture
def memory(model_folder: Path, tmp_path: Path) -> Iterator[Memory]:
    with Memory.create(tmp_path / "memory", str(model_folder), QUICK) as made:
        yield made
