"""One adapter on several models: the one it was trained on, its quantised forms, and a sibling."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache, partial

from harness.builds import GradedLine
from harness.data.awards import AUGMENTED, dataset
from harness.data.awards import probes as award_probes
from harness.data.knowledge import locality_questions
from harness.engines import HF
from harness.experiments import Cell, Design, Evidence, Scenario, Setup
from harness.recipes import Adapter, Dataset, ProbeSet, Sibling, Training
from harness.stats import Interval, paired_bootstrap
from harness.training.presets import POCKET, SINGLE

KNOWN = 400
"""Questions on known facts that the sibling is trained further on."""
KINDS = ("exact", "rephrased", "conversation")
FURTHER = Training(
    epochs=2, rank=16, alpha=32, lr=1e-3, batch=8, micro_batch=8, dropout=0.0, loss_on="answers"
)
"""The training that makes the sibling."""
_ONE_WORDING = "the_oscar_award_txt"
_RESAMPLES = 2_000


def default(setup: Setup) -> Iterator[Design]:
    """The adapter on the model it was trained on; then from base to sibling, and back.

    The engines bring the quantised forms of the base.
    """
    return _places(setup, _ONE_WORDING, SINGLE)


def full(setup: Setup) -> Iterator[Design]:
    """Also other ranks, and the text in twelve wordings."""
    for rank in (8, 64, 128):
        yield from _places(setup, _ONE_WORDING, replace(SINGLE, rank=rank, alpha=2 * rank))
        yield from _places(setup, AUGMENTED, replace(POCKET, rank=rank, alpha=2 * rank))


def measures(evidence: Evidence) -> dict[str, Interval]:
    """``recall_lost`` and ``known_lost``: the share right at home less the share right here.

    Home is the full model on which the adapter was trained. The first is over all kinds of recall,
    the second over the untouched facts; intervals are paired, over facts. There is none at home,
    none for a bare model, and none for an adapter that was made elsewhere.
    """
    cell = evidence.cell
    if not evidence.adapted or not cell.subject.trains or home(cell).grades == cell.grades:
        return {}
    at_home = evidence.of(home(cell)).lines
    pairs = list(zip(at_home, evidence.lines, strict=True))
    return {
        "recall_lost": lost([pair for pair in pairs if not pair[0].is_locality]),
        "known_lost": lost([pair for pair in pairs if pair[0].is_locality]),
    }


def sibling(setup: Setup) -> Sibling:
    """The base trained further on facts that it knows: other weights, and nothing new."""
    known = Dataset.of("known", setup.knowledge.replay().samples[:KNOWN])
    base = HF.training(setup.base, known)
    return Sibling.of(Adapter(base, known, FURTHER), f"{setup.base.name}_further")


@cache
def probes(name: str) -> ProbeSet:
    """A part of those of ``oscars``: on trained facts, and every other one on untouched facts."""
    about_facts = (probe for probe in award_probes(name).probes if probe.kind in KINDS)
    return ProbeSet.of(name, (*about_facts, *locality_questions()[::2]))


def home(cell: Cell) -> Cell:
    """The same adapter on the model that it was trained on, in full."""
    subject = cell.subject
    base = subject.trained_on or subject.base
    return cell.changed(subject=replace(subject, base=base, trained_on=None, engine=HF))


def lost(pairs: list[tuple[GradedLine, GradedLine]]) -> Interval:
    """The share right at home less the share right here, of the same questions in pairs."""
    at_home = [float(before.right) for before, _ in pairs]
    here = [float(now.right) for _, now in pairs]
    facts = [before.fact for before, _ in pairs]
    paired = paired_bootstrap(here, at_home, facts, alternative="two-sided", resamples=_RESAMPLES)
    return paired.difference


def _places(setup: Setup, name: str, training: Training) -> Iterator[Design]:
    """Where the adapter answers, and where it was trained."""
    replay = setup.knowledge.replay()
    design = partial(Design, dataset(name), training, probes(name), replay)
    yield design(factors=_factors("base", "base"), label="on_base")
    if not setup.base.trains:
        return
    further = sibling(setup)
    yield design(
        factors=_factors("sibling", "base"),
        label="on_sibling_from_base",
        base=further,
        trained_on=setup.base,
    )
    yield design(factors=_factors("sibling", "sibling"), label="on_sibling", base=further)
    yield design(
        factors=_factors("base", "sibling"), label="on_base_from_sibling", trained_on=further
    )


def _factors(answers: str, trained_on: str) -> dict[str, str]:
    return {"answers": answers, "trained_on": trained_on}


SCENARIO = Scenario(
    "transfer",
    "One adapter on several models",
    grids={"default": default, "full": full},
    measures=measures,
    engines="hf,nf4@hf,int8@hf,gptq4@hf,gguf:q8_0,gguf:q4_0",
)
