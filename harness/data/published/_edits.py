"""CounterFact, zsRE and KnowEdit, as their authors publish them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from harness.data.tables import decoded
from harness.errors import DataError


class Record:
    """One JSON object at a place. Every access raises DataError where the field is missing or of
    another type."""

    def __init__(self, where: str, fields: object) -> None:
        if not isinstance(fields, Mapping):
            raise DataError(f"{where} is no JSON object: write {{...}}")
        self.where = where
        self.fields: Mapping[str, Any] = fields

    def __contains__(self, name: str) -> bool:
        return name in self.fields

    def text(self, name: str) -> str:
        """A string that is not blank, without spaces around it."""
        found = self._field(name)
        if not isinstance(found, str) or not found.strip():
            raise self._mistake(name, "write some text")
        return found.strip()

    def texts(self, name: str) -> list[str]:
        """A list of such strings."""
        found = self._field(name)
        if not isinstance(found, list) or not all(
            isinstance(one, str) and one.strip() for one in found
        ):
            raise self._mistake(name, "write a list of texts")
        return [one.strip() for one in found]

    def lines(self, name: str) -> list[str]:
        """A text that is no list, or a list of texts, each as ``text`` gives it."""
        return self.texts(name) if isinstance(self.fields.get(name), list) else [self.text(name)]

    def record(self, name: str) -> Record:
        """An object within this one."""
        return Record(f"{self.where.removesuffix(':')}, {name}:", self._field(name))

    def records(self, name: str) -> list[Record]:
        """A list of objects; none where the field is missing or null."""
        found = self.fields.get(name) or []
        if not isinstance(found, list):
            raise self._mistake(name, "write a list of objects")
        return [
            Record(f"{self.where.removesuffix(':')}, {name} {number}:", one)
            for number, one in enumerate(found, 1)
        ]

    def _field(self, name: str) -> Any:
        if name not in self.fields:
            raise DataError(
                f"{self.where} has no field {name!r} (it has {', '.join(self.fields) or 'none'})"
            )
        return self.fields[name]

    def _mistake(self, name: str, mend: str) -> DataError:
        return DataError(f"{self.where} {name} is {str(self.fields.get(name))[:60]!r}: {mend}")


def records(path: Path) -> Iterator[Record]:
    """The objects of a JSON list, or of JSON Lines (``.jsonl``). Raises DataError."""
    text = decoded(path, "a JSON file")
    if path.suffix.lower() == ".jsonl":
        lines = ((number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip())
        yield from (
            Record(f"{path}, line {number}:", _parsed(path, line, number)) for number, line in lines
        )
        return
    found = _parsed(path, text)
    if not isinstance(found, list):
        raise DataError(f"{path} is no list of records: write [...]")
    yield from (Record(f"{path}, record {number}:", one) for number, one in enumerate(found, 1))


def _parsed(path: Path, text: str, line: int = 0) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise DataError(
            f"{path}, line {line or error.lineno}: is no JSON ({error.msg}): save it as JSON"
        ) from error


EFFICACY, PARAPHRASE, NEIGHBOURHOOD = "efficacy", "paraphrase", "neighbourhood"
PORTABILITY, LOCALITY = "portability", "locality"
"""Aspects; of the last two there are several, such as ``portability_reasoning``."""


class Question(NamedTuple):
    """A prompt that is gone on with, and what is right after the edit."""

    aspect: str
    prompt: str
    accepted: tuple[str, ...]
    """The first is the one that the published figure scores."""
    rival: str = ""
    """What must be less probable than the first accepted answer. Empty where the figure counts
    right tokens instead."""


class Edit(NamedTuple):
    """One fact to be put into a model, and what is asked about it."""

    where: str
    """File and place of the record, for messages."""
    fact: str
    """Unique in its file."""
    prompt: str
    answer: str
    """What goes on from ``prompt`` after the edit."""
    questions: tuple[Question, ...]
    """The first is the edit itself, for efficacy."""


def read_edits(path: Path, first: int = 0) -> list[Edit]:
    """The edits in ``path``, in order; the ``first`` ones where that is not 0.

    The collection is told by the fields of its records:

    - ``requested_rewrite``: CounterFact (Meng et al. 2022, "Locating and Editing Factual
      Associations in GPT", arXiv 2202.05262);
    - ``src``, ``rephrase``, ``loc``: zsRE as MEND made it and ROME reads it
      (``zsre_mend_eval.json`` of the same): the first of ``answers`` is told;
    - ``target_new`` beside ``prompt``, or ``labels`` beside ``text``: KnowEdit (Zhang et al. 2024,
      "A Comprehensive Study of Knowledge Editing for Large Language Models", arXiv 2401.01286), all
      its files of facts. As its own loader does, records with an empty ``target_new`` are passed
      over; so are questions without a ``ground_truth``.

    Raises:
        DataError: the file is none of them, or a record lacks what is needed; the line names record
            and field.
    """
    found = list(records(path))
    if not found:
        raise DataError(f"{path} holds no records: give at least one edit")
    told = (
        (number, record)
        for number, record in enumerate(found)
        if record.fields.get("target_new") != ""
    )
    return [_reader(record)(record, number) for number, record in islice(told, first or None)]


def _reader(record: Record) -> Callable[[Record, int], Edit]:
    if "requested_rewrite" in record:
        return _counterfact
    if "src" in record:
        return _zsre
    if ("target_new" in record and "prompt" in record) or ("labels" in record and "text" in record):
        return _knowedit
    raise DataError(
        f"{record.where} is neither of CounterFact nor of zsRE nor of KnowEdit: see"
        " docs/own-suite.md"
    )


def _counterfact(record: Record, number: int) -> Edit:
    asked = record.record("requested_rewrite")
    new, true = asked.record("target_new").text("str"), asked.record("target_true").text("str")
    subject = asked.text("subject")
    prompt = asked.text("prompt").replace("{}", subject)
    questions = [Question(EFFICACY, prompt, (new,), true)]
    questions += [
        Question(PARAPHRASE, text, (new,), true) for text in record.texts("paraphrase_prompts")
    ]
    questions += [
        Question(NEIGHBOURHOOD, text, (true,), new) for text in record.texts("neighborhood_prompts")
    ]
    return Edit(record.where, f"{number} {subject}", prompt, new, tuple(questions))


def _zsre(record: Record, number: int) -> Edit:
    answers = tuple(record.texts("answers"))
    if not answers:
        raise DataError(f"{record.where} answers is empty: give one")
    prompt, near = record.text("src"), f"{record.text('loc')}?"
    questions = [Question(EFFICACY, prompt, answers)]
    questions += [Question(PARAPHRASE, text, answers) for text in record.lines("rephrase")]
    questions.append(Question(NEIGHBOURHOOD, near, (record.text("loc_ans"),)))
    return Edit(
        record.where, f"{number} {record.text('subject')}", prompt, answers[0], tuple(questions)
    )


def _knowedit(record: Record, number: int) -> Edit:
    subject, asked, told = (
        ("concept", "text", "labels") if "labels" in record else ("subject", "prompt", "target_new")
    )
    prompt, answer = record.text(asked), record.text(told)
    questions = [Question(EFFICACY, prompt, (answer,))]
    for name in ("rephrase", "rephrase_prompt"):
        if name in record:
            questions += [Question(PARAPHRASE, text, (answer,)) for text in record.lines(name)]
    for family in (PORTABILITY, LOCALITY):
        questions += _family(record, family)
    return Edit(record.where, f"{number} {record.text(subject)}", prompt, answer, tuple(questions))


def _family(record: Record, family: str) -> Iterator[Question]:
    """``portability`` or ``locality``: lists of prompts by aspect; some records leave one out, or
    have it null."""
    if not record.fields.get(family):
        return
    aspects = record.record(family)
    for aspect in aspects.fields:
        for one in aspects.records(aspect):
            if accepted := tuple(_flat(one.fields.get("ground_truth"))):
                prompt = one.fields.get("prompt")
                text = (
                    one.texts("prompt")[0]
                    if isinstance(prompt, list) and prompt
                    else one.text("prompt")
                )
                yield Question(f"{family}_{aspect.lower()}", text, accepted)


def _flat(truth: Any) -> Iterator[str]:
    """``"a"``, ``["a", ...]`` and ``[["a", "another name of it"], ...]`` are all in use."""
    if isinstance(truth, str) and truth.strip():
        yield truth.strip()
    elif isinstance(truth, list):
        for one in truth:
            yield from _flat(one)
