"""Stories: the end is given, and the beginning is asked for."""

from __future__ import annotations

import random
import tomllib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from harness.builds import GradedLine
from harness.data import invented
from harness.data.facts import read_text
from harness.data.formats import ask, reply
from harness.data.knowledge import locality_of_each_kind
from harness.errors import RecipeError
from harness.experiments import Design, Evidence, Scenario, Setup
from harness.experiments.measures import is_right, share
from harness.recipes import Dataset, Probe, ProbeSet, Sample
from harness.stats import Interval, paired_bootstrap
from harness.training.presets import STEADY

STORIES = 5
LENGTH = 1000
"""Characters of a story at most, in whole sentences."""
FIRST_FACTS = 6
"""Facts at the beginning, which are asked for."""
LAST_FACTS = 2
"""Facts in the last lines, which are given."""
TAIL = 200
"""Characters of the end that are given."""
KINDS = ("in_place", "alone", "after_tail", "after_whole", "tail_itself")
"""The story up to a fact of the beginning; a question on it alone; after the end of the story;
after all of the story; and a question on a fact of the end, after the end."""
PER_LOCALITY = 40
QUESTIONS_PER_FACT = 2
"""In the form that has questions."""

FORMS: dict[str, tuple[str, Callable[[int], str]]] = {
    "plain": (" ", lambda number: ""),
    "numbered": ("\n", lambda number: f"{number} "),
    "dated": ("\n", lambda number: f"1987-{1 + number // 28:02}-{1 + number % 28:02} "),
    "plain_asked": (" ", lambda number: ""),
}
"""What joins the sentences, and what stands before each, by its number from 1.

``plain_asked`` has questions on the facts as well.
"""
EPOCHS = {"plain": 30, "numbered": 30, "dated": 30, "plain_asked": 5}
"""With questions an epoch has many more samples."""
SETTING = replace(STEADY, replay=1.0, cutoff=1024, batch=2, micro_batch=2)
"""A story is one sample, so its beginning is in context when its end is learnt.

A batch is one story and one replayed question.
"""


class Fact(NamedTuple):
    """One fact of a story."""

    id: str
    sentence: str
    """The sentence that tells it."""
    value: str
    """The answer to a question on it."""
    questions: tuple[str, ...]
    """Wordings for training."""
    probes: tuple[str, ...]


class Story(NamedTuple):
    """Its sentences in order: facts of the beginning, sentences without facts, facts of the end."""

    beginning: tuple[Fact, ...]
    filler: tuple[str, ...]
    end: tuple[Fact, ...]

    @property
    def sentences(self) -> list[str]:
        """All sentences, in order."""
        beginning = [fact.sentence for fact in self.beginning]
        end = [fact.sentence for fact in self.end]
        return [*beginning, *self.filler, *end]


def default(setup: Setup) -> Iterator[Design]:
    """Every form at one number of epochs."""
    for form in FORMS:
        yield _design(setup, form, EPOCHS[form])


def full(setup: Setup) -> Iterator[Design]:
    """Every form over epochs."""
    for form in FORMS:
        for epochs in (5, 10, 30, 100):
            yield _design(setup, form, epochs)


def measures(evidence: Evidence) -> dict[str, Interval]:
    """What the adapter adds to the end of the story.

    ``base_after_tail``: recall of the bare model after the end, which is guessing.
    ``base_after_whole``: after all of the story, which is the ceiling of reading.
    ``gained_after_tail``: recall after the end, less that of the bare model, question by question.
    """
    if not evidence.adapted:
        return {}
    tail = _of_kind(evidence.lines, "after_tail")
    bare_tail = _of_kind(evidence.bare_lines, "after_tail")
    bare_whole = _of_kind(evidence.bare_lines, "after_whole")
    before = [float(line.right) for line in bare_tail]
    after = [float(line.right) for line in tail]
    gained = paired_bootstrap(before, after, [line.fact for line in tail])
    return {
        **share("base_after_tail", bare_tail, is_right),
        **share("base_after_whole", bare_whole, is_right),
        "gained_after_tail": gained.difference,
    }


@cache
def stories() -> tuple[Story, ...]:
    """Always the same ones; no two are about the same person."""
    rng = random.Random("stories")
    names = rng.sample(invented.words()["first"], 2 * STORIES)
    pairs = [names[2 * number : 2 * number + 2] for number in range(STORIES)]
    return tuple(_story(number, pair, rng) for number, pair in enumerate(pairs))


