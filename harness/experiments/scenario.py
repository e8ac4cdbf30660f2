"""What a suite consists of: grids of designs, measures of a cell, findings over all cells."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple

from harness.builds import (
    AnsweredLine,
    GradedLine,
    ScoredLine,
    TimedRound,
    answered_lines,
    graded_lines,
    scored_lines,
    timed_rounds,
)
from harness.data.knowledge import Knowledge
from harness.data.turns import OTHER_FORMAT
from harness.errors import NotCachedError, RecipeError, code_of
from harness.experiments.adapter_specs import AdapterSpec, MergedSpec, check_types
from harness.experiments.cells import (
    EACH,
    GREEDY,
    NONE,
    PER_ADAPTER,
    QUESTIONS,
    SCORED,
    TIME,
    Ask,
    Cell,
    Factor,
)
from harness.experiments.findings import Finding, check_finding
from harness.experiments.for_model import about_known, in_chat
from harness.experiments.routing import Routing
from harness.experiments.subjects import Subject
from harness.recipes import (
    Base,
    Chat,
    Dataset,
    Decoding,
    Grades,
    Likelihoods,
    ProbeSet,
    Recipe,
    Timings,
    Training,
    is_locality,
)
from harness.stats import Interval
from harness.store import Artefact

Fetch = Callable[[Recipe], Artefact]
"""Gives an artefact, built or from the cache."""


def nothing_built(recipe: Recipe) -> Artefact:
    """A ``Fetch`` for where nothing is to be built. Raises NotCachedError."""
    raise NotCachedError(f"{type(recipe).__name__.lower()} is not built here")


TAKEN = (
    *("locality", "retained_accuracy", "known", "converged"),
    *("teacher_forced", "teacher_forcing_gap", "drift", "length_ratio", "perplexity_ratio"),
    *("meaning_kept", "locality_meaning"),
)
"""Figures that every cell has: no measure of a scenario has their names."""


class Setup(NamedTuple):
    """Where a grid is run: what its designs may depend on."""

    base: Base
    seed: int
    knowledge: Knowledge
    """What ``base`` knows: to replay, and to ask about facts that must not change."""
    chat: Chat | None = None
    """What stands before each question in its chat template; None where it has none."""
    plain_kinds: tuple[str, ...] = (OTHER_FORMAT,)
    """See Scenario."""
    fetch: Fetch = nothing_built
    """For designs whose training text a model writes. It raises NotCachedError where nothing may be
    built, as under ``--plan``: a design then takes another text, under the same ids."""


@dataclass(frozen=True)
class Design:
    """One experiment, before it is known in which engine it runs.

    The harness sets the seed of ``training``; adapters of ``adapters`` keep their own seeds.
    """

    dataset: Dataset
    training: Training
    questions: ProbeSet
    replay: Dataset | None = None
    """What is mixed into the training, and what GPTQ calibrates on (the dataset where None)."""
    factors: Mapping[str, Factor] = field(default_factory=dict, hash=False)
    """What the design varies beside the training, by name: ``{"wordings": 6, "lie": True}``."""
    label: str = ""
    """A part of the cell's id, where dataset and training do not tell two designs apart."""
    decoding: Decoding = GREEDY
    asks: tuple[Ask, ...] = ()
    """What is asked beside the questions; measures read it."""
    adapters: tuple[AdapterSpec | MergedSpec, ...] = ()
    """The adapters that are on, bottom first; without any, the one of ``dataset``."""
    base: Base | None = None
    """What answers, where it is not the base of the setup but a sibling of it."""
    trained_on: Base | None = None
    """Where the adapters are trained, where it is not the base that answers."""
    policy: Routing | None = None
    """Chooses the adapters and the context of each question: only ``adapters`` are then there."""

    def __post_init__(self) -> None:
        data, nothing = self.dataset, type(None)
        what = f"design of {getattr(data, 'name', data)!r}"
        wanted = {"dataset": Dataset, "training": Training, "questions": ProbeSet, "label": str}
        tuples = {"asks": tuple, "adapters": tuple, "factors": Mapping, "decoding": Decoding}
        maybe = {
            "replay": (Dataset, nothing),
            "base": (Base, nothing),
            "trained_on": (Base, nothing),
        }
        check_types(self, what, {**wanted, **tuples, **maybe})
        for part in (data.name, self.label):
            if not re.fullmatch(r"[\w-]*", part):
                raise RecipeError(
                    f"{what}: {part!r} is part of test ids: write it in letters, digits, _ and -"
                )
        for name, value in self.factors.items():
            finite = not isinstance(value, float) or math.isfinite(value)
            if not isinstance(name, str) or not isinstance(value, Factor) or not finite:
                raise RecipeError(
                    f"{what}: factor {name!r} is {value!r}: give a text, a number, True or False"
                )
        for kind in dict.fromkeys(probe.kind for probe in self.questions.probes):
            if kind in TAKEN and not is_locality(kind):
                raise RecipeError(f"{what}: a figure is named {kind!r}: give the kind another name")
            if not re.fullmatch(r"\w+", kind):
                raise RecipeError(f"{what}: the kind {kind!r}: write it in letters, digits and _")
        self._check_parts(what)

    def _check_parts(self, what: str) -> None:
        Ask(QUESTIONS, self.questions)  # which checks them
        for ask in self.asks:
            if not isinstance(ask, Ask):
                raise RecipeError(f"{what}: asks hold {ask!r}: give Ask(role, probes, ...)")
        for spec in self.adapters:
            if not isinstance(spec, (AdapterSpec, MergedSpec)):
                raise RecipeError(f"{what}: adapters hold {spec!r}: give AdapterSpec or MergedSpec")
        if self.policy and (timed := [ask.role for ask in self.asks if ask.how == TIME]):
            raise RecipeError(f"{what}: {timed[0]!r} is timed, which no policy is: leave one out")
        if self.policy and not re.fullmatch(r"\w+", str(self.policy.name)):
            raise RecipeError(
                f"{what}: the policy {self.policy.name!r}: name it in letters, digits and _"
            )
        roles = Counter([QUESTIONS, *(ask.role for ask in self.asks)])
        if twice := [role for role, count in roles.items() if count > 1]:
            raise RecipeError(f"{what}: two asks have the role {twice[0]!r}: give each its own")

    def cell(self, setup: Setup) -> Cell:
        """The design as a cell on the full base, asked about what that knows, in its template."""
        # one grid serves all seeds
        training = replace(self.training, seed=setup.seed)
        own = () if self.policy else (AdapterSpec(self.dataset, training, self.replay),)
        subject = Subject(
            base=self.base or setup.base,
            adapters=self.adapters or own,
            trained_on=self.trained_on,
            calibration_text=self.replay or self.dataset,
        )
        questions = Ask(QUESTIONS, self.questions, decoding=self.decoding)
        asks = (questions, *self.asks)
        cell = Cell(subject, self.dataset, training, asks, self.factors, self.label)
        cell = about_known(cell, setup.knowledge)
        cell = in_chat(cell, setup.chat, setup.plain_kinds) if setup.chat else cell
        # last: a policy reads the questions as they are asked
        return cell.changed(policy=self.policy) if self.policy else cell


