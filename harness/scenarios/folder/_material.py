"""All that a scenario's folder holds, checked: what is trained, what is asked, and how."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import DataError
from harness.facts import read_text
from harness.recipes import Dataset, ProbeSet, local
from harness.scenarios.folder._probes import check_untrained, of_facts, probe_set
from harness.scenarios.folder._settings import Settings, read_settings
from harness.scenarios.folder._tables import Asked, Fact, read_facts, read_probes
from harness.scenarios.folder._text import paragraphs, told

FACTS, TEXT, PROBES, LOCALITY = "facts.csv", "text.txt", "probes.csv", "locality.csv"
SETTINGS = "scenario.toml"
HEADLINE = "rephrased"


@dataclass(frozen=True)
class Material:
    """One scenario."""

    folder: Path
    settings: Settings
    dataset: Dataset
    probes: ProbeSet

    @property
    def name(self) -> str:
        """That of the folder."""
        return self.folder.name

    @property
    def title(self) -> str:
        return self.settings.title or self.name

    @property
    def headline(self) -> str:
        """As scenario.toml says, else ``rephrased`` where anything is, else the first kind."""
        kinds = [probe.kind for probe in self.probes.probes if not local(probe.kind)]
        return self.settings.headline or (HEADLINE if HEADLINE in kinds else kinds[0])


def read(folder: Path) -> Material:
    """What ``folder`` holds. Raises DataError, in one line: which file, which line, what to do."""
    folder = folder.resolve()
    if not re.fullmatch(r"\w+", folder.name):
        raise DataError(f"{folder}: a scenario's name is part of test ids: rename it to letters, digits and _")
    settings = read_settings(folder / SETTINGS)
    facts = read_facts(folder / FACTS) if (folder / FACTS).is_file() else []
    texts = paragraphs(read_text(folder / TEXT)) if (folder / TEXT).is_file() else ()
    if not facts and not texts:
        raise DataError(f"{folder} has neither {FACTS} nor {TEXT}: give it one to train on")
    dataset = Dataset.of(folder.name, (*told(facts, settings.formats), *texts))
    asked = _asked(folder, facts, settings.formats)
    check_untrained(asked, dataset)
    material = Material(folder, settings, dataset, probe_set(folder.name, asked, dataset))
    _check_headline(material)
    return material


def _asked(folder: Path, facts: Sequence[Fact], formats: Sequence[str]) -> list[Asked]:
    found = list(of_facts(facts, formats))
    for name, kind in ((PROBES, HEADLINE), (LOCALITY, "locality")):
        if (folder / name).is_file():
            found += _of_kind(read_probes(folder / name, kind), name == LOCALITY)
    if not any(not local(asked.kind) for asked in found):
        raise DataError(f"{folder} has no question on what is trained: write some to {PROBES}")
    return found


def _of_kind(asked: Iterable[Asked], untouched: bool) -> Iterator[Asked]:
    for one in asked:
        if untouched and not local(one.kind):
            raise DataError(f"{one.where}: the kind {one.kind!r} is none of locality: begin it with locality")
        yield one


def _check_headline(material: Material) -> None:
    kinds = dict.fromkeys(probe.kind for probe in material.probes.probes if not local(probe.kind))
    if material.headline not in kinds:
        path = material.folder / SETTINGS
        raise DataError(
            f"{path}: headline {material.headline!r} is no kind that is asked: choose of {', '.join(kinds)}"
        )
