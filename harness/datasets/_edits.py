"""What the published collections of edits have in common."""

from __future__ import annotations

from typing import NamedTuple

EFFICACY, PARAPHRASE, NEIGHBOURHOOD = "efficacy", "paraphrase", "neighbourhood"
PORTABILITY, LOCALITY = "portability", "locality"
"""Aspects; of the last two there are several, such as ``portability_reasoning``."""


class Question(NamedTuple):
    """A prompt that is gone on with, and what is right after the edit."""

    aspect: str
    prompt: str
    accepted: tuple[str, ...]
    """The first is the one that the published figure scores."""
    rival: str = ""
    """What must be less probable than the first accepted answer. Empty where the figure counts right tokens instead."""


class Edit(NamedTuple):
    """One fact to be put into a model, and what is asked about it."""

    where: str
    """File and place of the record, for messages."""
    fact: str
    """Unique in its file."""
    prompt: str
    answer: str
    """What goes on from ``prompt`` after the edit."""
    questions: tuple[Question, ...]
    """The first is the edit itself, for efficacy."""
