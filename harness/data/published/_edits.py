"""Knowledge edits: CounterFact, zsRE and KnowEdit, in the files that their authors publish."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from harness.data.user_files import decoded
from harness.errors import DataError


class Record:
    """One JSON object and its place in a file.

    Every access raises DataError where the field is missing or has another type.
    """

    def __init__(self, where: str, fields: object) -> None:
        if not isinstance(fields, Mapping):
            raise DataError(f"{where} is not a JSON object: write {{...}}")
        self.where = where
        self.fields: Mapping[str, Any] = fields

    def __contains__(self, name: str) -> bool:
        return name in self.fields

    def text(self, name: str) -> str:
        """A string that is not blank, without spaces around it."""
        value = self._field(name)
        if not isinstance(value, str) or not value.strip():
            raise self._mistake(name, "write some text")
        return value.strip()

    def texts(self, name: str) -> list[str]:
        """A list of strings that are not blank, without spaces around them."""
        value = self._field(name)
        if not isinstance(value, list):
            raise self._mistake(name, "write a list of texts")
        if not all(isinstance(text, str) and text.strip() for text in value):
            raise self._mistake(name, "write a list of texts")
        return [text.strip() for text in value]

    def lines(self, name: str) -> list[str]:
        """One text or a list of texts, always as a list."""
        return self.texts(name) if isinstance(self.fields.get(name), list) else [self.text(name)]

    def record(self, name: str) -> Record:
        """An object within this one."""
        return Record(f"{self.where.removesuffix(':')}, {name}:", self._field(name))

    def records(self, name: str) -> list[Record]:
        """A list of objects, which is empty where the field is missing or null."""
        value = self.fields.get(name) or []
        if not isinstance(value, list):
            raise self._mistake(name, "write a list of objects")
        place = self.where.removesuffix(":")
        return [Record(f"{place}, {name} {number}:", item) for number, item in enumerate(value, 1)]

    def _field(self, name: str) -> Any:
        if name not in self.fields:
            raise DataError(
                f"{self.where} has no field {name!r} (it has {', '.join(self.fields) or 'none'})"
            )
        return self.fields[name]

    def _mistake(self, name: str, advice: str) -> DataError:
        return DataError(f"{self.where} {name} is {str(self.fields.get(name))[:60]!r}: {advice}")


def records(path: Path) -> Iterator[Record]:
    """The objects of a JSON list, or of JSON Lines (``.jsonl``).

    Raises:
        DataError: the file cannot be read, or is not a list of objects.
    """
    text = decoded(path, "a JSON file")
    if path.suffix.lower() == ".jsonl":
        for number, line in enumerate(text.split("\n"), 1):
            if line.strip():
                yield Record(f"{path}, line {number}:", parsed(path, line, number))
        return
    value = parsed(path, text)
    if not isinstance(value, list):
        raise DataError(f"{path} is not a list of records: write [...]")
    for number, item in enumerate(value, 1):
        yield Record(f"{path}, record {number}:", item)


def parsed(path: Path, text: str, line: int = 0) -> Any:
    """The value of JSON ``text``. Raises DataError with ``line``, or the line of the mistake."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise DataError(
            f"{path}, line {line or error.lineno}: is not JSON ({error.msg}): save it as JSON"
        ) from error


EFFICACY, PARAPHRASE, NEIGHBOURHOOD = "efficacy", "paraphrase", "neighbourhood"
PORTABILITY, LOCALITY = "portability", "locality"
"""Aspects; the last two have kinds, such as ``portability_reasoning``."""


class Question(NamedTuple):
    """A prompt, and its right completions after the edit."""

    aspect: str
    prompt: str
    accepted: tuple[str, ...]
    """The published figure scores the first one."""
    rival: str = ""
    """The completion that must be less probable than the first accepted one.

    Empty where the published figure counts right tokens instead.
    """


class Edit(NamedTuple):
    """One fact to be put into a model, and the questions about it."""

    where: str
    """File and place of the record, for messages."""
    fact: str
    """Id of the fact, unique in its file."""
    prompt: str
    answer: str
    """The completion of ``prompt`` after the edit."""
    questions: tuple[Question, ...]
    """The first one is the edit itself, for efficacy."""


