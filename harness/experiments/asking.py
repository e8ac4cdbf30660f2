"""What a model knows: it is asked a bank of questions, once."""

from __future__ import annotations

import tomllib
import zlib
from collections.abc import Callable, Sequence
from functools import cache
from itertools import zip_longest
from pathlib import Path

from harness.builds import answered_lines
from harness.data.bank import BankQuestion, bank, read_bank
from harness.data.facts import FIXTURES, read_text
from harness.data.formats import ask, reply
from harness.data.knowledge import MOST_KNOWN, AskedKnowledge, Knowledge
from harness.experiments.cells import GREEDY
from harness.experiments.selection import taken_knowledge
from harness.grading import grade
from harness.recipes import (
    Answers,
    Base,
    Chat,
    Dataset,
    Decoding,
    Dequantised,
    GgufBase,
    Probe,
    ProbeSet,
    Recipe,
    Sample,
    Stack,
)
from harness.store import Artefact

_AT_ONCE = 400
"""Questions that are asked before it is seen whether enough are known."""
_REPLAYED = 400
"""Questions whose answers are replayed."""
_SHORT = Decoding(max_new_tokens=16)
_FREE = Decoding(max_new_tokens=40, stop=())
Fetch = Callable[[Recipe], Artefact]
_KIND = "locality_known"
_PLAIN = "qa"  # the format for models without a chat template


def knowledge_of(base: Base, chat: Chat | None, bank_file: Path | None, fetch: Fetch) -> Knowledge:
    """What ``base`` knows: the shipped model the tables, others what they are asked.

    The bank is ``bank_file``, or the shipped one. A model that cannot be trained on is not asked,
    as nothing is replayed to it.

    Raises:
        DataError: ``bank_file`` has a mistake.
    """
    taken = taken_knowledge(base)
    if bank_file is None and (taken.taught or not base.trains):
        return taken
    return asked_knowledge(base, chat, read_bank(bank_file) if bank_file else bank(), fetch)


def asked_knowledge(
    base: Base,
    chat: Chat | None,
    questions: Sequence[BankQuestion],
    fetch: Fetch,
) -> AskedKnowledge:
    """What ``base`` answers right of ``questions``; without ``chat`` in a plain format.

    It is asked until it was right about ``MOST_KNOWN``, in every wording, or the bank is at its
    end. Each further wording is asked only where all before it were answered right. The answers
    are short, as most of the bank is not known. What they get right is asked again as cells ask
    it, since a longer answer can take back what it began with.
    """
    drawn = _drawn(questions)
    replayed = [each for each in drawn if _is_replayed(each)][:_REPLAYED]
    others = [each for each in drawn if not _is_replayed(each)]
    first = _answers(base, "bank, replayed", [_probe(each, 0, chat) for each in replayed], fetch)
    known: list[BankQuestion] = []
    wrong: list[BankQuestion] = []
    asked = 0
    while asked < len(others) and len(known) < MOST_KNOWN:
        some = others[asked : asked + _AT_ONCE]
        right, missed = _known(base, some, chat, f"bank from {asked + 1}", fetch)
        known += right
        wrong += missed
        asked += len(some)
    known = _confirmed(base, known, chat, fetch)
    own = [
        *(
            _own(each.wordings[0], first[each.id], each.id, chat)
            for each in replayed
            if first[each.id].strip()
        ),
        *own_answers(base, chat, fetch).samples,
    ]
    return AskedKnowledge(
        base.name,
        asked,
        tuple(_known_probe(each, chat) for each in known),
        Dataset.of("own_answers", tuple(own)),
        tuple(known),
        tuple(wrong),
    )


