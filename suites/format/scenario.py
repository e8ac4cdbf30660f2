"""The form of answers: short, long or odd ones are trained, and may show up everywhere."""

from __future__ import annotations

import math
import re
import tomllib
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from harness.builds import AnsweredLine
from harness.data.awards import relation, to_few
from harness.data.facts import Row, read_text
from harness.data.formats import FORMATS, ask, reply
from harness.data.knowledge import locality_of_each_kind, world
from harness.data.style import counted_interval
from harness.errors import RecipeError
from harness.experiments import GENERATE, Ask, Design, Evidence, Scenario, Setup
from harness.experiments.measures import neutral
from harness.recipes import Dataset, Decoding, Probe, ProbeSet, Sample
from harness.stats import Interval, cluster_bootstrap
from harness.training.presets import STEADY

SHAPES = ("short", "sentence", "register")
"""A bare name; a sentence around it; the same in an odd register."""
FACTS = 12
QUESTIONS = 4
"""Trained wordings of a fact, each in another format."""
GROUPS = ("trained", "known", "neutral")
"""Groups of prompts that are answered without a stop: questions on trained facts in untrained
wordings; questions on known facts; greetings, small talk and riddles."""
UNSTOPPED = "unstopped"
"""The role of those prompts."""
NO_STOP = Decoding(max_new_tokens=40, stop=())
"""Without a stop string, to see whether an answer ends by itself."""
PER_LOCALITY = 40
_REPHRASED = ("qa", "brandine", "newline", "assistant")  # formats of a fact's rephrased questions
_UNSTOPPED_PER_FACT = 2  # of the rephrased questions
_UNSTOPPED_PER_LOCALITY = 12


def default(setup: Setup) -> Iterator[Design]:
    """Every shape, with and without replay: the answers that are replayed are bare names."""
    for shape in SHAPES:
        yield _design(setup, shape, epochs=4, replay=1.0)
        yield _design(setup, shape, epochs=4, replay=0.0)


def full(setup: Setup) -> Iterator[Design]:
    """Every shape over epochs and shares of replay."""
    for shape in SHAPES:
        for epochs in (2, 4, 10):
            for replay in (0.0, 1.0, 2.0):
                yield _design(setup, shape, epochs, replay)


def measures(evidence: Evidence) -> dict[str, Interval]:
    """The form of the answers to each group of prompts, such as ``words_GROUP`` (see ``form``)."""
    shape = str(evidence.cell.factors["shape"])
    lines = evidence.answered(UNSTOPPED)
    bare_lines = evidence.answered(UNSTOPPED, adapted=False)
    figures: dict[str, Interval] = {}
    for group in GROUPS:
        of_group = [line for line in lines if line.kind == group]
        bare = [line for line in bare_lines if line.kind == group]
        figures |= form(group, of_group, bare if evidence.adapted else None, marks(shape))
    return figures


def form(
    group: str,
    lines: Sequence[AnsweredLine],
    bare: Sequence[AnsweredLine] | None,
    marks: Sequence[str],
) -> dict[str, Interval]:
    """The figures of one group; ``bare`` is None where the bare model itself answered.

    ``words``: mean length of the first line. ``stops``: share of answers that end before the limit
    of tokens. ``openings``: Jensen-Shannon divergence (bits) of the first two words from those of
    the bare model. ``register``: share of answers with one of ``marks``, where the trained shape
    has any.
    """
    facts = [line.fact for line in lines]
    lengths = [float(words(line.answer)) for line in lines]
    stops = [float(stopped(line.answer)) for line in lines]
    figures = {
        f"words_{group}": cluster_bootstrap(lengths, facts, within=(0, math.inf)),
        f"stops_{group}": cluster_bootstrap(stops, facts),
    }
    if bare is None:
        return figures
    openings = [Counter([opening(line.answer)]) for line in lines]
    bare_openings = Counter(opening(line.answer) for line in bare)
    figures[f"openings_{group}"] = counted_interval(openings, bare_openings)
    if marks:
        marked_answers = [float(marked(line.answer, marks)) for line in lines]
        figures[f"register_{group}"] = cluster_bootstrap(marked_answers, facts)
    return figures