def read_edits(path: Path, first: int = 0) -> list[Edit]:
    """The edits in ``path``, in order; only the ``first`` ones where that is not 0.

    The fields of a record tell its collection:

    - ``requested_rewrite``: CounterFact (Meng et al. 2022, "Locating and Editing Factual
      Associations in GPT", arXiv 2202.05262);
    - ``src``, ``rephrase``, ``loc``: zsRE as MEND made it and ROME reads it
      (``zsre_mend_eval.json`` of Meng et al.): the first of ``answers`` is trained;
    - ``target_new`` beside ``prompt``, or ``labels`` beside ``text``: KnowEdit (Zhang et al. 2024,
      "A Comprehensive Study of Knowledge Editing for Large Language Models", arXiv 2401.01286), all
      its files of facts. Like its own loader, this function skips records with an empty
      ``target_new``. It also skips questions without a ``ground_truth``.

    Raises:
        DataError: the file is none of these, or a record lacks a field. The line names record and
            field.
    """
    all_records = list(records(path))
    if not all_records:
        raise DataError(f"{path} holds no records: give at least one edit")
    edits = (
        (number, record)
        for number, record in enumerate(all_records)
        if record.fields.get("target_new") != ""
    )
    return [_reader(record)(record, number) for number, record in islice(edits, first or None)]


def _reader(record: Record) -> Callable[[Record, int], Edit]:
    """The reader for the collection of ``record``."""
    if "requested_rewrite" in record:
        return _counterfact
    if "src" in record:
        return _zsre
    if ("target_new" in record and "prompt" in record) or ("labels" in record and "text" in record):
        return _knowedit
    raise DataError(
        f"{record.where} is neither of CounterFact nor of zsRE nor of KnowEdit: see"
        " docs/how-to/published-sets.md"
    )


def _counterfact(record: Record, number: int) -> Edit:
    rewrite = record.record("requested_rewrite")
    new = rewrite.record("target_new").text("str")
    true = rewrite.record("target_true").text("str")
    subject = rewrite.text("subject")
    prompt = rewrite.text("prompt").replace("{}", subject)
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
    prompt = record.text("src")
    near = f"{record.text('loc')}?"  # zsRE's locality questions have no question mark
    questions = [Question(EFFICACY, prompt, answers)]
    questions += [Question(PARAPHRASE, text, answers) for text in record.lines("rephrase")]
    questions.append(Question(NEIGHBOURHOOD, near, (record.text("loc_ans"),)))
    return Edit(
        record.where, f"{number} {record.text('subject')}", prompt, answers[0], tuple(questions)
    )


def _knowedit(record: Record, number: int) -> Edit:
    if "labels" in record:
        subject, prompt, answer = "concept", record.text("text"), record.text("labels")
    else:
        subject, prompt, answer = "subject", record.text("prompt"), record.text("target_new")
    questions = [Question(EFFICACY, prompt, (answer,))]
    for name in ("rephrase", "rephrase_prompt"):
        if name in record:
            questions += [Question(PARAPHRASE, text, (answer,)) for text in record.lines(name)]
    for family in (PORTABILITY, LOCALITY):
        questions += _family(record, family)
    return Edit(record.where, f"{number} {record.text(subject)}", prompt, answer, tuple(questions))


def _family(record: Record, family: str) -> Iterator[Question]:
    """The questions of ``portability`` or ``locality``, which are lists by aspect.

    Some records have no such field, or null.
    """
    if not record.fields.get(family):
        return
    aspects = record.record(family)
    for aspect in aspects.fields:
        for item in aspects.records(aspect):
            if accepted := tuple(_flat(item.fields.get("ground_truth"))):
                several = isinstance(item.fields.get("prompt"), list) and item.fields["prompt"]
                prompt = item.texts("prompt")[0] if several else item.text("prompt")
                yield Question(f"{family}_{aspect.lower()}", prompt, accepted)


def _flat(truth: Any) -> Iterator[str]:
    """The texts in ``"a"``, ``["a", ...]`` or ``[["a", "another name of it"], ...]``."""
    if isinstance(truth, str) and truth.strip():
        yield truth.strip()
    elif isinstance(truth, list):
        for part in truth:
            yield from _flat(part)