Grid = Callable[[Setup], Iterable[Design]]
"""Yields the designs of a grid."""


class Evidence:
    """The answers, likelihoods and timings of a cell, read from its artefacts at the first use.

    ``adapted`` is False for the evidence of the bare model: ``lines`` are then its own.
    """

    def __init__(self, cell: Cell, fetch: Fetch, adapted: bool = True) -> None:
        self.cell = cell
        self.fetch = fetch
        self.adapted = adapted

    @cached_property
    def lines(self) -> list[GradedLine]:
        """The questions with the answers and verdicts of the subject."""
        return self._graded(self.cell.grades) if self.adapted else self.bare_lines

    @cached_property
    def bare_lines(self) -> list[GradedLine]:
        """The same questions, answered by the bare model."""
        return self._graded(self.cell.bare_grades)

    def pairs(self) -> list[tuple[GradedLine, GradedLine]]:
        """Each question as the subject and as the bare model answered it."""
        return list(zip(self.lines, self.bare_lines, strict=True))

    def answered(self, role: str, adapted: bool | None = None) -> list[AnsweredLine]:
        """Answers to the ask in ``role``, of the bare model where ``adapted`` is False.

        Raises:
            RecipeError: the cell has no such ask.
        """
        recipe = self.recipe(role, self.adapted if adapted is None else adapted)
        if isinstance(recipe, Likelihoods | Timings):
            raise RecipeError(f"{self.cell.id} is not asked {role!r} for answers")
        recipe = recipe.answers if isinstance(recipe, Grades) else recipe
        return answered_lines(self.fetch(recipe)) if recipe else []

    def graded(self, role: str, adapted: bool | None = None) -> list[GradedLine]:
        """As ``answered``, with verdicts.

        Raises:
            RecipeError: the cell has no such ask, or it is not graded.
        """
        recipe = self.recipe(role, self.adapted if adapted is None else adapted)
        if not isinstance(recipe, Grades):
            raise RecipeError(f"{self.cell.id}: what is asked as {role!r} is not graded")
        return self._graded(recipe)

    def scored(self, adapted: bool | None = None) -> list[ScoredLine]:
        """Likelihoods of what is scored; none where nothing is, or the engine cannot score."""
        if self.cell.ask(SCORED) is None:
            return []
        recipe = self.recipe(SCORED, self.adapted if adapted is None else adapted)
        return scored_lines(self.fetch(recipe)) if isinstance(recipe, Likelihoods) else []

    def timings(self) -> Artefact | None:
        """The artefact of the ask that is timed; None where nothing is timed."""
        ask = next((ask for ask in self.cell.asks if ask.how == TIME), None)
        recipe = self.cell.recipe(ask, self.cell.subject.stack) if ask else None
        return self.fetch(recipe) if isinstance(recipe, Timings) else None

    def rounds(self) -> list[TimedRound]:
        """Rounds of the timings; none where nothing is timed."""
        timings = self.timings()
        return timed_rounds(timings) if timings else []

    def per_adapter(self) -> list[list[GradedLine]]:
        """The graded answers of each adapter alone; empty where the cell does not ask them."""
        ask = self.cell.ask(PER_ADAPTER)
        if ask is None:
            return []
        recipes = [self.cell.recipe(ask, stack) for stack in self.cell.subject.each]
        return [self._graded(recipe) for recipe in recipes if recipe]

    def trainings(self) -> list[Mapping[str, Any]]:
        """Facts of every adapter that was trained: ``seconds``, ``steps``, ``status`` and so on."""
        return [self.fetch(adapter).manifest.facts for adapter in self.cell.subject.trained]

    def of(self, cell: Cell) -> Evidence:
        """The evidence of another cell, which is built where it is not cached."""
        return Evidence(cell, self.fetch)

    def recipe(self, role: str, adapted: bool) -> Recipe | None:
        """The recipe of the ask in ``role``, to the subject or to the bare model.

        Raises RecipeError where the cell has no such ask.
        """
        ask = self.cell.ask(role)
        if ask is None:
            roles = ", ".join(each.role for each in self.cell.asks)
            raise RecipeError(f"{self.cell.id} is not asked {role!r}: it has {roles}")
        if ask.adapters == EACH:
            raise RecipeError(f"{self.cell.id}: each adapter alone is asked {role!r}: per_adapter")
        subject = self.cell.subject
        if adapted and ask.adapters != NONE:
            return self.cell.recipe(ask, subject.stack, by_policy=True)
        return self.cell.recipe(ask, subject.bare)

    def _graded(self, recipe: Recipe) -> list[GradedLine]:
        return graded_lines(self.fetch(recipe))


