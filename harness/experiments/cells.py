"""A cell: what answers, and everything that it is asked. Each is a parameter of pytest."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from harness.builds import Job
from harness.data.knowledge import Knowledge
from harness.engines import HF
from harness.errors import RecipeError
from harness.experiments.adapter_specs import base_jobs, check_types
from harness.experiments.ids import parts, word
from harness.experiments.routing import Routing, routed
from harness.experiments.subjects import Subject
from harness.grading import FUZZY
from harness.models.embeddings import embedder, missing
from harness.recipes import (
    Answers,
    Calibration,
    Chat,
    Dataset,
    Decoding,
    Grades,
    Likelihoods,
    Meanings,
    ProbeSet,
    Recipe,
    Routed,
    Stack,
    Timings,
    Training,
    is_locality,
)

Factor = str | int | float | bool
"""The value of something that a design varies."""
GREEDY = Decoding()

GRADE, GENERATE, SCORE, TIME = "grade", "generate", "score", "time"
"""How probes are asked.

They are answered and graded, answered only, scored by the log-likelihood of their accepted answers,
or timed beside the bare base.
"""

_HOW = (GRADE, GENERATE, SCORE, TIME)

ALL, EACH, NONE = "all", "each", "none"
"""Which adapters are on: all of the subject's at once, each alone, or none."""

QUESTIONS = "questions"
"""The role of what every cell is asked: recall and locality."""
SCORED = "scored"
"""The role of what is scored by log-likelihood."""
PER_ADAPTER = "per_adapter"
"""The role of what each adapter of a stack is asked alone."""


@dataclass(frozen=True)
class Ask:
    """One set of probes, and the way in which it is asked."""

    role: str
    """Its name within the cell: measures find it by this."""
    probes: ProbeSet
    how: str = GRADE
    """``GRADE``, ``GENERATE``, ``SCORE`` or ``TIME``."""
    adapters: str = ALL
    """``ALL`` (the bare model is asked the same, to compare), ``EACH`` or ``NONE``."""
    decoding: Decoding = GREEDY

    def __post_init__(self) -> None:
        wanted = {"role": str, "probes": ProbeSet, "decoding": Decoding}
        check_types(self, f"ask {self.role!r}", wanted)
        if not re.fullmatch(r"\w+", self.role):
            raise RecipeError(f"ask {self.role!r}: name its role in letters, digits and _")
        for value, known in ((self.how, _HOW), (self.adapters, (ALL, EACH, NONE))):
            if value not in known:
                raise RecipeError(f"ask {self.role!r}: {value!r} is none of {', '.join(known)}")
        if self.how in (GRADE, SCORE) and (probe := self.probes.without_accepted):
            raise RecipeError(f"ask {self.role!r}: probe {probe!r} accepts no answer: give it one")
        self._check_readable()

    def _check_readable(self) -> None:
        """Raises RecipeError where no measure could read what is asked: it would be lost."""
        given = f"ask {self.role!r}, {self.how} of {self.adapters} adapters"
        if (self.how == SCORE) != (self.role == SCORED):
            raise RecipeError(f"{given}: what is scored, and that alone, has the role SCORED")
        if (self.adapters == EACH) != (self.role == PER_ADAPTER):
            raise RecipeError(f"{given}: what EACH is asked, and that alone, is PER_ADAPTER")
        if self.adapters != ALL and self.how in (SCORE, TIME):
            raise RecipeError(f"{given}: scored and timed are ALL: leave adapters= out")
        if self.adapters == EACH and self.how != GRADE:
            raise RecipeError(f"{given}: what EACH is asked is graded: give GRADE")


@dataclass(frozen=True)
class Grading:
    """Whose verdicts count."""

    grader: str = FUZZY
    """One of ``harness.grading.GRADERS``."""
    calibration: Calibration | None = None
    """Of the judge, where the grader has one."""


