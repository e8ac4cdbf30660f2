"""A long chat of two people: how they write, and what they tell of themselves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import cache

from harness.builds import GradedLine
from harness.data.chat import (
    BEGINS,
    DAYS,
    PEOPLE,
    Turn,
    day_in_words,
    facts,
    held_out_turns,
    named,
    trained_turns,
    wordings,
    written,
)
from harness.data.facts import Row
from harness.data.formats import ask
from harness.data.knowledge import some_locality_questions
from harness.data.style import NaiveBayes
from harness.errors import RecipeError
from harness.experiments import GENERATE, Ask, Cell, Design, Evidence, Scenario, Setup
from harness.experiments.measures import is_right, share, style_of
from harness.models.files import count_tokens
from harness.recipes import Dataset, Decoding, Probe, ProbeSet, Sample, Training
from harness.stats import Interval
from harness.training import forecast, read_log
from harness.training.presets import CHAT2023, RUNNING

NAMES = {"chat_long": "long", "chat_short": "short"}
"""The names of the speakers, by dataset."""
UNTRAINED_KINDS = ("rephrased", "conversation")
"""Kinds of questions in wordings that the chat does not have."""
STYLE = "style"
"""The role of the talks that are continued."""
SAMPLED = Decoding(do_sample=True, temperature=0.7, top_p=0.9)
"""How the next turn is written: greedy turns would be few and alike."""
STYLE_PROBES = 20
"""Talks that each person continues."""
LOCALITY = 40
_CONTEXT = 3  # turns of a talk that is to be continued


def default(setup: Setup) -> Iterator[Design]:
    """The setting of 2023, a better one with and without replay, and one epoch with long names."""
    yield _design(setup, "chat_short", CHAT2023, label="chat2023")
    yield _design(setup, "chat_short", RUNNING)
    yield _design(setup, "chat_short", replace(RUNNING, replay=0.0, kl=0.0))
    yield _design(setup, "chat_long", replace(RUNNING, epochs=1))


def full(setup: Setup) -> Iterator[Design]:
    """Over epochs, rates, ranks and overlaps, with both kinds of names."""
    yield from default(setup)
    yield _design(setup, "chat_long", CHAT2023, label="chat2023")
    # the default grid has one number of epochs of each
    more_epochs = {"chat_long": (3, 6, 12), "chat_short": (1, 6, 12)}
    for name, numbers in more_epochs.items():
        for epochs in numbers:
            yield _design(setup, name, replace(RUNNING, epochs=epochs))
        for lr in (1e-4, 3e-4, 3e-3):
            yield _design(setup, name, replace(RUNNING, lr=lr))
        for rank in (8, 128):
            yield _design(setup, name, replace(RUNNING, rank=rank, alpha=2 * rank))
        yield _design(setup, name, replace(RUNNING, overlap=128), label="overlap128")


def measures(evidence: Evidence) -> dict[str, Interval]:
    """Style, recall of facts by how often they were told, tokens saved, and the forecast of time.

    ``style_match`` and ``style_divergence``: whether the next turn is written as its speaker writes
    (see ``style_of``). ``told_1``, ``told_3``, ``told_9``: recall of facts that were told so many
    times. ``tokens_saved``: share of the text's tokens that short names save. ``time_forecast``:
    the training time that the first epoch forecasts, as a share of the time it took.
    """
    texts = [(line.fact, line.answer) for line in evidence.answered(STYLE)]
    figures = style_of(texts, classifier(), held_out_by_person())
    figures |= _by_mentions(evidence.lines)
    if not evidence.adapted:
        return figures
    figures["tokens_saved"] = _tokens_saved(evidence.cell)
    adapters = evidence.cell.subject.trained
    if adapters:
        figures["time_forecast"] = forecast(read_log(evidence.fetch(adapters[0]).path))
    return figures


@cache
def classifier() -> NaiveBayes:
    """Tells who wrote a turn; learnt from the turns that are trained on."""
    return NaiveBayes.of(_by_person(trained_turns()))


@cache
def held_out_by_person() -> dict[str, tuple[str, ...]]:
    """The held-out turns of each person."""
    return _by_person(held_out_turns())


@cache
def dataset(name: str) -> Dataset:
    """The chat as one text, with long or short names. Raises RecipeError on an unknown dataset."""
    if name not in NAMES:
        raise RecipeError(f"dataset {name!r} is unknown: choose one of {', '.join(NAMES)}")
    return Dataset.of(name, (Sample(written(trained_turns(), NAMES[name])),))


@cache
def probes(name: str) -> ProbeSet:
    """All questions on the chat, with the names of the dataset ``name``."""
    of_facts = tuple(probe for row in facts() for probe in _of_fact(NAMES[name], row))
    return ProbeSet.of(name, of_facts + some_locality_questions(LOCALITY))


@cache
def style_probes(name: str) -> ProbeSet:
    """Talks of the held-out days to continue.

    The ``fact`` is the next speaker, and ``accepted`` is the true next turn.
    """
    return ProbeSet.of(f"{name}_style", tuple(_talks_to_continue(NAMES[name])))


def mentions(row: Row) -> list[Turn]:
    """The turns in which ``row`` is told."""
    return [turn for turn in trained_turns() if turn.fact == row.id]


def _design(setup: Setup, name: str, training: Training, label: str = "") -> Design:
    return Design(
        dataset(name),
        training,
        probes(name),
        setup.knowledge.replay(),
        factors={"names": NAMES[name]},
        label=label,
        asks=(Ask(STYLE, style_probes(name), GENERATE, decoding=SAMPLED),),
    )


def _by_person(turns: Sequence[Turn]) -> dict[str, tuple[str, ...]]:
    return {
        person: tuple(turn.text for turn in turns if turn.speaker == person) for person in PEOPLE
    }


def _by_mentions(lines: Sequence[GradedLine]) -> dict[str, Interval]:
    figures: dict[str, Interval] = {}
    counts = {row.id: int(row.slots["mentions"]) for row in facts()}
    for count in sorted(set(counts.values())):
        told = [line for line in lines if counts.get(line.fact) == count]
        untrained = [line for line in told if line.kind in UNTRAINED_KINDS]
        figures |= share(f"told_{count}", untrained, is_right)
    return figures


def _tokens_saved(cell: Cell) -> Interval:
    texts = [data.samples[0].completion for data in (cell.dataset, dataset("chat_long"))]
    tokens, tokens_of_long = (count_tokens(cell.subject.base, text) for text in texts)
    saved = 1 - tokens / tokens_of_long
    return Interval(saved, saved, saved)


def _of_fact(names: str, row: Row) -> Iterator[Probe]:
    value = row.slots["value"]
    relation = wordings()["relations"][row.slots["relation"]]
    owner = named(row.slots["owner"], names)
    other = next(named(person, names) for person in PEOPLE if person != row.slots["owner"])
    next_day = f"[{day_in_words(BEGINS + timedelta(DAYS))}]\n"

    def probe(kind: str, number: int, prompt: str, answer: str) -> Probe:
        return Probe(f"{kind}/{row.id}/{number}", kind, row.id, prompt, (answer,))

    # a turn that begins with the value has nothing to lead up to it
    cues = [cue for turn in mentions(row) if (cue := turn.text.partition(value)[0].rstrip())]
    for cue in cues[:1]:
        yield probe("exact", 0, f"{owner}: {cue}", value)
    for number, question in enumerate(relation["chat"]):
        yield probe("conversation", number, f"{next_day}{other}: {question}\n{owner}:", value)
    for number, question in enumerate(relation["probes"]):
        yield probe("rephrased", number, ask("qa", question.format(name=owner)), value)
    question = f"On which day did {owner} first speak of the {row.slots['relation']}?"
    yield probe("dated", 0, ask("qa", question), day_in_words(mentions(row)[0].day))


def _talks_to_continue(names: str) -> Iterator[Probe]:
    turns = held_out_turns()
    counts = dict.fromkeys(PEOPLE, 0)
    for place in range(_CONTEXT, len(turns)):
        before, turn = turns[place - _CONTEXT : place], turns[place]
        if before[0].day == turn.day and counts[turn.speaker] < STYLE_PROBES:
            prompt = f"{written(before, names)}{named(turn.speaker, names)}:"
            yield Probe(f"style/{place}", "style", turn.speaker, prompt, (turn.text,))
            counts[turn.speaker] += 1


SCENARIO = Scenario(
    "chatlog",
    "A long chat of two people",
    grids={"default": default, "full": full},
    measures=measures,
    headline="style_match",
)