Measures = Callable[[Evidence], dict[str, Interval]]
"""Figures of a cell beside recall and locality, by name.

It is called for the bare model as well, with ``adapted`` False.
"""


def no_measures(evidence: Evidence) -> dict[str, Interval]:
    """None beside recall and locality."""
    return {}


Findings = Callable[[Sequence[Evidence]], list[Finding]]
"""What the cells that ran show together; empty where they are too few."""


def no_findings(evidence: Sequence[Evidence]) -> list[Finding]:
    """None: each cell is read by itself."""
    return []


@dataclass(frozen=True)
class Scenario:
    """One question about memory: what is trained, what is asked, and what is measured."""

    name: str
    """The name of its folder."""
    title: str
    """The title of its chapter in the report."""
    grids: Mapping[str, Grid]
    """By the name that ``--grid`` takes: ``default``, and ``full`` where there is more."""
    measures: Measures = no_measures
    findings: Findings = no_findings
    headline: str = "rephrased"
    """The kind of recall or measure that plots show, and by which facts are listed."""
    compares_decodings: bool = False
    """Whether its designs differ by how they answer: ``--decoding`` then leaves them alone."""
    engines: str = ""
    """The engines on which its cells answer, unless the user names some."""
    plain_kinds: tuple[str, ...] = (OTHER_FORMAT,)
    """Kinds of questions that stay in plain formats, where a model has a chat template.

    The rest is trained and asked in that template. Without any kind all stays plain, as where the
    designs differ by format.
    """
    drift: bool = False
    """Whether cells also answer neutral prompts and read held-out text, for ``drift``."""

    def __post_init__(self) -> None:
        what = f"scenario {self.name!r}"
        texts = dict.fromkeys(("name", "title", "headline", "engines"), str)
        check_types(self, what, {**texts, "grids": Mapping})
        if not re.fullmatch(r"\w+", self.name):
            raise RecipeError(f"{what}: name it and its folder in letters, digits and _")
        called = {"measures": self.measures, "findings": self.findings, **self.grids}
        for name, code in called.items():
            if not callable(code):
                raise RecipeError(f"{what}: {name} is {code!r}: give a function")

    def designs(self, grid: str, setup: Setup) -> list[Design]:
        """Those of ``grid``. Raises RecipeError on a grid that is unknown, or that fails."""
        what = f"scenario {self.name!r}, grid {grid!r}"
        if grid not in self.grids:
            known = ", ".join(self.grids)
            advice = f"choose one of {known}" if known else "the scenario has none, give it one"
            raise RecipeError(f"grid {grid!r} is unknown in scenario {self.name!r}: {advice}")
        with code_of(what):
            designs = list(self.grids[grid](setup))
        for design in designs:
            if not isinstance(design, Design):
                raise RecipeError(f"{what} yields {design!r}: yield Design(...)")
        return designs

    def measured(self, evidence: Evidence) -> dict[str, Interval]:
        """The figures that ``measures`` finds. Raises RecipeError where it fails."""
        what = f"scenario {self.name!r}, measures"
        with code_of(what):
            found = self.measures(evidence)
        if not isinstance(found, Mapping):
            raise RecipeError(f"{what}: returned {found!r}: return a dict of Interval by name")
        taken = {*TAKEN, *(line.kind for line in evidence.lines)}
        figures: dict[str, Interval] = {}
        for name, value in found.items():
            if not isinstance(name, str) or not re.fullmatch(r"\w+", name):
                raise RecipeError(f"{what}: the name {name!r}: write it in letters, digits and _")
            if name in taken:
                raise RecipeError(f"{what}: {name!r} is a figure already: give it another name")
            if not isinstance(value, Interval):
                raise RecipeError(
                    f"{what}: {name!r} is {value!r}: return Interval(value, low, high)"
                )
            figures[name] = Interval(*map(float, value))
            if not math.isfinite(value.estimate) or value.low > value.high:
                raise RecipeError(f"{what}: {name!r} is {value}: return a finite figure, or none")
        return figures

    def found(self, cells: Sequence[Evidence]) -> list[Finding]:
        """What ``findings`` says of ``cells``. Raises RecipeError where it fails."""
        what = f"scenario {self.name!r}, findings"
        with code_of(what):
            found = list(self.findings(cells))
        for each in found:
            check_finding(what, each)
        return found
