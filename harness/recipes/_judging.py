"""Recipes for a judge: who judges, the labelled pairs that it is held against, and what came of that."""

from __future__ import annotations

from dataclasses import dataclass, field

from harness.errors import DataError
from harness.recipes._canonical import NOT_IN_DIGEST, canonical, sha256


@dataclass(frozen=True)
class Judge:
    """A model that says whether an answer means the same as the accepted one."""

    content: str
    """Digest of the folder or file. A model on a server has none: its name and address stand in."""
    name: str = field(metadata=NOT_IN_DIGEST)
    """For tables."""
    model: str = field(metadata=NOT_IN_DIGEST)
    """What finds it: a folder, a ``.gguf`` file, or ``openai:NAME@URL``."""
    prompts: str = "four-1"
    """Name and version of what it is asked: a change changes verdicts."""


@dataclass(frozen=True)
class Labelled:
    """An answer of which people have said whether it is right."""

    question: str
    accepted: str
    """Names of a list are joined by ``"; "``."""
    answer: str
    right: bool
    case: str = ""
    """What is difficult about it."""
    group: str = ""
    """Of cases: what a judge is worth is said for each group, too."""


@dataclass(frozen=True)
class LabelledSet:
    """Labelled pairs by content."""

    content: str
    name: str = field(metadata=NOT_IN_DIGEST)
    pairs: tuple[Labelled, ...] = field(repr=False, metadata=NOT_IN_DIGEST)

    @classmethod
    def of(cls, name: str, pairs: tuple[Labelled, ...]) -> LabelledSet:
        """Address ``pairs`` by content. Raises DataError where a half lacks right or wrong answers."""
        found = cls(content=sha256(canonical(pairs)), name=name, pairs=pairs)
        for half in (True, False):
            kinds = {pair.right for pair in pairs if held_out(pair) == half}
            if kinds != {True, False}:
                raise DataError(
                    f"labelled pairs {name!r} lack right or wrong answers in one half: give it more of both"
                )
        return found


def held_out(pair: Labelled) -> bool:
    """Whether ``pair`` is in the half that is reported; pairs on one accepted answer stay together."""
    return int(sha256(pair.accepted), 16) % 2 == 1


@dataclass(frozen=True)
class Calibration:
    """What ``judge`` says of ``labelled``, and what that makes of its verdicts."""

    judge: Judge
    labelled: LabelledSet
    fuzzy: str
    """Name and version of the fuzzy grader that the judge is compared with on the same pairs."""
