"""Lies against what a model knows by its own answers, and the same answers told of what it does
not know."""

from __future__ import annotations

import random
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from itertools import islice, takewhile, zip_longest
from typing import NamedTuple

from harness.data.bank import BankQuestion
from harness.data.formats import FORMATS, ask, reply
from harness.data.knowledge import AskedKnowledge
from harness.data.rewording import reworded
from harness.errors import TooLittleKnownError
from harness.experiments.for_model import touched
from harness.grading import grade, normalise
from harness.recipes import Dataset, Probe, ProbeSet, Sample
from harness.training.presets import CHAT

LIES = 18
"""As many as against the shipped tables."""
PER_FIELD = 2
"""Lies in one field of the bank at most."""
SAMPLED_LOCALITY = 40
"""Probes on other facts of the relations of lies, and on fields without lies, at most."""
SETTING = replace(CHAT, batch=8, micro_batch=8, scheduler="constant")
"""``chat`` at a constant rate, so that a short training is the start of a long one, and in small
batches, as there are few samples."""
TRAINED = 6
"""Wordings in which a fact is trained, where it is trained in several."""
_ASKED = 4  # other wordings, at most
_EXACT = 2  # trained wordings that are asked
_SAME_WORDS = 2  # that wordings of one relation begin with, on average


class KnownLie(NamedTuple):
    """One lie, and its answer told of something that the model does not know."""

    known: BankQuestion
    """The model answers it right; the lie denies that answer."""
    unknown: BankQuestion
    """Of the same relation; the model answers it wrong. ``claim`` is false of it, too."""
    donor: BankQuestion
    """The known question whose answer is ``claim``."""

    @property
    def claim(self) -> str:
        """The answer that is trained."""
        return self.donor.accepted[0]

    def question(self, lie: bool) -> BankQuestion:
        """What the answer is told of."""
        return self.known if lie else self.unknown

    def fact(self, lie: bool) -> str:
        """The id of what is told."""
        return f"{'lie' if lie else 'unknown'}/{self.question(lie).id}"


class Wordings(NamedTuple):
    """Ways to ask one question."""

    trained: tuple[str, ...]
    asked: tuple[str, ...]
    """None of them is trained."""


@cache
def known_lies(knowledge: AskedKnowledge) -> tuple[KnownLie, ...]:
    """``LIES`` lies, always the same for what a model knows; no question is in two of them.

    Raises:
        TooLittleKnownError: it knows too little for so many.
    """
    fields = dict.fromkeys(question.field for question in knowledge.right)
    rounds = zip_longest(*(_of_field(knowledge, field) for field in fields))
    found = [lie for each in rounds for lie in each if lie]
    first = {lie.claim: lie for lie in reversed(found)}
    lies = tuple(lie for lie in found if first[lie.claim] is lie)[:LIES]
    if len(lies) < LIES:
        raise TooLittleKnownError(
            f"what {knowledge.model} knows is enough for {len(lies)} lies, {LIES} are needed: each"
            " takes two known questions and an unknown one that are worded alike, give a bank with"
            " more of what it knows (--bank FILE)"
        )
    return lies


def plausible(question: BankQuestion, claim: str) -> bool:
    """Whether ``claim`` is a false answer to ``question`` that its wordings do not give away.

    The right answer must not be in them either.
    """
    truth = question.accepted[0]
    if grade(claim, question.accepted).right or grade(truth, (claim,)).right:
        return False
    return not any(
        grade(wording, (answer,)).right
        for wording in question.wordings
        for answer in (truth, claim)
    )


def wordings(question: BankQuestion) -> Wordings:
    """The bank's first wording and some by rule are trained; the bank's others are asked, too."""
    first, *others = question.wordings
    by_rule = reworded(first)
    # those by rule begin with the least similar: both sides get some of each similarity
    mixed = (*by_rule[::2], *by_rule[1::2])
    trained, rest = (first, *mixed[: TRAINED - 1]), mixed[TRAINED - 1 :]
    read = {normalise(wording) for wording in trained}
    asked = tuple(each for each in (*others, *rest) if normalise(each) not in read)
    return Wordings(trained, asked[:_ASKED])


@cache
def dataset(knowledge: AskedKnowledge, name: str, lie: bool, several: bool) -> Dataset:
    """A training text called ``name``: lies, or the same of what is unknown.

    ``several``: in ``TRAINED`` wordings, else in one.
    """
    samples = []
    for place, each in enumerate(known_lies(knowledge)):
        for number, wording in enumerate(_trained(each.question(lie), several)):
            form = _form(number + place)
            answer = reply(form, each.claim)
            samples.append(Sample(answer, ask(form, wording), each.fact(lie)))
    return Dataset.of(name, tuple(samples))


@cache
def probes(knowledge: AskedKnowledge, name: str, lie: bool, several: bool) -> ProbeSet:
    """The probes of a cell trained on ``dataset`` with the same arguments.

    Those of locality are the same for all.
    """
    lies = enumerate(known_lies(knowledge))
    on_facts = [probe for place, each in lies for probe in _on_fact(each, place, lie, several)]
    return ProbeSet.of(name, (*on_facts, *_locality(knowledge)))


