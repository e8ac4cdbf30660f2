"""All that a scenario's folder holds, checked: what is trained, what is asked, and how."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

from harness.data.facts import read_text
from harness.data.published import read_edits
from harness.errors import DataError, RecipeError
from harness.experiments.adapter_specs import number
from harness.experiments.cells import SCORE, SCORED, Ask
from harness.experiments.folder._probes import (
    check_untrained,
    known_replay,
    of_facts,
    probe_set,
    without_asked,
)
from harness.experiments.folder._published import (
    Tasks,
    asked_of_edits,
    asked_of_tasks,
    read_tasks,
    scored_of_edits,
    scored_of_tasks,
    told_edits,
)
from harness.experiments.folder._settings import Axes, Settings, altered, read_settings
from harness.experiments.folder._tables import (
    Asked,
    paragraphs,
    read_facts,
    read_probes,
    told,
    told_otherwise,
)
from harness.experiments.scenario import Design, Setup
from harness.recipes import Dataset, ProbeSet, Training, is_locality

FACTS, TEXT, PROBES, LOCALITY = "facts.csv", "text.txt", "probes.csv", "locality.csv"
EDITS = "edits.json"
"""CounterFact, zsRE or KnowEdit; question sets of lm-evaluation-harness are ``probes*.yaml`` and
``locality*.yaml``."""
SETTINGS = "scenario.toml"
HEADLINE = "rephrased"


@dataclass(frozen=True)
class Material:
    """One scenario."""

    folder: Path
    settings: Settings
    dataset: Dataset
    probes: ProbeSet
    tasks: Tasks = field(default_factory=dict)
    """Question sets that have figures of their own."""
    scored: ProbeSet | None = None
    """What the figures of published data sets score, where there are any."""

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
        kinds = [probe.kind for probe in self.probes.probes if not is_locality(probe.kind)]
        return self.settings.headline or (HEADLINE if HEADLINE in kinds else kinds[0])


def read(folder: Path) -> Material:
    """What ``folder`` holds. Raises DataError, in one line: which file, which line, what to do."""
    folder = folder.resolve()
    if not re.fullmatch(r"\w+", folder.name):
        raise DataError(
            f"{folder}: a scenario's name is part of test ids: rename it to letters, digits and _"
        )
    settings = read_settings(folder / SETTINGS)
    facts = read_facts(folder / FACTS) if (folder / FACTS).is_file() else []
    texts = paragraphs(read_text(folder / TEXT)) if (folder / TEXT).is_file() else ()
    edits = read_edits(folder / EDITS, settings.edits) if (folder / EDITS).is_file() else []
    if not facts and not texts and not edits:
        raise DataError(f"{folder} has neither {FACTS} nor {TEXT}: give it one to train on")
    written = (*told(facts, settings.formats), *texts, *told_edits(edits))
    dataset = Dataset.of(folder.name, written)
    tasks = read_tasks(folder, Path(PROBES).stem, Path(LOCALITY).stem)
    asked = [
        *of_facts(facts, settings.formats),
        *asked_of_edits(edits, dataset),
        *_asked(folder, tasks),
    ]
    if not any(not is_locality(one.kind) for one in asked):
        raise DataError(f"{folder} has no question on what is trained: write some to {PROBES}")
    check_untrained(asked, dataset)
    otherwise = tuple(told_otherwise(facts, settings.formats, settings.wordings))
    dataset = Dataset.of(folder.name, (*written, *without_asked(otherwise, asked)))
    scored = (*scored_of_edits(edits), *scored_of_tasks(tasks))
    material = Material(
        folder,
        settings,
        dataset,
        probe_set(folder.name, asked, dataset),
        tasks,
        ProbeSet.of(f"{folder.name}_scored", scored) if scored else None,
    )
    _check_headline(material)
    return material


def _asked(folder: Path, tasks: Tasks) -> Iterator[Asked]:
    """What is asked beside what comes with facts and edits."""
    for name, kind in ((PROBES, HEADLINE), (LOCALITY, "locality")):
        if (folder / name).is_file():
            yield from _of_kind(read_probes(folder / name, kind), name == LOCALITY)
    yield from asked_of_tasks(tasks)


def _of_kind(asked: Iterable[Asked], untouched: bool) -> Iterator[Asked]:
    for one in asked:
        if untouched and not is_locality(one.kind):
            raise DataError(
                f"{one.where}: the kind {one.kind!r} is none of locality: begin it with locality"
            )
        yield one


def _check_headline(material: Material) -> None:
    kinds = dict.fromkeys(
        probe.kind for probe in material.probes.probes if not is_locality(probe.kind)
    )
    if material.headline not in kinds:
        path = material.folder / SETTINGS
        raise DataError(
            f"{path}: headline {material.headline!r} is no kind that is asked: choose of"
            f" {', '.join(kinds)}"
        )


_IN_ID = ("rank", "alpha", "lr", "epochs", "replay")  # a cell's id says these already


def designs(material: Material, axes: Axes, setup: Setup) -> Iterator[Design]:
    """A design for every combination of ``axes``. Raises DataError on a setting that fails."""
    scored = material.scored
    for label, training in _settings(material, axes):
        yield Design(
            material.dataset,
            training,
            material.probes,
            replay=known_replay(material.dataset, setup.knowledge),
            label=label,
            asks=(Ask(SCORED, scored, SCORE),) if scored else (),
        )


def _settings(material: Material, axes: Axes) -> Iterator[tuple[str, Training]]:
    """(what the id must say beside the usual, setting) of every combination."""
    for values in dict.fromkeys(product(*axes.values())):
        changes = dict(zip(axes, values, strict=True))
        try:
            training = altered(material.settings.training, changes)
        except RecipeError as error:
            raise DataError(f"{material.folder / SETTINGS}: {error}") from error
        extra = (f"{name}{_shown(changes[name])}" for name in axes if name not in _IN_ID)
        yield "-".join(extra), training


def _shown(value: Any) -> str:
    if isinstance(value, (int, float)):
        return number(value)
    return re.sub(r"\W+", "_", "_".join(value) if isinstance(value, tuple) else str(value))