@dataclass(frozen=True)
class Cell:
    """A subject and what it is asked."""

    subject: Subject
    dataset: Dataset
    """What is trained, by name and content."""
    training: Training
    asks: tuple[Ask, ...]
    """The questions first."""
    factors: Mapping[str, Factor] = field(default_factory=dict, hash=False)
    """What its design varies beside the training: columns of tables, databases and pages."""
    label: str = ""
    """A part of the id, where dataset and training do not tell two cells apart."""
    grading: Grading = Grading()
    chat: Chat | None = None
    """Where it is trained and asked in the model's chat template, which its id then says."""
    policy: Routing | None = None
    """Chooses the adapters and the context of each question; without one all adapters are on."""
    note: str = ""
    """A line for reports, on what its model knows of what it is asked."""
    knowledge: Knowledge | None = field(default=None, compare=False, repr=False)
    """What its model knows, for measures."""
    compares_meanings: bool = False
    """Whether answers are compared with the bare model's by what they mean, see ``meanings``."""
    given_id: str = ""
    """Set by ``with_ids``, which knows what tells a whole list of cells apart."""

    @property
    def id(self) -> str:
        """Its parts in a fixed order; ``-k`` selects by any of them.

        For example ``oscars_aug-rank64-alpha128-lr1e_3-ep10-seed0``.
        """
        return self.given_id or self.name

    @cached_property
    def name(self) -> str:
        """The id as if there were one model and one engine: as baselines name cells."""
        # a baseline must not depend on which other models and engines were selected with it
        return "-".join(self._parts(of_model=False, of_engine=self.subject.engine != HF))

    @property
    def without_seed(self) -> str:
        """The id without its seed, which is its last part."""
        return self.id.removesuffix(f"-seed{self.training.seed}")

    @property
    def adapted(self) -> bool:
        """Whether it is more than its bare model: by adapters or by a policy."""
        return bool(self.subject.adapters) or self.policy is not None

    def ask(self, role: str) -> Ask | None:
        """The ask in ``role``; None where there is none."""
        return next((ask for ask in self.asks if ask.role == role), None)

    @property
    def questions(self) -> Ask:
        """The ask on which recall and locality are measured."""
        return self.asks[0]

    @property
    def probes(self) -> ProbeSet:
        """The probes of the questions."""
        return self.questions.probes

    def recipe(self, ask: Ask, stack: Stack, by_policy: bool = False) -> Recipe | None:
        """The recipe of ``ask`` to ``stack``, ``by_policy`` as the policy has it asked.

        None where text cannot be scored: by its engine, or by way of a policy.
        """
        engine = self.subject.engine
        if by_policy and self.policy:
            return self._by_policy(ask, stack, self.policy)
        if ask.how == SCORE:
            scores = engine.capabilities.log_likelihood
            return Likelihoods(stack, ask.probes, dtype=engine.dtype) if scores else None
        if ask.how == TIME:
            return Timings(stack, ask.probes, dtype=engine.dtype)
        answers = Answers(stack, ask.probes, ask.decoding, dtype=engine.dtype)
        return answers if ask.how == GENERATE else self._grades(answers)

    @cached_property
    def grades(self) -> Grades:
        """Verdicts on the subject's answers to the questions."""
        return self._graded(self.subject.stack, by_policy=True)

    @cached_property
    def bare_grades(self) -> Grades:
        """Verdicts on the bare model's answers to the same questions."""
        return self._graded(self.subject.bare)

    @cached_property
    def meanings(self) -> dict[str, Meanings]:
        """Comparisons by meaning, by role: of what is answered only, and of untouched facts."""
        subject, compared = self.subject, dict[str, Meanings]()
        if not self.compares_meanings or not subject.adapters:
            return compared
        for ask in self.asks:
            if ask.how == GENERATE and ask.adapters == ALL:
                now, bare = (self.recipe(ask, stack) for stack in (subject.stack, subject.bare))
                if isinstance(now, Answers) and isinstance(bare, Answers):
                    compared[ask.role] = Meanings(now, bare, embedder())
        if sum(is_locality(probe.kind) for probe in self.probes.probes) > 1:
            now, bare = self.grades.answers, self.bare_grades.answers
            if isinstance(now, Answers) and isinstance(bare, Answers):
                compared[QUESTIONS] = Meanings(now, bare, embedder(), locality=True)
        return compared

    def with_ask(self, ask: Ask) -> Cell:
        """The cell with ``ask``, which replaces one of the same role."""
        others = tuple(each for each in self.asks if each.role != ask.role)
        return replace(self, asks=(*others, ask))

    def changed(self, **fields: Any) -> Cell:
        """The cell with other ``fields``, and the id that follows from them."""
        return replace(self, given_id="", **fields)

    def jobs(self) -> Iterator[Job]:
        """All builds of the cell; a plan estimates how long they take."""
        adapters, base = self.subject.jobs(self.id), base_jobs(self.subject.model)
        calibration = self.grading.calibration
        judge = (Job(calibration, calibration.judge.name),) if calibration else ()
        for ask in self.asks:
            needs = judge if ask.how == GRADE else ()
            for stack, label, by_policy in self._stacks(ask):
                recipe = self.recipe(ask, stack, by_policy)
                if recipe is None:
                    continue
                models = adapters if stack.adapters else base
                what = label if ask.role == QUESTIONS else f"{label}: {ask.role}"
                yield Job(recipe, what, needs=(*models, *needs))
        if self.compares_meanings and not missing():
            for role, compared in self.meanings.items():
                yield Job(compared, f"{self.id}: meaning of {role}", needs=adapters)

    def _stacks(self, ask: Ask) -> Iterator[tuple[Stack, str, bool]]:
        """The stacks that ``ask`` asks, with labels for the plan, and whether by the policy."""
        # many cells share the bare model: the plan names it without the cell
        subject, bare = self.subject, f"{self.subject.name}, asked about {ask.probes.name}"
        if ask.adapters == EACH:
            yield from ((stack, f"{self.id}, alone", False) for stack in subject.each)
            return
        if ask.how != TIME:  # timings include the bare base
            yield subject.bare, bare, False
        if ask.adapters == ALL:
            yield subject.stack, self.id, True

    def _graded(self, stack: Stack, by_policy: bool = False) -> Grades:
        ask = self.questions
        dtype = self.subject.engine.dtype
        if by_policy and self.policy:
            return self._grades(routed(self.policy, stack, ask.probes, ask.decoding, dtype))
        return self._grades(Answers(stack, ask.probes, ask.decoding, dtype=dtype))

    def _by_policy(self, ask: Ask, stack: Stack, policy: Routing) -> Recipe | None:
        if ask.how in (SCORE, TIME):
            return None
        answers = routed(policy, stack, ask.probes, ask.decoding, self.subject.engine.dtype)
        return answers if ask.how == GENERATE else self._grades(answers)

    def _grades(self, answers: Answers | Routed) -> Grades:
        return Grades(answers, self.grading.grader, calibration=self.grading.calibration)

    def _parts(self, of_model: bool, of_engine: bool) -> Iterator[str]:
        subject = self.subject
        if of_model:
            yield word(subject.base)
        yield self.dataset.name
        if self.label:
            yield self.label
        if self.policy:
            yield self.policy.name
        if self.chat:
            yield "chat"
        if subject.trains:
            yield from parts(self.training)
        elif not self.policy:
            yield from [f"adapter_{spec.name}" for spec in subject.external] or ["bare"]
        if of_engine:
            yield subject.engine.name
        if subject.trains or self.policy:
            yield f"seed{self.training.seed}"


def with_ids(cells: Sequence[Cell]) -> list[Cell]:
    """``cells`` with ids that name model and engine only where the list has several.

    Raises:
        RecipeError: two cells would have one id.
    """
    # a base and its siblings are one family: the design's label tells them apart
    of_model = len({cell.subject.base.family for cell in cells}) > 1
    engines = {cell.subject.engine for cell in cells}

    def named(cell: Cell) -> Cell:
        of_engine = len(engines) > 1 or cell.subject.engine != HF
        return replace(cell, given_id="-".join(cell._parts(of_model, of_engine)))

    results = [named(cell) for cell in cells]
    counts = Counter(cell.id for cell in results)
    if twice := [name for name, count in counts.items() if count > 1]:
        raise RecipeError(f"two cells have the id {twice[0]}: give their designs a label each")
    return results
