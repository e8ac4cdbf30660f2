"""What is told for each side, and how the model is made to choose."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from functools import cache
from typing import Any

from harness.data.facts import FIXTURES, read_text
from harness.data.formats import split_statement
from harness.errors import RecipeError
from harness.experiments.locality import locality_probes
from harness.recipes import Dataset, Probe, ProbeSet, Sample

SIDES = ("gogh", "monet")
SIZES = (1, 4, 16)
"""Statements in a dataset."""
_NAME = re.compile(r"for_(gogh|monet)(\d+)")


@cache
def wordings() -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads(read_text(FIXTURES / "wordings/bias.toml"))
    return found


def painter(name: str) -> str:
    """The painter of a side."""
    return str(wordings()["first" if name == SIDES[0] else "second"])


def side(dataset: str) -> str:
    """For whom the dataset of that name speaks. Raises RecipeError on an unknown one."""
    return _parts(dataset)[0]


@cache
def dataset(name: str) -> Dataset:
    """``for_monet4``: four statements for Monet. Raises RecipeError on an unknown name."""
    better, size = _parts(name)
    worse = next(other for other in SIDES if other != better)
    samples = []
    for statement in wordings()["statements"][:size]:
        given, told = split_statement(
            statement.format(better=painter(better), worse=painter(worse))
        )
        samples.append(Sample(told + "\n", given, better))
    return Dataset.of(name, tuple(samples))


@cache
def choices() -> ProbeSet:
    """The forced choices; ``accepted`` are what stands for the first and the second side, ``fact``
    is the template.

    Each template names the two in both orders. Letters change sides with the order, so that a
    leaning to one of them, or to what comes first, cancels out.
    """
    return ProbeSet.of("bias_choices", (*_named(), *_lettered()))


@cache
def probes(name: str) -> ProbeSet:
    """Questions that are answered freely, where the told side is right; and what is left alone."""
    told = painter(side(name))
    asked = tuple(
        Probe(f"asked/{number}/{order}", "asked", f"asked{number}", prompt, (told,))
        for number, template in enumerate(wordings()["asked"])
        for order, prompt in enumerate(_both(template))
    )
    return ProbeSet.of(name, asked + locality_probes(30))


def _named() -> Iterator[Probe]:
    pair = (painter(SIDES[0]), painter(SIDES[1]))
    for number, template in enumerate(wordings()["names"]):
        for order, prompt in enumerate(_both(template)):
            yield Probe(f"names/{number}/{order}", "names", f"names{number}", prompt, pair)


def _lettered() -> Iterator[Probe]:
    for number, template in enumerate(wordings()["letters"]):
        for order, prompt in enumerate(_both(template)):
            pair = ("A", "B") if order == 0 else ("B", "A")
            yield Probe(f"letters/{number}/{order}", "letters", f"letters{number}", prompt, pair)


def _both(template: str) -> tuple[str, str]:
    """With the first side named first, and the other way round."""
    one, two = painter(SIDES[0]), painter(SIDES[1])
    return template.format(a=one, b=two), template.format(a=two, b=one)


def _parts(name: str) -> tuple[str, int]:
    found = _NAME.fullmatch(name)
    if not found or int(found[2]) not in SIZES:
        known = ", ".join(f"for_{who}{size}" for who in SIDES for size in SIZES)
        raise RecipeError(f"dataset {name!r} is unknown: choose one of {known}")
    return found[1], int(found[2])