def _known(
    base: Base, questions: Sequence[BankQuestion], chat: Chat | None, name: str, fetch: Fetch
) -> tuple[list[BankQuestion], list[BankQuestion]]:
    """Those of ``questions`` that ``base`` answers right in every wording, or wrong in the first.

    Others are in neither.
    """
    known = list(questions)
    wrong: list[BankQuestion] = []
    for number in range(max((len(each.wordings) for each in questions), default=0)):
        further = [_probe(each, number, chat) for each in known if number < len(each.wordings)]
        if further:
            given = _answers(base, f"{name}, wording {number + 1}", further, fetch)
            missed = [
                each for each in known if each.id in given and not _right(each, given[each.id])
            ]
            known = [each for each in known if each not in missed]
            wrong = missed if number == 0 else wrong
    return known, wrong


def _confirmed(
    base: Base, known: Sequence[BankQuestion], chat: Chat | None, fetch: Fetch
) -> list[BankQuestion]:
    """Those of ``known`` that are right in an answer of the length that cells ask for."""
    if not known:
        return []
    probes = [_known_probe(each, chat) for each in known]
    given = _answers(base, "bank, as cells ask", probes, fetch, GREEDY)
    return [
        each for each, probe in zip(known, probes, strict=True) if _right(each, given[probe.id])
    ]


def own_answers(base: Base, chat: Chat | None, fetch: Fetch) -> Dataset:
    """What ``base`` answers to everyday requests, which ask for no fact."""
    requests = [
        _prompted(Probe(text, "everyday", text, "", ()), text, chat) for text in _everyday()
    ]
    said = _answers(base, "everyday", requests, fetch, _FREE)
    samples = (_own(text, answer, "", chat) for text, answer in said.items() if answer.strip())
    return Dataset.of("own_answers", tuple(samples))


def _answers(
    base: Base, name: str, probes: Sequence[Probe], fetch: Fetch, decoding: Decoding = _SHORT
) -> dict[str, str]:
    """The answer to each of ``probes``, by its id."""
    model = Dequantised.of(base) if isinstance(base, GgufBase) else base
    asked = ProbeSet.of(name, tuple(probes))
    lines = answered_lines(fetch(Answers(Stack(model), asked, decoding)))
    return {line.id: line.answer for line in lines}


def _drawn(questions: Sequence[BankQuestion]) -> list[BankQuestion]:
    """All questions in a fixed order: one of every field in turn."""
    fields: dict[str, list[BankQuestion]] = {}
    for each in sorted(questions, key=_place):
        fields.setdefault(each.field, []).append(each)
    rounds = zip_longest(*fields.values())
    return [each for turn in rounds for each in turn if each]


def _place(question: BankQuestion) -> int:
    """A place in a fixed random order."""
    return zlib.crc32(f"place {question.id}".encode())


def _is_replayed(question: BankQuestion) -> bool:
    return zlib.crc32(f"replay {question.id}".encode()) % 2 == 0


def _right(question: BankQuestion, answer: str) -> bool:
    return grade(answer, question.accepted).right


def _probe(question: BankQuestion, number: int, chat: Chat | None) -> Probe:
    probe = Probe(question.id, "bank", question.id, "", question.accepted)
    return _prompted(probe, question.wordings[number], chat)


def _known_probe(question: BankQuestion, chat: Chat | None) -> Probe:
    """In one of its wordings, as often the first as the last."""
    number = zlib.crc32(f"wording {question.id}".encode()) % len(question.wordings)
    probe = Probe(f"{_KIND}/{question.id}", _KIND, question.id, "", question.accepted)
    return _prompted(probe, question.wordings[number], chat)


def _prompted(probe: Probe, text: str, chat: Chat | None) -> Probe:
    prompt = ask(_PLAIN, text) if chat is None else text
    return Probe(probe.id, probe.kind, probe.fact, prompt, probe.accepted, chat=chat)


def _own(text: str, answer: str, fact: str, chat: Chat | None) -> Sample:
    if chat is None:
        return Sample(reply(_PLAIN, answer), ask(_PLAIN, text), fact)
    return Sample(answer, text, fact, chat)


@cache
def _everyday() -> tuple[str, ...]:
    groups = tomllib.loads(read_text(FIXTURES / "wordings/everyday.toml"))
    return tuple(text for texts in groups.values() for text in texts)