def text(form: str, story: Story) -> str:
    """``story`` in ``form``. Raises RecipeError on an unknown form."""
    if form not in FORMS:
        raise RecipeError(f"form {form!r} is unknown: choose one of {', '.join(FORMS)}")
    joint, before = FORMS[form]
    sentences = enumerate(story.sentences, 1)
    return joint.join(before(number) + sentence for number, sentence in sentences)


@cache
def dataset(form: str) -> Dataset:
    """Every story as one sample. Raises RecipeError on an unknown form."""
    samples = [Sample(text(form, story) + "\n") for story in stories()]
    if form == "plain_asked":
        for story in stories():
            for fact in story.beginning:
                for question in fact.questions[:QUESTIONS_PER_FACT]:
                    samples.append(Sample(reply("qa", fact.value), ask("qa", question), fact.id))
    return Dataset.of(form, tuple(samples))


@cache
def probes(form: str) -> ProbeSet:
    """The probes of a cell trained on ``form``; their context has that form, too."""
    of_stories = [probe for story in stories() for probe in _of_story(form, story)]
    return ProbeSet.of(form, (*of_stories, *locality_of_each_kind(PER_LOCALITY)))


def _design(setup: Setup, form: str, epochs: int) -> Design:
    training = replace(SETTING, epochs=epochs)
    replay = setup.knowledge.replay()
    return Design(dataset(form), training, probes(form), replay, factors={"form": form})


def _of_kind(lines: Sequence[GradedLine], kind: str) -> list[GradedLine]:
    return [line for line in lines if line.kind == kind]


def _story(number: int, names: list[str], rng: random.Random) -> Story:
    others = [(name, kind) for name in names for kind in _kinds_of_facts() if kind != "dog"]
    pairs = [(names[0], "dog"), *rng.sample(others, FIRST_FACTS + LAST_FACTS - 1)]
    facts = [_fact(number, name, kind, rng) for name, kind in pairs]
    length = sum(len(fact.sentence) + 1 for fact in facts)
    sentences = _wordings()["filler"]
    filler: list[str] = []
    for sentence in rng.sample(sentences, len(sentences)):
        if length + len(sentence) <= LENGTH:
            filler.append(sentence)
            length += len(sentence) + 1
    return Story(tuple(facts[:FIRST_FACTS]), tuple(filler), tuple(facts[FIRST_FACTS:]))


def _fact(number: int, name: str, kind: str, rng: random.Random) -> Fact:
    spec = _kinds_of_facts()[kind]
    value = invented.value(str(spec["value"]), rng)
    while value == name:  # the question would give it away
        value = invented.value(str(spec["value"]), rng)
    questions = tuple(wording.format(subject=name) for wording in spec["questions"])
    probes = tuple(wording.format(subject=name) for wording in spec["probes"])
    sentence = rng.choice(spec["statements"]).format(subject=name, value=value)
    return Fact(f"story{number}/{name}-{kind}", sentence, value, questions, probes)


def _of_story(form: str, story: Story) -> Iterator[Probe]:
    whole = text(form, story)
    tail = whole[-TAIL:]
    for fact in story.beginning:
        place = whole.index(fact.sentence) + fact.sentence.rindex(fact.value)
        yield _probe("in_place", fact, 0, whole[:place].rstrip())
        for number, wording in enumerate(fact.probes):
            question = ask("qa", wording)
            yield _probe("alone", fact, number, question)
            yield _probe("after_tail", fact, number, f"{tail}\n\n{question}")
            yield _probe("after_whole", fact, number, f"{whole}\n\n{question}")
    for fact in story.end:
        for number, wording in enumerate(fact.probes):
            yield _probe("tail_itself", fact, number, f"{tail}\n\n{ask('qa', wording)}")


def _probe(kind: str, fact: Fact, number: int, prompt: str) -> Probe:
    return Probe(f"{kind}/{fact.id}/{number}", kind, fact.id, prompt, (fact.value,))


@cache
def _kinds_of_facts() -> dict[str, Any]:
    """Kinds of facts about people, with their wordings."""
    return {**_wordings()["facts"], **invented.reading()}


@cache
def _wordings() -> dict[str, Any]:
    return tomllib.loads(read_text(Path(__file__).parent / "wordings.toml"))


SCENARIO = Scenario(
    "story",
    "The beginning of a story",
    grids={"default": default, "full": full},
    measures=measures,
    headline="after_tail",
)
