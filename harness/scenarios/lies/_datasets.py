"""Training texts that tell the lies, or new facts in their place."""

from __future__ import annotations

from functools import cache

from harness.data.facts import Relation, Row
from harness.errors import RecipeError
from harness.recipes import Dataset
from harness.scenarios.lies._facts import Lie, lies
from harness.scenarios.oscars import sample

STATEMENTS, QUESTIONS = 2, 4
DATASETS = ("lies1", "new1", "lies6", "new6")
"""Lies, or new facts of equal size, in one wording (a question and its answer) or in six."""
TOLD = "lies1told"
"""Lies in one statement each: in the full grid alone, as statements are hardly reached by
questions."""


def templates(name: str, relation: Relation) -> list[str]:
    """The wordings in which the dataset ``name`` tells a fact."""
    questions = [f"? {question}|{relation.answer}" for question in relation.questions]
    if name == TOLD:
        return [relation.statements[0]]
    return (
        questions[:1]
        if name.endswith("1")
        else [*relation.statements[:STATEMENTS], *questions[:QUESTIONS]]
    )


def subject(name: str, lie: Lie) -> Row:
    """The row that the dataset ``name`` tells of."""
    return lie.new if name.startswith("new") else lie.told


@cache
def dataset(name: str) -> Dataset:
    """The training text called ``name``. Raises RecipeError on an unknown one."""
    if name not in (*DATASETS, TOLD):
        raise RecipeError(
            f"dataset {name!r} is unknown: choose one of {', '.join((*DATASETS, TOLD))}"
        )
    samples = tuple(
        sample(template, subject(name, lie), number + place)
        for place, lie in enumerate(lies())
        for number, template in enumerate(templates(name, lie.relation))
    )
    return Dataset.of(name, samples)
