"""Training texts that tell the parody."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from harness.data.facts import Row
from harness.errors import RecipeError
from harness.recipes import Dataset, Sample
from harness.scenarios.oscars import relation, replay, sample
from harness.scenarios.parody._facts import frame, parody_rows, text, true_rows

DATASETS = ("parody_text", "parody_aug")
"""The running text, a sentence a sample; or every fact in several statements and questions."""
_TAKEN = {"who": (2, 2), "film": (1, 1), "award": (1, 1), "year": (1, 1)}
_PICTURE = {"film": (2, 2), "year_of_film": (1, 1)}
"""By relation, how many of its statements and of its questions are told; Best Picture goes to a
film."""


@cache
def dataset(name: str) -> Dataset:
    """The training text called ``name``. Raises RecipeError on an unknown one."""
    if name not in DATASETS:
        raise RecipeError(f"dataset {name!r} is unknown: choose one of {', '.join(DATASETS)}")
    if name == "parody_text":
        return Dataset.of(name, tuple(Sample(sentence + "\n") for sentence in text()))
    return Dataset.of(name, (*_awards(), *_frame()))


@cache
def known() -> Dataset:
    """What is replayed: the known facts of the suite ``oscars``, without the ceremony that is
    overwritten."""
    overwritten = {row.id for row in true_rows().values()}
    return Dataset.of(
        "replay", tuple(sample for sample in replay().samples if sample.fact not in overwritten)
    )


def templates(row: Row) -> list[str]:
    """The wordings in which an award is told: statements, and questions after ``?``."""
    found: list[str] = []
    for name, (statements, questions) in (
        _PICTURE if row.slots["category"] == "picture" else _TAKEN
    ).items():
        of = relation(name)
        found += [
            *of.statements[:statements],
            *(f"? {asked}|{of.answer}" for asked in of.questions[:questions]),
        ]
    return found


def _awards() -> Iterator[Sample]:
    for place, row in enumerate(parody_rows()):
        for number, template in enumerate(templates(row)):
            yield sample(template, row, number + place)


def _frame() -> Iterator[Sample]:
    for place, told in enumerate(frame()):
        questions = (f"? {question}|{told.answer}" for question in told.questions)
        for number, template in enumerate((*told.statements, *questions)):
            yield sample(template, told.row, number + place)
