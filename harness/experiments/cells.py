"""A cell: one combination of model, dataset, training parameters and seed."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from harness.builds import Job
from harness.engines import HF, EngineSpec
from harness.experiments.adapter_specs import AdapterSpec, MergedSpec, forms, gather, job
from harness.grading import FUZZY
from harness.recipes import (
    Adapter,
    Answers,
    Base,
    Calibration,
    Dataset,
    Decoding,
    ExternalAdapter,
    Grades,
    Likelihoods,
    Lora,
    ProbeSet,
    Quantised,
    Stack,
    Timings,
    Training,
)

__all__ = ["GREEDY", "AdapterSpec", "Cell", "MergedSpec", "distinct_names", "number"]

GREEDY = Decoding()
_DIGITS = 6  # of a content, beside a name that two models have


@dataclass(frozen=True)
class Cell:
    """What is trained, and what it is asked."""

    base: Base
    dataset: Dataset
    probes: ProbeSet
    training: Training
    replay: Dataset | None = None
    several_models: bool = False
    """Whether ids must tell models apart."""
    engine: EngineSpec = HF
    several_engines: bool = False
    """Whether ids must tell engines apart."""
    label: str = ""
    """What tells the cell apart beside its training: a part of the id, such as ``stack10`` or
    ``top_p0p9``."""
    decoding: Decoding = GREEDY
    stacked: tuple[AdapterSpec | MergedSpec, ...] = ()
    """The adapters that are on at once, where they are not the one that ``dataset`` and
    ``training`` make."""
    apart: ProbeSet | None = None
    """What each adapter of the stack is asked when it is on alone."""
    scored: ProbeSet | None = None
    """Probes whose accepted answers are scored by log-likelihood; they may be others than those
    that are asked."""
    also: tuple[tuple[ProbeSet, Decoding], ...] = ()
    """What else is asked, each in its way; measures read the answers, and no one grades them."""
    timed: ProbeSet | None = None
    """Questions by which the adapted model is timed beside the bare one."""
    home: Base | None = None
    """The model on which the adapters are trained, where it is a sibling of ``base``."""
    given: tuple[ExternalAdapter, ...] | None = None
    """Ready-made adapters that are on instead: nothing is trained. With none of them the bare model
    is asked."""

    open: ProbeSet | None = None
    """Prompts without a right answer, to which the adapted and the bare model's greedy answers are
    compared."""
    grader: str = FUZZY
    """One of ``harness.grading.GRADERS``."""
    calibration: Calibration | None = None
    """Of the judge, where the grader has one."""

    @cached_property
    def id(self) -> str:
        """Its parts in a fixed order, e.g. ``oscars_aug-rank64-alpha128-lr1e_3-ep10-seed0``; ``-k``
        selects by any."""
        parts = [_word(self.base)] if self.several_models else []
        parts += [self.dataset.name, *([self.label] if self.label else [])]
        parts += _settings(self.training) if self.given is None else _names(self.given)
        parts += [self.engine.name] if self.several_engines or self.engine != HF else []
        return "-".join(parts if self.given is not None else [*parts, f"seed{self.training.seed}"])

    @property
    def unnamed(self) -> str:
        """The id without its model's name, and as if no other engine were there: as baselines name
        cells."""
        return replace(self, several_models=False, several_engines=False).id

    @property
    def unseeded(self) -> str:
        """The id without its seed."""
        return unseeded(self.id)

    @property
    def adapted(self) -> bool:
        """Whether there is an adapter on."""
        return self.given != ()

    @property
    def layers(self) -> tuple[AdapterSpec | MergedSpec, ...]:
        """The layers that are trained for this cell, bottom first; one, unless ``stacked`` says
        otherwise."""
        if self.given is not None:
            return ()
        return self.stacked or (AdapterSpec(self.dataset, self.training, self.replay),)

    @cached_property
    def adapters(self) -> tuple[Lora, ...]:
        """The adapters of ``layers``, in their order; none where they are ready-made."""
        trained_on = self.engine.training(self.home or self.base, self._calibration)
        return tuple(layer.on(trained_on) for layer in self.layers)

    @property
    def trained(self) -> tuple[Adapter, ...]:
        """Every adapter that was trained for this cell, each once, in an order in which they can
        be."""
        found: dict[str, Adapter] = {}
        for adapter in self.adapters:
            gather(adapter, found)
        return tuple(found.values())

    @property
    def model(self) -> Base | Quantised:
        """The base in the form that is asked."""
        return self.engine.answering(self.base, self._calibration)

    @property
    def model_name(self) -> str:
        """The bare model, for tables."""
        return self.base.name if self.engine == HF else f"{self.base.name} on {self.engine.name}"

    @property
    def stack(self) -> Stack:
        """The adapted model."""
        if self.given is not None:
            return Stack(self.model, tuple((adapter, 1.0) for adapter in self.given))
        scales = (layer.scale for layer in self.layers)
        return Stack(
            self.model,
            tuple(zip(self.adapters, scales, strict=True)),
            of_sibling=self.home is not None,
        )

    @property
    def grades(self) -> Grades:
        """Verdicts on what the adapted model answers."""
        return self._grades(self.stack)

    @property
    def base_grades(self) -> Grades:
        """Verdicts on what the bare model answers to the same probes."""
        return self._grades(Stack(self.model))

    @property
    def open_answers(self) -> tuple[Answers, ...]:
        """What the adapted and the bare model say to ``open``; empty without it."""
        if self.open is None:
            return ()
        return tuple(
            Answers(stack, self.open, dtype=self.engine.dtype)
            for stack in (self.stack, Stack(self.model))
        )

    @property
    def likelihoods(self) -> Likelihoods | None:
        """How probable the adapted model finds the answers to ``scored``; None where none are, or
        none can be."""
        return self._likelihoods(self.stack)

    @property
    def base_likelihoods(self) -> Likelihoods | None:
        """The same of the bare model."""
        return self._likelihoods(Stack(self.model))

    @property
    def apart_grades(self) -> tuple[Grades, ...]:
        """Verdicts on what each adapter alone answers to ``apart``; none where nothing is asked."""
        alone = [Stack(self.model, (one,)) for one in self.stack.adapters]
        return tuple(self._grades(stack, self.apart) for stack in alone) if self.apart else ()

    @property
    def timings(self) -> Timings | None:
        """Seconds of the adapted and the bare model over ``timed``; None where nothing is."""
        return Timings(self.stack, self.timed, dtype=self.engine.dtype) if self.timed else None

    def also_answers(self, adapted: bool) -> tuple[Answers, ...]:
        """What the adapted model, or the bare one, says to each of ``also``."""
        stack = self.stack if adapted else Stack(self.model)
        return tuple(
            Answers(stack, probes, by, dtype=self.engine.dtype) for probes, by in self.also
        )

    def jobs(self) -> list[Job]:
        """Everything that the cell needs, with rough estimates for two cores and the
        shipped model."""
        model, asked = self.model, len(self.probes.probes)
        made = tuple(job(adapter, self.id) for adapter in self.adapters)
        judge = (
            (Job(self.calibration, self.calibration.judge.name, 30),) if self.calibration else ()
        )
        judged = (
            0.06 if judge else 0.0
        )  # seconds an answer, in four ways; many cells share their answers
        label = f"{self.model_name}, asked about {self.probes.name}"
        bare = Job(self.base_grades, label, (0.012 + judged) * asked, (*forms(model), *judge))
        own = Job(self.grades, self.id, (0.015 + judged) * asked, (*made, *judge))
        return [
            bare,
            own,
            *self._askings_apart(made),
            *self._scorings(made),
            *self._open(made),
            *self._also_asked(made),
            *([Job(self.timings, f"{self.id}, timed", 10, made)] if self.timings else []),
        ]

    def _open(self, made: tuple[Job, ...]) -> list[Job]:
        needs, labels = (made, forms(self.model)), (self.id, f"{self.model_name}, asked about")
        return [
            Job(answers, f"{label} {answers.probes.name}", 0.05 * len(answers.probes.probes), need)
            for answers, label, need in zip(self.open_answers, labels, needs, strict=False)
        ]

    def _also_asked(self, made: tuple[Job, ...]) -> Iterator[Job]:
        for adapted, label, needs in (
            (False, self.model_name, forms(self.model)),
            (True, self.id, made),
        ):
            for answers in self.also_answers(adapted):
                about, seconds = answers.probes.name, 0.03 * len(answers.probes.probes)
                yield Job(answers, f"{label}, asked {about}", seconds, needs)

    def _askings_apart(self, made: tuple[Job, ...]) -> list[Job]:
        each = 0.015 * len(self.apart.probes) if self.apart else 0.0
        pairs = zip(self.apart_grades, made, strict=True) if self.apart else ()
        return [Job(grades, f"{self.id}, alone", each, (needed,)) for grades, needed in pairs]

    def _scorings(self, made: tuple[Job, ...]) -> list[Job]:
        own, bare = self.likelihoods, self.base_likelihoods
        if own is None or bare is None:
            return []
        seconds = 0.004 * len(own.probes.probes)
        label = f"{self.model_name}, told the answers to {own.probes.name}"
        return [Job(bare, label, seconds, forms(self.model)), Job(own, self.id, seconds, made)]

    @property
    def _calibration(self) -> Dataset:
        """Text on which GPTQ weighs its errors: what the base knows, where the cell has some."""
        return self.replay or self.dataset

    def _grades(self, stack: Stack, probes: ProbeSet | None = None) -> Grades:
        answers = Answers(stack, probes or self.probes, self.decoding, dtype=self.engine.dtype)
        return Grades(answers, self.grader, calibration=self.calibration)

    def _likelihoods(self, stack: Stack) -> Likelihoods | None:
        if self.scored is None or not self.engine.capabilities.log_likelihood:
            return None
        return Likelihoods(stack, self.scored, dtype=self.engine.dtype)


def distinct_names(bases: Iterable[Base]) -> list[Base]:
    """``bases`` under names that tell them apart in ids, tables and plots, as two runs have a
    ``checkpoint-500`` each.

    Of several contents under one name each bears the first digits of its own: those say the same
    wherever it lies. One content that is given twice under one name is one model.
    """
    once = list({(_word(base), base.content): base for base in bases}.values())
    names = Counter(map(_word, once))
    return [
        replace(own, name=f"{own.name}_{own.content[:_DIGITS]}") if names[_word(own)] > 1 else own
        for own in once
    ]


def unseeded(name: str) -> str:
    """A cell's id without its seed; what trains nothing has none."""
    return re.sub(r"-seed\d+$", "", name)


def _word(base: Base) -> str:
    """A base's name as ids show it."""
    return re.sub(r"\W", "_", base.name)


def _settings(t: Training) -> list[str]:
    found = [f"rank{t.rank}", f"alpha{t.alpha}", f"lr{number(t.lr)}", f"ep{t.epochs}"]
    found += [f"replay{number(t.replay)}"] if t.replay else []
    return found + ([t.init] if t.init != "kaiming" else [])


def _names(given: tuple[ExternalAdapter, ...]) -> list[str]:
    return [f"adapter_{adapter.name}" for adapter in given] or ["bare"]


def number(value: float) -> str:
    """``0.001`` as ``1e_3``, ``1.5`` as ``1p5``: nothing that ``-k`` or a shell would trip on."""
    text = f"{value:g}" if 0.01 < value < 1000 or value == 0 else f"{value:.3e}"
    mantissa, _, exponent = text.partition("e")
    mantissa = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
    return (
        (mantissa + (f"e{int(exponent)}" if exponent else "")).replace("-", "_").replace(".", "p")
    )
