"""The probes of a user's own scenario, checked against what is trained."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import cache

from harness.data.formats import FORMATS, ask
from harness.data.knowledge import Knowledge, locality_of_each_kind
from harness.errors import DataError
from harness.experiments.folder._tables import AskedQuestion, Fact, trained_wordings
from harness.grading import normalise
from harness.recipes import Dataset, Probe, ProbeSet, Sample, is_locality

EXACT = "exact"
"""The kind of questions in the words of the training."""
PER_LOCALITY = 120
"""Questions of each kind on facts that must not change; all of a kind that has fewer."""


def questions_of_facts(facts: Sequence[Fact], formats: Sequence[str]) -> Iterator[AskedQuestion]:
    """The trained questions, their rephrasings, and one of these in each untrained format."""
    others = [form for form in FORMATS if form not in (*formats, *(fact.format for fact in facts))]
    for place, fact in enumerate(facts):
        trained = list(trained_wordings(fact, place, formats))
        for question, form in trained:
            yield AskedQuestion(fact.where, EXACT, fact.id, question, form, fact.accepted)
        form = fact.format or formats[0]
        for question in fact.rephrased:
            yield AskedQuestion(fact.where, "rephrased", fact.id, question, form, fact.accepted)
        for question in (*fact.rephrased, *fact.questions)[:1]:
            for other in others:
                yield AskedQuestion(
                    fact.where, "other_format", fact.id, question, other, fact.accepted
                )


def probe_set(name: str, questions: Sequence[AskedQuestion], dataset: Dataset) -> ProbeSet:
    """``questions`` as probes.

    Where none is on untouched facts, questions on facts that the shipped model knows are added.
    """
    counts: Counter[tuple[str, str]] = Counter()
    probes = []
    for question in questions:
        kind, fact = question.kind, question.fact
        number = counts[kind, fact]
        counts[kind, fact] += 1
        prompt = ask(question.format, question.text)
        probes.append(Probe(f"{kind}/{fact}/{number}", kind, fact, prompt, question.accepted))
    if not any(is_locality(question.kind) for question in questions):
        probes += known_probes(dataset)
    return ProbeSet.of(name, tuple(probes))


def known_probes(dataset: Dataset) -> list[Probe]:
    """Questions on known facts that ``dataset`` does not touch, for locality."""
    touched = _touched(dataset)
    return [probe for probe in locality_of_each_kind(PER_LOCALITY) if not touched(probe.fact)]


@cache
def known_replay(dataset: Dataset, knowledge: Knowledge) -> Dataset:
    """Questions on known facts that ``dataset`` does not touch, with their answers, for replay."""
    replay = knowledge.replay()
    touched = _touched(dataset)
    untouched = tuple(sample for sample in replay.samples if not touched(sample.fact))
    if len(untouched) == len(replay.samples):
        return replay
    return Dataset.of(replay.name, untouched)


def check_untrained(questions: Sequence[AskedQuestion], dataset: Dataset) -> None:
    """Raises DataError where a question that should be new is part of a training text."""
    trained = trained_in(dataset)
    for question in _new(questions):
        if trained(question.text):
            raise DataError(
                f"{question.where}: {question.text!r} stands in the training text: word it"
                f" otherwise, or give it the kind {EXACT}"
            )


def without_questions(
    samples: Sequence[Sample], questions: Sequence[AskedQuestion]
) -> list[Sample]:
    """``samples`` without those that contain, word by word, a question that should be new."""
    texts = [f" {normalise(sample.text)} " for sample in samples]
    joined = "\n".join(texts)
    new = {f" {normalise(question.text)} " for question in _new(questions)}
    # most questions are in no sample: one search in all texts finds the few that are
    trained = [text for text in new if text in joined]
    return [
        sample
        for sample, text in zip(samples, texts, strict=True)
        if not any(question in text for question in trained)
    ]


def trained_in(dataset: Dataset) -> Callable[[str], bool]:
    """Whether a text is, word by word, part of one of the training texts."""
    trained = "\n".join(f" {normalise(sample.text)} " for sample in dataset.samples)
    return lambda text: f" {normalise(text)} " in trained


def _touched(dataset: Dataset) -> Callable[[str], bool]:
    """Whether one training text has all words of a fact's key.

    The key of ``oscars/supporting_actor-1999`` has three words.
    """
    texts = [set(normalise(sample.text).split()) for sample in dataset.samples]
    words = set().union(*texts)

    @cache
    def touched(fact: str) -> bool:
        key = set(normalise(fact.rpartition("/")[2].replace("_", " ")).split())
        return key <= words and any(key <= text for text in texts)

    return touched


def _new(questions: Sequence[AskedQuestion]) -> list[AskedQuestion]:
    """Those whose words must not be trained."""
    return [question for question in questions if question.kind not in (EXACT, "other_format")]
