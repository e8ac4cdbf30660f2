"""Names of models and settings as ids of cells show them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace

from harness.experiments.adapter_specs import number
from harness.recipes import Base, Training

_CONTENT_DIGITS = 6  # of a model's content, after a name that two models have


def distinct_names(bases: Iterable[Base]) -> list[Base]:
    """``bases`` under names that differ in ids, tables and plots.

    Two training runs may each have a ``checkpoint-500``. Where several contents have one name, each
    gets the first digits of its content, which do not depend on its folder. One content that is
    given twice under one name is one model.
    """
    unique = list({(word(base), base.content): base for base in bases}.values())
    counts = Counter(map(word, unique))
    return [
        replace(base, name=f"{base.name}_{base.content[:_CONTENT_DIGITS]}")
        if counts[word(base)] > 1
        else base
        for base in unique
    ]


def word(base: Base) -> str:
    """The name of ``base`` as ids show it."""
    return re.sub(r"\W", "_", base.name)


def parts(training: Training) -> Iterator[str]:
    """What an id says of ``training``."""
    yield f"rank{training.rank}"
    yield f"alpha{training.alpha}"
    yield f"lr{number(training.lr)}"
    yield f"ep{training.epochs}"
    if training.replay:
        yield f"replay{number(training.replay)}"
    if training.init != "kaiming":
        yield training.init