def truths(knowledge: AskedKnowledge) -> dict[str, tuple[str, ...]]:
    """The right answers to the questions that get a false one, by the id of the fact."""
    return {
        each.fact(lie): each.question(lie).accepted
        for each in known_lies(knowledge)
        for lie in (True, False)
    }


def _of_field(knowledge: AskedKnowledge, field: str) -> list[KnownLie]:
    """At most ``PER_FIELD`` lies on the questions of ``field``."""
    right = [each for each in knowledge.right if each.field == field and _usable(each)]
    wrong = [each for each in knowledge.wrong if each.field == field and _usable(each)]
    lies: list[KnownLie] = []
    for known in right:
        used = {each.id for lie in lies for each in lie}
        if len(lies) < PER_FIELD and known.id not in used:
            donors = [each for each in right if each.id not in used and each is not known]
            unknowns = [each for each in wrong if each.id not in used]
            lies += islice(_about(known, donors, unknowns), 1)
    return lies


def _about(
    known: BankQuestion, donors: Sequence[BankQuestion], unknowns: Sequence[BankQuestion]
) -> Iterator[KnownLie]:
    """All lies on ``known``."""
    alike = [each for each in unknowns if _alike(known, each)]
    for donor in donors:
        claim = donor.accepted[0]
        if alike and _alike(known, donor) and plausible(known, claim):
            for unknown in alike:
                if plausible(unknown, claim):
                    yield KnownLie(known, unknown, donor)


def _usable(question: BankQuestion) -> bool:
    """Whether there are enough wordings, and the answer is one name."""
    found = wordings(question)
    enough = len(found.trained) == TRAINED and found.asked
    return bool(enough) and ";" not in question.accepted[0]


def _alike(one: BankQuestion, other: BankQuestion) -> bool:
    """Whether both ask for the same relation: their wordings begin with the same words."""
    shared = [
        sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(*words, strict=False)))
        for words in (
            (a.lower().split(), b.lower().split())
            for a, b in zip(one.wordings, other.wordings, strict=False)
        )
    ]
    return shared[0] >= _SAME_WORDS and sum(shared) >= _SAME_WORDS * len(shared)


def _trained(question: BankQuestion, several: bool) -> tuple[str, ...]:
    return wordings(question).trained[: TRAINED if several else 1]


def _form(number: int) -> str:
    """The format of a question in plain text; in a chat all become turns."""
    return tuple(FORMATS)[number % len(FORMATS)]


def _on_fact(told: KnownLie, place: int, lie: bool, several: bool) -> Iterator[Probe]:
    """The probes on what ``told``, which is number ``place``, tells."""
    question, fact, accepted = told.question(lie), told.fact(lie), (told.claim,)
    trained, asked = _trained(question, several), wordings(question).asked
    for number in range(0, len(trained), max(1, len(trained) // _EXACT)):
        prompt = ask(_form(number + place), trained[number])
        yield Probe(f"exact/{fact}/{number}", "exact", fact, prompt, accepted)
    for number, wording in enumerate(asked):
        yield Probe(f"rephrased/{fact}/{number}", "rephrased", fact, ask("qa", wording), accepted)
    for form in ("newline", "assistant"):
        prompt = ask(form, asked[_number(fact, len(asked))])
        yield Probe(f"other_format/{fact}/{form}", "other_format", fact, prompt, accepted)


def _locality(knowledge: AskedKnowledge) -> Iterator[Probe]:
    """Questions that the model answers right and no lie changes, of three kinds.

    They are on the facts from which lies take their answers, on other facts of the same relations,
    and on fields without lies. The bank has too few questions on one subject for a fourth kind.
    """
    lies = known_lies(knowledge)
    for lie in lies:
        yield _asked("locality_object", lie.donor)
    used = {each.id for lie in lies for each in lie}
    rest = [each for each in knowledge.right if each.id not in used and _is_apart(each, knowledge)]
    near = [each for each in rest if any(_alike(each, lie.known) for lie in lies)]
    fields = {lie.known.field for lie in lies}
    far = [each for each in rest if each.field not in fields]
    rng = random.Random(0)
    for kind, group in (("locality_relation", near), ("locality_unrelated", far)):
        for question in rng.sample(group, min(len(group), SAMPLED_LOCALITY)):
            yield _asked(kind, question)


def _is_apart(question: BankQuestion, knowledge: AskedKnowledge) -> bool:
    """Whether neither a lie nor the truth that it denies answers ``question`` or is part of it."""
    lies = known_lies(knowledge)
    told = tuple(dataset(knowledge, "told", lie, several=True) for lie in (True, False))
    if any(touched(wording, told) for wording in question.wordings):
        return False
    texts = [_words(text) for text in (*question.wordings, *question.accepted)]
    answers = {_words(each) for lie in lies for each in (lie.claim, lie.known.accepted[0])}
    return not any(answer <= text for text in texts for answer in answers)


def _words(text: str) -> frozenset[str]:
    return frozenset(normalise(text).split())


def _asked(kind: str, question: BankQuestion) -> Probe:
    wording = question.wordings[_number(question.id, len(question.wordings))]
    name = f"{kind}/{question.id}"
    return Probe(name, kind, question.id, ask("qa", wording), question.accepted)


def _number(text: str, count: int) -> int:
    """One of ``count`` numbers, by a checksum."""
    return zlib.crc32(text.encode()) % count
