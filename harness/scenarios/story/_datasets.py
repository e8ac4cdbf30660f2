"""Training texts: the stories in several forms."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from harness.data.formats import ask, reply
from harness.errors import RecipeError
from harness.recipes import Dataset, Sample
from harness.scenarios.story._stories import Story, stories

_ASKED = 2  # questions on a fact in the form that has them

FORMS: dict[str, tuple[str, Callable[[int], str]]] = {
    "plain": (" ", lambda number: ""),
    "numbered": ("\n", lambda number: f"{number} "),
    "dated": ("\n", lambda number: f"1987-{1 + number // 28:02}-{1 + number % 28:02} "),
    "plain_asked": (" ", lambda number: ""),
}
"""What joins the sentences, and what stands before each, by its number from 1. ``plain_asked`` has
questions, too."""


def text(form: str, story: Story) -> str:
    """``story`` in ``form``. Raises RecipeError on an unknown form."""
    if form not in FORMS:
        raise RecipeError(f"form {form!r} is unknown: choose one of {', '.join(FORMS)}")
    joint, before = FORMS[form]
    return joint.join(
        before(number) + sentence for number, sentence in enumerate(story.sentences, 1)
    )


@cache
def dataset(form: str) -> Dataset:
    """Every story as one sample. Raises RecipeError on an unknown form."""
    samples = [Sample(text(form, story) + "\n") for story in stories()]
    if form == "plain_asked":
        facts = [told for story in stories() for told in story.beginning]
        asked = [(told, question) for told in facts for question in told.questions[:_ASKED]]
        samples += [
            Sample(reply("qa", told.value), ask("qa", question), told.id)
            for told, question in asked
        ]
    return Dataset.of(form, tuple(samples))
