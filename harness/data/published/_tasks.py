"""Question sets in the YAML of lm-evaluation-harness, with their data in a JSON or JSON Lines file
beside them."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from harness.data.published._edits import Record, records
from harness.data.published._match import OF_METRIC, Match, read_match
from harness.data.tables import decoded
from harness.errors import DataError

CHOICE, GENERATE, LIKELIHOOD = "multiple_choice", "generate_until", "loglikelihood"
METRICS = {
    CHOICE: ("acc", "acc_norm"),
    GENERATE: ("exact_match",),
    LIKELIHOOD: ("acc", "perplexity"),
}
_DEFAULTS = {CHOICE: ("acc",), GENERATE: ("exact_match",), LIKELIHOOD: ("perplexity", "acc")}
"""Metrics of a task that names none."""
_SPLITS = ("test_split", "validation_split", "training_split", "fewshot_split")
_ASIDE = ("tag", "task_alias", "metadata", "should_decontaminate", "doc_to_decontamination_query")
_KNOWN = (
    *(
        "task",
        "dataset_path",
        "dataset_name",
        "dataset_kwargs",
        "output_type",
        "description",
        "doc_to_text",
    ),
    *(
        "doc_to_target",
        "doc_to_choice",
        "target_delimiter",
        "fewshot_delimiter",
        "num_fewshot",
        "metric_list",
    ),
    *("generation_kwargs", "filter_list"),
    *_SPLITS,
    *_ASIDE,
)


class Item(NamedTuple):
    """One question."""

    where: str
    prompt: str
    """What the model continues, with the delimiter where that is no single space."""
    choices: tuple[str, ...]
    """The right one first; where there are no choices, all that are right."""
    targets: tuple[str, ...] = ()
    """Where an answer is generated, all that are right, as the task gives them."""


class Task(NamedTuple):
    """One question set."""

    name: str
    kind: str
    """``multiple_choice``, ``generate_until`` or ``loglikelihood``."""
    metrics: tuple[str, ...]
    """Of ``acc``, ``acc_norm``, ``exact_match`` and ``perplexity``."""
    items: tuple[Item, ...]
    match: Match = Match()
    """How exact_match compares."""


def read_task(path: Path) -> Task:
    """The task in the YAML file ``path``, without examples in its prompts (``num_fewshot`` 0).

    Keys and templates mean what they mean in lm-evaluation-harness 0.4 (docs/task_guide.md there).
    What needs its Python, its hub, its few-shot examples or another way to generate is refused by
    name.

    Raises:
        DataError: the file or its data cannot be used; the line says why.
    """
    given = Record(f"{path}:", _yaml(path))
    for name in given.fields:
        if name not in _KNOWN:
            raise DataError(
                f"{path}: {name!r} is not supported: leave it out, or word it by doc_to_text and"
                " the like"
            )
    if given.fields.get("num_fewshot"):
        raise DataError(
            f"{path}: num_fewshot is {given.fields['num_fewshot']}: prompts have no examples here,"
            " give 0"
        )
    name, kind = given.text("task"), given.text("output_type")
    if kind not in METRICS:
        raise DataError(
            f"{path}: output_type {kind!r} is not supported: choose one of {', '.join(METRICS)}"
        )
    if not re.fullmatch(r"\w+", name):
        raise DataError(
            f"{path}: task {name!r} is a column of the report: name it by letters, digits and _"
        )
    metrics = _metrics(given, kind)
    documents = list(records(_data(path, given)))
    if not documents:
        raise DataError(f"{path}: its data has no questions: give at least one")
    if kind == GENERATE:
        _check_targets(given, documents)
    elif given.fields.get("filter_list"):
        raise DataError(f"{path}: filter_list is for generate_until: leave it out")
    read = {CHOICE: _choice, GENERATE: _generated, LIKELIHOOD: _continued}[kind]
    items = tuple(read(given, document) for document in documents)
    match = read_match(given, given.records("metric_list")) if kind == GENERATE else Match()
    return Task(name, kind, metrics, items, match)


def _yaml(path: Path) -> Any:
    import yaml

    try:
        return yaml.safe_load(decoded(path, "a YAML file"))
    except yaml.YAMLError as error:
        said = " ".join(str(error).split())
        raise DataError(
            f"{path} is no YAML that can be read without running code: {said}"
        ) from error


def _metrics(given: Record, kind: str) -> tuple[str, ...]:
    """Names of the figures. Raises DataError on those that are computed otherwise."""
    asked = given.records("metric_list")
    names = tuple(one.text("metric") for one in asked) or _DEFAULTS[kind]
    for name in names:
        if name not in METRICS[kind]:
            raise DataError(
                f"{given.where} metric {name!r} is not for {kind}: choose of"
                f" {', '.join(METRICS[kind])}"
            )
        if names.count(name) > 1:
            raise DataError(f"{given.where} metric {name!r} stands twice in metric_list: keep one")
    for one in asked:
        usual = "perplexity" if one.text("metric") == "perplexity" else "mean"
        if one.fields.get("aggregation", usual) != usual:
            line = f"{one.where} aggregation is {one.fields['aggregation']!r}"
            raise DataError(f"{line}: it is always {usual} here")
        settings = () if kind == GENERATE else sorted(one.fields.keys() - set(OF_METRIC))
        if settings:
            raise DataError(f"{one.where} {settings[0]} is not supported: leave it out")
    return names


def _data(path: Path, given: Record) -> Path:
    """The file beside the YAML: ``data_files`` of ``dataset_kwargs``, or of these the split that is
    tested on."""
    if given.text("dataset_path") != "json":
        raise DataError(
            f"{path}: dataset_path is {given.text('dataset_path')!r}: only local data is read, by"
            " json"
        )
    files = given.record("dataset_kwargs").fields.get("data_files")
    if isinstance(files, Mapping):
        split = next(
            (given.fields[name] for name in _SPLITS if given.fields.get(name) in files), None
        )
        files = files.get(split)
    if not isinstance(files, str):
        raise DataError(
            f"{path}: data_files names no one file for test_split: give it as {{test:"
            " questions.jsonl}"
        )
    return path.parent / files


def _choice(given: Record, document: Record) -> Item:
    choices = _choices(given, document)
    gold = _gold(given, document, choices)
    rest = (choice for place, choice in enumerate(choices) if place != gold)
    return Item(document.where, _prompt(given, document), (choices[gold], *rest))


def _gold(given: Record, document: Record, choices: list[str]) -> int:
    gold = _target(given, document)
    if isinstance(gold, str) and gold in choices:
        return choices.index(gold)
    if not isinstance(gold, int) or not 0 <= gold < len(choices):
        raise DataError(
            f"{document.where} doc_to_target gives {gold!r}: it must be one of the {len(choices)}"
            " choices, or its index"
        )
    return gold


def _target(given: Record, document: Record) -> Any:
    """A column as it is; a template beside choices is an index where it gives digits, and any may
    give a list."""
    found = _value(given, document, "doc_to_target")
    if not isinstance(found, str) or given.text("doc_to_target") in document:
        return found
    index = found.isdigit() and given.fields.get("doc_to_choice") is not None
    return _literal(found) if index or (found[:1] == "[" and found[-1:] == "]") else found


def _choices(given: Record, document: Record) -> list[str]:
    template = given.fields.get("doc_to_choice")
    if isinstance(template, Mapping):
        template = list(template.values())
    found = _value(given, document, "doc_to_choice") if isinstance(template, str) else template
    if isinstance(found, str):
        found = _literal(found)
    if (
        not isinstance(found, list)
        or len(found) < 2
        or not all(isinstance(one, str) and one.strip() for one in found)
    ):
        raise DataError(
            f"{document.where} doc_to_choice gives no list of texts: give two or more choices"
        )
    return [_scorable(document, one.strip()) for one in found]


def _literal(text: str) -> Any:
    """The value that ``text`` is in Python, or else itself."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _check_targets(given: Record, documents: list[Record]) -> None:
    """The original takes all targets for lists, or for single answers, as the first one is."""
    if given.fields.get("doc_to_choice") is None:
        several = isinstance(_target(given, documents[0]), list)
        for document in documents:
            target = _target(given, document)
            if isinstance(target, list) != several:
                first = "a list" if several else "one answer"
                line = f"{document.where} doc_to_target gives {target!r}"
                raise DataError(f"{line}: the first question has {first}")


