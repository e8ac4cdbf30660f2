"""The material of a scenario's folder: what is trained and asked, checked, and its designs."""

from __future__ import annotations

import re
from collections.abc import Iterator
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
    probe_set,
    questions_of_facts,
    without_questions,
)
from harness.experiments.folder._published import (
    Tasks,
    questions_of_edits,
    questions_of_tasks,
    read_tasks,
    samples_of_edits,
    scored_of_edits,
    scored_of_tasks,
)
from harness.experiments.folder._settings import Axes, Settings, altered, read_settings
from harness.experiments.folder._tables import (
    AskedQuestion,
    paragraphs,
    read_facts,
    read_probes,
    reworded_samples,
    samples_of_facts,
)
from harness.experiments.scenario import Design, Setup
from harness.recipes import Dataset, ProbeSet, Training, is_locality
from harness.training.presets import automatic, for_size, preset

FACTS, TEXT, PROBES, LOCALITY = "facts.csv", "text.txt", "probes.csv", "locality.csv"
EDITS = "edits.json"
"""Edits of CounterFact, zsRE or KnowEdit.

Question sets of lm-evaluation-harness are in ``probes*.yaml`` and ``locality*.yaml``.
"""
SETTINGS = "scenario.toml"
HEADLINE = "rephrased"
_IN_ID = ("rank", "alpha", "lr", "epochs", "replay")  # a cell's id names these already


@dataclass(frozen=True)
class Material:
    """What the folder of a scenario holds."""

    folder: Path
    settings: Settings
    dataset: Dataset
    probes: ProbeSet
    tasks: Tasks = field(default_factory=dict)
    """Question sets of lm-evaluation-harness, which have their own figures."""
    scored: ProbeSet | None = None
    """What is scored for the figures of published data sets; None where there are none."""

    @property
    def name(self) -> str:
        """The name of the folder."""
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
    """The material in ``folder``. Raises DataError: in which file and line, and what to do."""
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
    samples = (*samples_of_facts(facts, settings.formats), *texts, *samples_of_edits(edits))
    dataset = Dataset.of(folder.name, samples)
    tasks = read_tasks(folder, Path(PROBES).stem, Path(LOCALITY).stem)
    questions = [
        *questions_of_facts(facts, settings.formats),
        *questions_of_edits(edits, dataset),
        *_questions_of_tables(folder),
        *questions_of_tasks(tasks),
    ]
    if all(is_locality(question.kind) for question in questions):
        raise DataError(f"{folder} has no question on what is trained: write some to {PROBES}")
    check_untrained(questions, dataset)
    # further wordings must not train a question that should be new
    rewordings = tuple(reworded_samples(facts, settings.formats, settings.wordings))
    dataset = Dataset.of(folder.name, (*samples, *without_questions(rewordings, questions)))
    scored = (*scored_of_edits(edits), *scored_of_tasks(tasks))
    material = Material(
        folder,
        settings,
        dataset,
        probe_set(folder.name, questions, dataset),
        tasks,
        ProbeSet.of(f"{folder.name}_scored", scored) if scored else None,
    )
    _check_headline(material)
    return material


def designs(material: Material, axes: Axes, setup: Setup) -> Iterator[Design]:
    """A design for every combination of ``axes``. Raises DataError on a setting that fails."""
    scored = material.scored
    for label, training in _settings(material, axes, setup):
        yield Design(
            material.dataset,
            training,
            material.probes,
            replay=known_replay(material.dataset, setup.knowledge),
            label=label,
            asks=(Ask(SCORED, scored, SCORE),) if scored else (),
        )


def _questions_of_tables(folder: Path) -> Iterator[AskedQuestion]:
    """The questions of probes.csv and locality.csv."""
    if (folder / PROBES).is_file():
        yield from read_probes(folder / PROBES, HEADLINE)
    if not (folder / LOCALITY).is_file():
        return
    for question in read_probes(folder / LOCALITY, "locality"):
        if not is_locality(question.kind):
            raise DataError(
                f"{question.where}: the kind {question.kind!r} is none of locality: begin it with"
                " locality"
            )
        yield question


def _check_headline(material: Material) -> None:
    kinds = dict.fromkeys(
        probe.kind for probe in material.probes.probes if not is_locality(probe.kind)
    )
    if material.headline not in kinds:
        path = material.folder / SETTINGS
        raise DataError(
            f"{path}: headline {material.headline!r} is not a kind that is asked: choose of"
            f" {', '.join(kinds)}"
        )


def _settings(material: Material, axes: Axes, setup: Setup) -> Iterator[tuple[str, Training]]:
    """The label and the setting of every combination; the label names what ids do not name."""
    settings = material.settings
    start = settings.training
    if start is None:
        usual = preset(automatic(setup.chat is not None))
        usual = for_size(usual, len(material.dataset.samples))
        start = altered(usual, settings.changes)
    for values in dict.fromkeys(product(*axes.values())):
        changes = dict(zip(axes, values, strict=True))
        try:
            training = altered(start, changes)
        except RecipeError as error:
            raise DataError(f"{material.folder / SETTINGS}: {error}") from error
        extra = (f"{name}{_shown(changes[name])}" for name in axes if name not in _IN_ID)
        yield "-".join(extra), training


def _shown(value: Any) -> str:
    if isinstance(value, (int, float)):
        return number(value)
    return re.sub(r"\W+", "_", "_".join(value) if isinstance(value, tuple) else str(value))