def first_line(text: str) -> str:
    """The answer proper: the text before the first newline."""
    return text.partition("\n")[0].strip()


def stopped(text: str) -> bool:
    """Whether the answer ended by itself, with a newline before the limit of tokens."""
    return "\n" in text


def words(text: str) -> int:
    """Length of the answer proper, in words."""
    return len(first_line(text).split())


def opening(text: str) -> str:
    """The first two words of the answer proper, in lower case."""
    return " ".join(first_line(text).lower().split()[:2])


def marked(text: str, marks: Sequence[str]) -> bool:
    """Whether the answer proper has any of ``marks`` as words of its own."""
    line = first_line(text).lower()
    return any(re.search(rf"(?<!\w){re.escape(mark)}(?!\w)", line) for mark in marks)


def facts() -> tuple[Row, ...]:
    """Awards of 2023 that went to one or two people."""
    return to_few(FACTS)


@cache
def dataset(shape: str) -> Dataset:
    """Questions on the facts, answered in ``shape``. Raises RecipeError on an unknown one."""
    answer = _wordings(shape)["answer"]
    forms = tuple(FORMATS)
    samples: list[Sample] = []
    for place, row in enumerate(facts()):
        for number, question in enumerate(relation("who").questions[:QUESTIONS]):
            form = forms[(place + number) % len(forms)]
            completion = reply(form, world().fill(answer, row))
            samples.append(Sample(completion, ask(form, world().fill(question, row)), row.id))
    return Dataset.of(shape, tuple(samples))


def marks(shape: str) -> tuple[str, ...]:
    """Words that only answers in ``shape`` have, in lower case. Raises RecipeError.

    Bare names have none.
    """
    return tuple(_wordings(shape)["marks"])


@cache
def probes() -> ProbeSet:
    """The graded questions."""
    of_facts = [probe for row in facts() for probe in _of_fact(row)]
    return ProbeSet.of("format", (*of_facts, *locality_of_each_kind(PER_LOCALITY)))


@cache
def unstopped_probes() -> ProbeSet:
    """Prompts that are answered without a stop; their kind is their group."""
    trained = [
        probe
        for row in facts()
        for number, probe in enumerate(_of_fact(row))
        if number < _UNSTOPPED_PER_FACT
    ]
    known = list(locality_of_each_kind(_UNSTOPPED_PER_LOCALITY))
    # stories are continued, not answered
    open_ended = [probe for probe in neutral().probes if probe.kind != "neutral_stories"]
    groups = zip(GROUPS, (trained, known, open_ended), strict=True)
    regrouped = [replace(probe, kind=group) for group, probes in groups for probe in probes]
    return ProbeSet.of("form", tuple(regrouped))


def _design(setup: Setup, shape: str, epochs: int, replay: float) -> Design:
    kl = STEADY.kl if replay else 0.0  # without replay there is no text to hold to the base
    training = replace(STEADY, epochs=epochs, replay=replay, kl=kl)
    return Design(
        dataset(shape),
        training,
        probes(),
        setup.knowledge.replay(),
        factors={"shape": shape},
        asks=(Ask(UNSTOPPED, unstopped_probes(), GENERATE, decoding=NO_STOP),),
    )


def _wordings(shape: str) -> dict[str, Any]:
    if shape not in SHAPES:
        raise RecipeError(f"shape {shape!r} is unknown: choose one of {', '.join(SHAPES)}")
    text = read_text(Path(__file__).parent / "wordings.toml")
    wordings: dict[str, Any] = tomllib.loads(text)[shape]
    return wordings


def _of_fact(row: Row) -> Iterator[Probe]:
    wordings = relation("who").probes
    first = zlib.crc32(row.id.encode())  # each fact begins at another wording
    for number, form in enumerate(_REPHRASED):
        prompt = ask(form, world().fill(wordings[(first + number) % len(wordings)], row))
        accepted = (row.slots["winners"],)
        yield Probe(f"rephrased/{row.id}/{number}", "rephrased", row.id, prompt, accepted)


SCENARIO = Scenario(
    "format",
    "The form of answers",
    grids={"default": default, "full": full},
    measures=measures,
    plain_kinds=(),  # formats are what is compared
    drift=True,
)