def _generated(given: Record, document: Record) -> Item:
    if given.fields.get("doc_to_choice") is None:
        target = _target(given, document)
    else:
        choices = _choices(given, document)
        target = choices[_gold(given, document, choices)]
    if isinstance(target, (int, float)):
        target = str(target)
    targets = target if isinstance(target, list) else [target]
    if not targets or not all(isinstance(one, str) and one.strip() for one in targets):
        line = f"{document.where} doc_to_target gives {target!r}"
        raise DataError(f"{line}: give one answer, or a list of them")
    accepted = tuple(dict.fromkeys(one.strip() for one in targets if ";" not in one))
    if not accepted:
        _scorable(document, targets[0])
    return Item(document.where, _prompt(given, document), accepted, tuple(targets))


def _continued(given: Record, document: Record) -> Item:
    """What is scored begins with the space before it, wherever the task has it."""
    target, before = _target(given, document), _text(given, document)
    if not isinstance(target, str) or not target.strip():
        raise DataError(f"{document.where} doc_to_target gives {target!r}: give one text")
    prompt = before.rstrip()
    rest = before[len(prompt) :] + target
    answer = rest.strip()
    if not prompt or rest != f" {answer}":
        raise DataError(
            f"{document.where} doc_to_text and doc_to_target give {prompt[-20:]!r} and"
            f" {rest[:40]!r}: what is scored must follow a text, with one space between and none"
            " behind"
        )
    return Item(document.where, prompt, (_scorable(document, answer),))


def _scorable(document: Record, text: str) -> str:
    if ";" in text:  # between the names of a list, in accepted answers
        raise DataError(f"{document.where} the answer {text!r} holds a semicolon: write it without")
    return text


def _prompt(given: Record, document: Record) -> str:
    """An answer goes on with a space from what does not end in one."""
    text = _text(given, document)
    delimiter = given.fields.get("target_delimiter", " ")
    prompt = text.rstrip(" ") if delimiter == " " else f"{text}{delimiter}"
    if delimiter != " " and not prompt[-1:].isspace():
        raise DataError(
            f"{given.where} target_delimiter is {delimiter!r}: end it, or doc_to_text, with a space"
        )
    return prompt


def _text(given: Record, document: Record) -> str:
    """The description, and what is asked."""
    asked = _value(given, document, "doc_to_text")
    if not isinstance(asked, str):
        raise DataError(f"{document.where} doc_to_text gives {asked!r}: give a text")
    return _rendered(given, document, str(given.fields.get("description") or "")) + asked


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
        sandbox = ImmutableSandboxedEnvironment(
            undefined=StrictUndefined, keep_trailing_newline=True
        )
        return sandbox.from_string(template).render(document.fields)
    except TemplateError as error:
        raise DataError(
            f"{document.where} the template {template!r} of {given.where[:-1]} fails: {error}"
        ) from error
