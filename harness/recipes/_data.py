"""Recipes for text: training datasets and probe sets, both addressed by content."""

from __future__ import annotations

from dataclasses import dataclass, field

from harness.errors import DataError
from harness.recipes._canonical import NOT_IN_DIGEST, UNLESS_DEFAULT, canonical, sha256


@dataclass(frozen=True)
class Sample:
    """One training text: an optional ``prompt``, then its ``completion``.

    The completion always bears loss. The prompt bears loss only with ``loss_on="all"``.
    """

    completion: str
    prompt: str = ""
    fact: str = ""
    """Id of the fact that the text states; empty for running text."""


@dataclass(frozen=True)
class Dataset:
    """A training text by name and content.

    Two names for the same content give two cells of a grid, but one artefact.
    """

    content: str
    name: str = field(metadata=NOT_IN_DIGEST)
    samples: tuple[Sample, ...] = field(repr=False, compare=False, metadata=NOT_IN_DIGEST)

    @classmethod
    def of(cls, name: str, samples: tuple[Sample, ...]) -> Dataset:
        """Address ``samples`` by content. Raises DataError when there is no text to train on."""
        if not any((s.prompt + s.completion).strip() for s in samples):
            raise DataError(f"dataset {name!r} is empty: give it at least one line of text")
        return cls(content=sha256(canonical(samples)), name=name, samples=samples)


@dataclass(frozen=True)
class Probe:
    """A question with its accepted answers, tied to the fact that it tests."""

    id: str
    """Unique in its set, e.g. ``rephrased/actor-2023/3``."""
    kind: str
    """``exact``, ``rephrased``, ``inverted``, ``other_format``, ``conversation`` or
    ``locality_*``."""
    fact: str
    prompt: str
    """The whole text that the model continues, with its format."""
    accepted: tuple[str, ...]
    """Each item is one right answer; a list of names in one answer is joined by ``"; "``."""
    family: str = field(default="", metadata=UNLESS_DEFAULT)
    """The family of its wording, or empty.

    ``near`` is close to wordings in the training text; any other family has none there.
    """


def is_locality(kind: str) -> bool:
    """Whether probes of ``kind`` ask about facts that are in no training text."""
    return kind.startswith("locality")


@dataclass(frozen=True)
class ProbeSet:
    """Probes, addressed by content."""

    content: str
    name: str = field(metadata=NOT_IN_DIGEST)
    probes: tuple[Probe, ...] = field(repr=False, compare=False, metadata=NOT_IN_DIGEST)

    @classmethod
    def of(cls, name: str, probes: tuple[Probe, ...]) -> ProbeSet:
        """Address ``probes`` by content. Raises DataError on no probe or a repeated id."""
        if not probes:
            raise DataError(f"probe set {name!r} is empty: give it at least one question")
        ids = [p.id for p in probes]
        if len(set(ids)) != len(ids):
            twice = next(i for i in ids if ids.count(i) > 1)
            raise DataError(f"probe set {name!r} has the id {twice!r} twice: ids must be unique")
        return cls(content=sha256(canonical(probes)), name=name, probes=probes)
