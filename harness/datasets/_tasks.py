"""Question sets in the YAML of lm-evaluation-harness, with their data in a JSON or JSON Lines file beside them."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from harness.datasets._json import Record, records
from harness.errors import DataError
from harness.tables import decoded

CHOICE, GENERATE = "multiple_choice", "generate_until"
METRICS = {CHOICE: ("acc", "acc_norm"), GENERATE: ("exact_match",)}
_SPLITS = ("test_split", "validation_split", "training_split", "fewshot_split")
_ASIDE = ("tag", "task_alias", "metadata", "generation_kwargs", "should_decontaminate", "doc_to_decontamination_query")
_KNOWN = (
    *("task", "dataset_path", "dataset_name", "dataset_kwargs", "output_type", "description", "doc_to_text"),
    *("doc_to_target", "doc_to_choice", "target_delimiter", "fewshot_delimiter", "num_fewshot", "metric_list"),
    *_SPLITS,
    *_ASIDE,
)


class Item(NamedTuple):
    """One question."""

    where: str
    prompt: str
    """What the model continues, with the delimiter where that is no single space."""
    choices: tuple[str, ...]
    """The right one first; only that one where an answer is generated."""


class Task(NamedTuple):
    """One question set."""

    name: str
    kind: str
    """``multiple_choice`` or ``generate_until``."""
    metrics: tuple[str, ...]
    """Of ``acc``, ``acc_norm`` and ``exact_match``."""
    folded: tuple[str, ...]
    """Of ``ignore_case`` and ``ignore_punctuation``, by which exact_match compares."""
    items: tuple[Item, ...]


def read_task(path: Path) -> Task:
    """The task in the YAML file ``path``, without examples in its prompts (``num_fewshot`` 0).

    Keys and templates mean what they mean in lm-evaluation-harness 0.4 (docs/task_guide.md there). What needs its
    Python, its hub or its few-shot examples is refused by name.

    Raises:
        DataError: the file or its data cannot be used; the line says why.
    """
    given = Record(f"{path}:", _yaml(path))
    for name in given.fields:
        if name not in _KNOWN:
            raise DataError(f"{path}: {name!r} is not supported: leave it out, or word it by doc_to_text and the like")
    if given.fields.get("num_fewshot"):
        raise DataError(f"{path}: num_fewshot is {given.fields['num_fewshot']}: prompts have no examples here, give 0")
    name, kind = given.text("task"), given.text("output_type")
    if kind not in METRICS:
        raise DataError(f"{path}: output_type {kind!r} is not supported: choose one of {', '.join(METRICS)}")
    if not re.fullmatch(r"\w+", name):
        raise DataError(f"{path}: task {name!r} is a column of the report: name it by letters, digits and _")
    metrics, folded = _metrics(given, kind)
    read = _choice if kind == CHOICE else _generated
    items = tuple(read(given, document) for document in records(_data(path, given)))
    if not items:
        raise DataError(f"{path}: its data has no questions: give at least one")
    return Task(name, kind, metrics, folded, items)


def _yaml(path: Path) -> Any:
    import yaml

    try:
        return yaml.safe_load(decoded(path, "a YAML file"))
    except yaml.YAMLError as error:
        said = " ".join(str(error).split())
        raise DataError(f"{path} is no YAML that can be read without running code: {said}") from error


def _metrics(given: Record, kind: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    asked = given.records("metric_list")
    names = tuple(one.text("metric") for one in asked) or METRICS[kind][:1]
    for name in names:
        if name not in METRICS[kind]:
            raise DataError(f"{given.where} metric {name!r} is not for {kind}: choose of {', '.join(METRICS[kind])}")
    if any(one.fields.get("regexes_to_ignore") for one in asked):
        raise DataError(f"{given.where} regexes_to_ignore is not supported: leave it out")
    folded = ("ignore_case", "ignore_punctuation")
    return names, tuple(name for name in folded if any(one.fields.get(name) for one in asked))


def _data(path: Path, given: Record) -> Path:
    """The file beside the YAML: ``data_files`` of ``dataset_kwargs``, or of these the split that is tested on."""
    if given.text("dataset_path") != "json":
        raise DataError(f"{path}: dataset_path is {given.text('dataset_path')!r}: only local data is read, by json")
    files = given.record("dataset_kwargs").fields.get("data_files")
    if isinstance(files, Mapping):
        split = next((given.fields[name] for name in _SPLITS if given.fields.get(name) in files), None)
        files = files.get(split)
    if not isinstance(files, str):
        raise DataError(f"{path}: data_files names no one file for test_split: give it as {{test: questions.jsonl}}")
    return path.parent / files


def _choice(given: Record, document: Record) -> Item:
    choices = _choices(given, document)
    gold = _value(given, document, "doc_to_target")
    if isinstance(gold, str) and gold in choices:
        gold = choices.index(gold)
    elif isinstance(gold, str) and gold.strip().isdigit():
        gold = int(gold)
    if not isinstance(gold, int) or not 0 <= gold < len(choices):
        raise DataError(f"{document.where} doc_to_target gives {gold!r}: it must be one of the {len(choices)} choices")
    rest = (choice for place, choice in enumerate(choices) if place != gold)
    return Item(document.where, _prompt(given, document), (choices[gold], *rest))


def _choices(given: Record, document: Record) -> list[str]:
    template = given.fields.get("doc_to_choice")
    if isinstance(template, Mapping):
        template = list(template.values())
    found = _value(given, document, "doc_to_choice") if isinstance(template, str) else template
    if isinstance(found, str):
        try:
            found = ast.literal_eval(found)
        except (ValueError, SyntaxError):
            found = None
    if not isinstance(found, list) or len(found) < 2 or not all(isinstance(one, str) and one.strip() for one in found):
        raise DataError(f"{document.where} doc_to_choice gives no list of texts: give two or more choices")
    return [_scorable(document, one.strip()) for one in found]


def _generated(given: Record, document: Record) -> Item:
    target = _value(given, document, "doc_to_target")
    if not isinstance(target, (str, int, float)) or not str(target).strip():
        raise DataError(f"{document.where} doc_to_target gives {target!r}: give one answer")
    return Item(document.where, _prompt(given, document), (_scorable(document, str(target).strip()),))


def _scorable(document: Record, text: str) -> str:
    if ";" in text:  # between the names of a list, in accepted answers
        raise DataError(f"{document.where} the answer {text!r} holds a semicolon: write it without")
    return text


def _prompt(given: Record, document: Record) -> str:
    """An answer goes on with a space from what does not end in one."""
    text = f"{given.fields.get('description', '')}{_value(given, document, 'doc_to_text')}"
    delimiter = given.fields.get("target_delimiter", " ")
    prompt = text.rstrip(" ") if delimiter == " " else f"{text}{delimiter}"
    if delimiter != " " and not prompt[-1:].isspace():
        raise DataError(f"{given.where} target_delimiter is {delimiter!r}: end it, or doc_to_text, with a space")
    return prompt


def _value(given: Record, document: Record, key: str) -> Any:
    """A column of the data by its name, or a template filled in."""
    template = given.text(key) if isinstance(given.fields.get(key), str) else given.fields.get(key)
    if not isinstance(template, str):
        return template
    if template in document:
        return document.fields[template]
    return _rendered(given, document, given.fields[key])


def _rendered(given: Record, document: Record, template: str) -> str:
    from jinja2 import StrictUndefined, TemplateError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    try:
        sandbox = ImmutableSandboxedEnvironment(undefined=StrictUndefined, keep_trailing_newline=True)
        return sandbox.from_string(template).render(document.fields)
    except TemplateError as error:
        raise DataError(f"{document.where} the template {template!r} of {given.where[:-1]} fails: {error}") from error
