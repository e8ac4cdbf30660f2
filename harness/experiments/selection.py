"""From what a user selects to cells: a scenario by its folder, models, engines, adapters."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from types import ModuleType

from harness.data.facts import shipped_folder
from harness.data.knowledge import Knowledge, TableKnowledge
from harness.engines import GGUF, HF, EngineSpec, engine_specs, engines_of
from harness.errors import PACKAGE, DataError, RecipeError, code_of
from harness.experiments import folder as folders
from harness.experiments.adapter_specs import ExternalSpec
from harness.experiments.cells import EACH, GREEDY, Cell, with_ids
from harness.experiments.for_model import AUTO, chat_for
from harness.experiments.measures import with_drift, with_teacher_forcing
from harness.experiments.scenario import Fetch, Scenario, Setup, nothing_built
from harness.models.external import fitting, scaled_adapter
from harness.models.loading import shipped_content
from harness.recipes import BARE, Base, Chat, Decoding, GgufBase, ProbeSet, digest, sha256

CODE = "scenario.py"
"""The file of a scenario in Python."""
_ATTRIBUTE = "SCENARIO"
_DIGITS = 8  # of the digest of a path, in the name of its package


KnowledgeOf = Callable[[Base, Chat | None], Knowledge]
"""What a model knows, when it is asked in its chat template or (None) in plain formats."""


def taken_knowledge(base: Base, chat: Chat | None = None) -> TableKnowledge:
    """The tables that the shipped model was taught, without asking ``base``.

    Another model may know less of them: its ``known`` says how much, and reports say that it was
    not taught.
    """
    return TableKnowledge("" if base.family.content == shipped_content() else base.name)


def unasked_knowledge(base: Base) -> TableKnowledge:
    """The tables in place of what ``base`` will be asked, where nothing is to be built."""
    return TableKnowledge(base.name, to_be_asked=True)


@dataclass(frozen=True)
class Selection:
    """What is selected of any scenario."""

    bases: tuple[Base, ...]
    grid: str = "default"
    seeds: tuple[int, ...] = (0,)
    engines: tuple[EngineSpec, ...] = (HF,)
    decoding: Decoding = GREEDY
    adapters: tuple[ExternalSpec, ...] = ()
    """Adapters that were made elsewhere, to be measured beside what is trained."""
    format: str = AUTO
    """One of ``harness.experiments.for_model.FORMATS``."""
    chat: Chat = BARE
    """The system prompt, and arguments of the chat template."""
    knowledge: KnowledgeOf = taken_knowledge
    """What each model is taken to know."""
    fetch: Fetch = nothing_built
    """Builds what a model writes for a design before there are cells."""


def cells(scenario: Scenario, selection: Selection) -> list[Cell]:
    """Every cell of ``scenario`` on every engine, and cells in which nothing is trained.

    Those are one for each external adapter and each set of probes, on the models that the adapter
    fits; and the bare model, where nothing can be trained on it. All answer by the selected
    decoding, unless decodings are what the scenario compares.

    Raises:
        RecipeError: the grid is unknown, fails or is empty, two cells have one id, seeds make no
            difference, or no model answers in one of the engines.
        ModelError: an external adapter fits none of the models.
    """
    bases, engines = selection.bases, selection.engines
    _check_engines(bases, engines)
    # the default of --engine means: the engines that the scenario is about
    if scenario.engines and engines == (HF,):
        engines = tuple(engine_specs(scenario.engines))
    trained = list(_trained(scenario, selection))
    if not trained:
        raise RecipeError(
            f"scenario {scenario.name!r}, grid {selection.grid!r} yields no design: give it one"
        )
    if len(selection.seeds) > 1:
        _check_seeds(trained)
    every = [*trained, *_untrained(trained, selection)]
    every = [with_teacher_forcing(cell, scenario.headline) for cell in every]
    if scenario.drift:
        every = [with_drift(cell, scenario.plain_kinds) for cell in every]
    if not scenario.compares_decodings:
        every = [_decoded(cell, selection.decoding) for cell in every]
    for cell in every:
        _check_stops(cell)
    answering = [(cell, _engines_of(cell, engines)) for cell in every]
    # engine by engine, so that each model is loaded once
    order = dict.fromkeys(engine for _, specs in answering for engine in specs)
    found = [
        replace(cell, subject=replace(cell.subject, engine=engine))
        for engine in order
        for cell, specs in answering
        if engine in specs
    ]
    try:
        return with_ids(found)
    except RecipeError as error:
        raise RecipeError(f"scenario {scenario.name!r}: {error}") from error


def setup_of(scenario: Scenario, base: Base, seed: int, selection: Selection) -> Setup:
    """Where ``scenario`` is run on ``base``. Raises RecipeError on a format it does not have."""
    chat = None
    if scenario.plain_kinds:
        chat = chat_for(base, selection.format, selection.chat)
    knowledge = selection.knowledge(base, chat)
    return Setup(base, seed, knowledge, chat, scenario.plain_kinds, selection.fetch)


def adapters(texts: Iterable[str]) -> tuple[ExternalSpec, ...]:
    """The adapters that ``--adapter`` names, each as ``[NAME=]WHAT[:SCALE]``.

    Raises:
        RecipeError: a name or a scale is not possible, or two adapters would have one name in ids.
        ModelError: there is no adapter, or it is not a whole LoRA.
    """
    specs = tuple(ExternalSpec(*scaled_adapter(text)) for text in texts)
    counts = Counter(spec.name for spec in specs)
    if twice := [name for name, count in counts.items() if count > 1]:
        raise RecipeError(
            f"--adapter {twice[0]} is given twice: names become ids, give each its own"
        )
    return specs


def seeds(text: str) -> tuple[int, ...]:
    """``0,1,2`` as numbers, each once. Raises RecipeError."""
    try:
        return tuple(dict.fromkeys(int(seed) for seed in text.split(",")))
    except ValueError:
        raise RecipeError(
            f"--seeds {text!r}: give numbers, separated by commas, such as 0,1,2"
        ) from None


def only_trainable(cells: Iterable[Cell]) -> list[Cell]:
    """``cells`` without those whose adapters cannot be trained on their base."""
    return [cell for cell in cells if not cell.subject.trains or cell.subject.base.trains]


def find(name: str, suites: Path) -> Path:
    """The folder of the scenario ``name``.

    It is the folder ``name``, the folder of this name below ``suites``, or a shipped suite.

    Raises:
        RecipeError: there is none.
    """
    for folder in (Path(name), suites / name, shipped().get(name)):
        if folder is not None and is_scenario(folder):
            return folder.resolve()
    raise RecipeError(
        f"scenario {name!r} is unknown: choose one of {', '.join(shipped())}, or a folder with"
        f" {CODE}, {folders.FACTS} or {folders.TEXT} (or {folders.EDITS})"
    )


def load(folder: Path) -> Scenario:
    """The scenario in ``folder``.

    Raises:
        RecipeError: its ``scenario.py`` fails, or has no ``SCENARIO``.
        DataError: a file of it is missing, or has a mistake.
    """
    folder = folder.resolve()
    if not (folder / CODE).is_file():
        return folders.scenario_in(folder)
    module = _module(folder)
    scenario = getattr(module, _ATTRIBUTE, None)
    if not isinstance(scenario, Scenario):
        raise RecipeError(
            f"{folder / CODE} has no {_ATTRIBUTE}: write {_ATTRIBUTE} = Scenario(...)"
        )
    if scenario.name != folder.name:
        raise DataError(
            f"{folder / CODE}: the scenario is called {scenario.name!r}, its folder"
            f" {folder.name!r}: give both one name"
        )
    return scenario


def is_scenario(folder: Path) -> bool:
    """Whether ``folder`` holds a scenario: in Python, or as facts, text or edits."""
    return (folder / CODE).is_file() or folders.is_scenario(folder)


def shipped() -> dict[str, Path]:
    """The folders of the shipped suites, by name."""
    return {path.parent.name: path.parent for path in _sorted(shipped_folder("suites"))}


def _module(folder: Path) -> ModuleType:
    """``scenario.py`` of ``folder``, loaded once, in a package whose name no other folder has.

    It can import modules beside it: ``from . import texts``.
    """
    package = f"{PACKAGE}{folder.name}_{sha256(str(folder))[:_DIGITS]}"
    name = f"{package}.scenario"
    if name in sys.modules:
        return sys.modules[name]
    if package not in sys.modules:
        parent = ModuleType(package)
        parent.__path__ = [str(folder)]
        sys.modules[package] = parent
    with code_of(str(folder / CODE)):
        return importlib.import_module(name)


def _sorted(suites: Path) -> list[Path]:
    return sorted(suites.glob(f"*/{CODE}"))


def _check_seeds(trained: Sequence[Cell]) -> None:
    """Raises RecipeError where several seeds train the same: means over them would mislead."""
    first: dict[tuple[str, str], Cell] = {}
    for cell in trained:
        if cell.subject.trains and cell.subject.base.trains:
            alike = first.setdefault((digest(cell.subject.stack), cell.without_seed), cell)
            if alike.training.seed != cell.training.seed:
                raise RecipeError(
                    f"{alike.id} and {cell.id} train the same adapters: give each training of"
                    " their design seed=setup.seed"
                )


def _trained(scenario: Scenario, selection: Selection) -> Iterator[Cell]:
    for base in selection.bases:
        for seed in selection.seeds:
            setup = setup_of(scenario, base, seed, selection)
            for design in scenario.designs(selection.grid, setup):
                yield design.cell(setup)


def _untrained(trained: Sequence[Cell], selection: Selection) -> Iterator[Cell]:
    """Each external adapter where it fits, and the bare model where nothing can be trained."""
    fits = {spec: fitting(spec.adapter, selection.bases) for spec in selection.adapters}
    for cell in _by_probes(trained):
        base = cell.subject.base
        stacks: list[tuple[ExternalSpec, ...]] = [] if base.trains else [()]
        stacks += [(spec,) for spec, bases in fits.items() if base in bases]
        for stack in stacks:
            subject = replace(cell.subject, adapters=stack, trained_on=None)
            yield replace(cell, subject=subject, policy=None)


def _by_probes(trained: Sequence[Cell]) -> Iterator[Cell]:
    """A cell for each base and set of probes; with its label only where two would be the same."""
    first: dict[tuple[Base, str], Cell] = {}
    for cell in trained:
        # one cell stands for all decodings that designs compare
        questions = replace(cell.questions, decoding=GREEDY)
        others = tuple(ask for ask in cell.asks[1:] if ask.adapters != EACH)
        first.setdefault(
            (cell.subject.base, cell.probes.content), replace(cell, asks=(questions, *others))
        )
    names = [(cell.subject.base, cell.dataset.name) for cell in first.values()]
    for cell in first.values():
        unique = names.count((cell.subject.base, cell.dataset.name)) == 1
        yield replace(cell, label="") if unique else cell


def _decoded(cell: Cell, decoding: Decoding) -> Cell:
    """``cell`` with ``decoding`` for its questions, unless its design has another."""
    if cell.questions.decoding != GREEDY:
        return cell
    questions = replace(cell.questions, decoding=decoding)
    others = tuple(
        replace(ask, decoding=decoding) if ask.adapters == EACH else ask for ask in cell.asks[1:]
    )
    return replace(cell, asks=(questions, *others))


def _engines_of(cell: Cell, engines: Sequence[EngineSpec]) -> tuple[EngineSpec, ...]:
    # adapters of another base are put on full bases only
    if cell.subject.trained_on:
        return (HF,)
    if any(spec.adapter.form == GgufBase.takes for spec in cell.subject.external):
        return (GGUF,)
    return tuple(engines_of(cell.subject.base, engines))


def _check_engines(bases: Sequence[Base], engines: Sequence[EngineSpec]) -> None:
    names = ", ".join(base.name for base in bases)
    if set(engines) == {GGUF} and not any(isinstance(base, GgufBase) for base in bases):
        raise RecipeError(
            f"--engine gguf answers with a .gguf file: {names} is none, write gguf:TYPE, such as"
            " gguf:q4_0"
        )
    named = tuple(engines) not in ((HF,), (GGUF,))
    if named and not any(base.trains for base in bases):
        raise RecipeError(
            f"--engine is for folders and hub ids: {names} answers in its own form, leave it out"
        )


def _check_stops(cell: Cell) -> None:
    """Raises RecipeError where an accepted answer contains a string at which answers end."""
    stops = cell.questions.decoding.stop
    if impossible := _impossible(cell.probes, stops):
        probe, answer = impossible
        raise RecipeError(
            f"{cell.dataset.name}: the accepted answer {answer!r} of {probe!r} holds a string at"
            f" which answers end ({', '.join(map(repr, stops))}): write it without, or change stop"
            " of --decoding"
        )


@lru_cache(maxsize=256)
def _impossible(probes: ProbeSet, stops: tuple[str, ...]) -> tuple[str, str] | None:
    """The first probe with an accepted answer that no model can give, and the answer."""
    return next(
        (
            (probe.id, answer)
            for probe in probes.probes
            for answer in probe.accepted
            if any(stop in answer.strip() for stop in stops)
        ),
        None,
    )
