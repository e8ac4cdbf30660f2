"""What is asked of a user's own scenario."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import cache

from harness.data.formats import FORMATS, ask
from harness.data.knowledge import Knowledge, locality_of_each_kind
from harness.errors import DataError
from harness.experiments.folder._tables import Asked, Fact, questions
from harness.grading import normalise
from harness.recipes import Dataset, Probe, ProbeSet, Sample, is_locality

PER_LOCALITY = 120
"""Questions of each kind on what must not change; of a kind that has fewer, all."""


def known_probes(dataset: Dataset) -> list[Probe]:
    """Questions on known facts that ``dataset`` does not touch, for locality."""
    touched = _touched(dataset)
    return [probe for probe in locality_of_each_kind(PER_LOCALITY) if not touched(probe.fact)]


@cache
def known_replay(dataset: Dataset, knowledge: Knowledge) -> Dataset:
    """Questions on known facts that ``dataset`` does not touch, with their answers, for replay."""
    replay = knowledge.replay()
    touched = _touched(dataset)
    kept = tuple(sample for sample in replay.samples if not touched(sample.fact))
    return replay if len(kept) == len(replay.samples) else Dataset.of(replay.name, kept)


def _touched(dataset: Dataset) -> Callable[[str], bool]:
    """Whether one training text has all words of a fact's key: of ``oscars/supporting_actor-1999``,
    three."""
    texts = [
        set(normalise(sample.prompt + sample.completion).split()) for sample in dataset.samples
    ]
    words = set().union(*texts)

    @cache
    def touched(fact: str) -> bool:
        key = set(normalise(fact.rpartition("/")[2].replace("_", " ")).split())
        return key <= words and any(key <= text for text in texts)

    return touched


EXACT = "exact"
"""The kind of questions in the very words of the training."""


def of_facts(facts: Sequence[Fact], formats: Sequence[str]) -> Iterator[Asked]:
    """The trained questions, their rephrasings, and one of these in every format that is not
    trained."""
    others = [form for form in FORMATS if form not in (*formats, *(fact.format for fact in facts))]
    for place, fact in enumerate(facts):
        trained = list(questions(fact, place, formats))
        for question, form in trained:
            yield Asked(fact.where, EXACT, fact.id, question, form, fact.accepted)
        form = fact.format or formats[0]
        for question in fact.rephrased:
            yield Asked(fact.where, "rephrased", fact.id, question, form, fact.accepted)
        for question in (*fact.rephrased, *fact.questions)[:1]:
            for other in others:
                yield Asked(fact.where, "other_format", fact.id, question, other, fact.accepted)


def trained_in(dataset: Dataset) -> Callable[[str], bool]:
    """Whether a text stands, word by word, in one of the training texts."""
    trained = "\n".join(
        f" {normalise(sample.prompt + sample.completion)} " for sample in dataset.samples
    )
    return lambda text: f" {normalise(text)} " in trained


def check_untrained(asked: Sequence[Asked], dataset: Dataset) -> None:
    """Raises DataError where a question that should be new stands in a training text."""
    trained = trained_in(dataset)
    for one in _new(asked):
        if trained(one.question):
            raise DataError(
                f"{one.where}: {one.question!r} stands in the training text: word it otherwise, or"
                f" give it the kind {EXACT}"
            )


def without_asked(samples: Sequence[Sample], asked: Sequence[Asked]) -> list[Sample]:
    """``samples`` without those in which a question stands, word by word, that should be new."""
    texts = [f" {normalise(sample.prompt + sample.completion)} " for sample in samples]
    whole = "\n".join(texts)
    questions = {f" {normalise(one.question)} " for one in _new(asked)}
    taken = [question for question in questions if question in whole]
    return [
        sample
        for sample, text in zip(samples, texts, strict=True)
        if not any(question in text for question in taken)
    ]


def _new(asked: Sequence[Asked]) -> list[Asked]:
    return [one for one in asked if one.kind not in (EXACT, "other_format")]


def probe_set(name: str, asked: Sequence[Asked], dataset: Dataset) -> ProbeSet:
    """``asked`` as probes. Without any on untouched facts, those that the shipped model knows join
    them."""
    counts: Counter[tuple[str, str]] = Counter()
    found = []
    for one in asked:
        number = counts[one.kind, one.fact]
        counts[one.kind, one.fact] += 1
        prompt = ask(one.format, one.question)
        found.append(
            Probe(f"{one.kind}/{one.fact}/{number}", one.kind, one.fact, prompt, one.accepted)
        )
    if not any(is_locality(one.kind) for one in asked):
        found += known_probes(dataset)
    return ProbeSet.of(name, tuple(found))
