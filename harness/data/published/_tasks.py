"""Question sets of lm-evaluation-harness: a task in YAML, its questions in JSON or JSON Lines."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from harness.data.published._edits import Record, records
from harness.data.published._match import OF_METRIC, Match, read_match
from harness.data.user_files import decoded, nearest
from harness.errors import DataError

CHOICE, GENERATE, LIKELIHOOD = "multiple_choice", "generate_until", "loglikelihood"
METRICS = {
    CHOICE: ("acc", "acc_norm"),
    GENERATE: ("exact_match",),
    LIKELIHOOD: ("acc", "perplexity"),
}
_DEFAULTS = {CHOICE: ("acc",), GENERATE: ("exact_match",), LIKELIHOOD: ("perplexity", "acc")}
"""Metrics of a task without a ``metric_list``."""
_SPLITS = ("test_split", "validation_split", "training_split", "fewshot_split")
_IGNORED = ("tag", "task_alias", "metadata", "should_decontaminate", "doc_to_decontamination_query")
"""Keys that do not change the figures."""
_KNOWN = (
    "task",
    "dataset_path",
    "dataset_name",
    "dataset_kwargs",
    "output_type",
    "description",
    "doc_to_text",
    "doc_to_target",
    "doc_to_choice",
    "target_delimiter",
    "fewshot_delimiter",
    "num_fewshot",
    "metric_list",
    "generation_kwargs",
    "filter_list",
    *_SPLITS,
    *_IGNORED,
)
"""Keys that a task may have."""


class Item(NamedTuple):
    """One question."""

    where: str
    """File and place of the question, for messages."""
    prompt: str
    """The prompt, with the delimiter at its end where that is not a single space."""
    choices: tuple[str, ...]
    """The choices, the right one first; without choices, all right answers."""
    targets: tuple[str, ...] = ()
    """All right answers as in the task, where the answer is generated."""


class Task(NamedTuple):
    """One question set."""

    name: str
    kind: str
    """``multiple_choice``, ``generate_until`` or ``loglikelihood``."""
    metrics: tuple[str, ...]
    """Some of ``acc``, ``acc_norm``, ``exact_match`` and ``perplexity``."""
    items: tuple[Item, ...]
    match: Match = Match()
    """The comparison of exact_match."""


def read_task(path: Path) -> Task:
    """The task in the YAML file ``path``, without examples in its prompts (``num_fewshot`` 0).

    Keys and templates have the meaning of lm-evaluation-harness 0.4 (docs/task_guide.md there).
    Tasks that need its Python code, data sets of the hub, few-shot examples or other ways to
    generate are refused.

    Raises:
        DataError: the file or its data cannot be used; the line names the key and says why.
    """
    config = Record(f"{path}:", _yaml(path))
    for name in config.fields:
        if name not in _KNOWN:
            similar = nearest(str(name), _KNOWN)
            meant = f"did you mean {similar}? Else " if similar else ""
            raise DataError(
                f"{path}: {name!r} is not supported: {meant}leave it out, or express it by"
                " doc_to_text and similar keys"
            )
    if config.fields.get("num_fewshot"):
        raise DataError(
            f"{path}: num_fewshot is {config.fields['num_fewshot']}: prompts have no examples here,"
            " give 0"
        )
    name, kind = config.text("task"), config.text("output_type")
    if kind not in METRICS:
        raise DataError(
            f"{path}: output_type {kind!r} is not supported: choose one of {', '.join(METRICS)}"
        )
    if not re.fullmatch(r"\w+", name):
        raise DataError(
            f"{path}: task {name!r} is a column of the report: name it by letters, digits and _"
        )
    metrics = _metrics(config, kind)
    documents = list(records(_data(path, config)))
    if not documents:
        raise DataError(f"{path}: its data has no questions: give at least one")
    if kind == GENERATE:
        _check_targets(config, documents)
    elif config.fields.get("filter_list"):
        raise DataError(f"{path}: filter_list is for generate_until: leave it out")
    read = {CHOICE: _choice, GENERATE: _generated, LIKELIHOOD: _continued}[kind]
    items = tuple(read(config, document) for document in documents)
    match = read_match(config, config.records("metric_list")) if kind == GENERATE else Match()
    return Task(name, kind, metrics, items, match)


def _yaml(path: Path) -> Any:
    import yaml

    try:
        return yaml.safe_load(decoded(path, "a YAML file"))
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        raise DataError(
            f"{path} is not YAML that can be read without running code: {reason}"
        ) from error


def _metrics(config: Record, kind: str) -> tuple[str, ...]:
    """Names of the metrics.

    Raises:
        DataError: a metric is unknown, twice in the list, or computed in another way.
    """
    metrics = config.records("metric_list")
    names = tuple(metric.text("metric") for metric in metrics) or _DEFAULTS[kind]
    for name in names:
        if name not in METRICS[kind]:
            raise DataError(
                f"{config.where} metric {name!r} is not for {kind}: choose one of"
                f" {', '.join(METRICS[kind])}"
            )
        if names.count(name) > 1:
            raise DataError(f"{config.where} metric {name!r} is twice in metric_list: keep one")
    for metric in metrics:
        usual = "perplexity" if metric.text("metric") == "perplexity" else "mean"
        if metric.fields.get("aggregation", usual) != usual:
            line = f"{metric.where} aggregation is {metric.fields['aggregation']!r}"
            raise DataError(f"{line}: it is always {usual} here")
        settings = () if kind == GENERATE else sorted(metric.fields.keys() - set(OF_METRIC))
        if settings:
            raise DataError(f"{metric.where} {settings[0]} is not supported: leave it out")
    return names


def _data(path: Path, config: Record) -> Path:
    """The file of questions beside the YAML: ``data_files``, or its split for the test."""
    if config.text("dataset_path") != "json":
        raise DataError(
            f"{path}: dataset_path is {config.text('dataset_path')!r}: only local data is read, by"
            " json"
        )
    files = config.record("dataset_kwargs").fields.get("data_files")
    if isinstance(files, Mapping):
        split = next(
            (config.fields[name] for name in _SPLITS if config.fields.get(name) in files), None
        )
        files = files.get(split)
    if not isinstance(files, str):
        raise DataError(
            f"{path}: data_files does not name one file for test_split: give it as {{test:"
            " questions.jsonl}"
        )
    return path.parent / files


def _choice(config: Record, document: Record) -> Item:
    choices = _choices(config, document)
    gold = _gold(config, document, choices)
    rest = (choice for place, choice in enumerate(choices) if place != gold)
    return Item(document.where, _prompt(config, document), (choices[gold], *rest))


def _gold(config: Record, document: Record, choices: list[str]) -> int:
    gold = _target(config, document)
    if isinstance(gold, str) and gold in choices:
        return choices.index(gold)
    if not isinstance(gold, int) or not 0 <= gold < len(choices):
        raise DataError(
            f"{document.where} doc_to_target gives {gold!r}: it must be one of the {len(choices)}"
            " choices, or its index"
        )
    return gold


def _target(config: Record, document: Record) -> Any:
    """The value of ``doc_to_target``: a column as it is, or the result of a template.

    A template gives an index where there are choices and the result is digits. It gives a list
    where the result is in brackets.
    """
    target = _value(config, document, "doc_to_target")
    if not isinstance(target, str) or config.text("doc_to_target") in document:
        return target
    is_index = target.isdigit() and config.fields.get("doc_to_choice") is not None
    is_list = target[:1] == "[" and target[-1:] == "]"
    return _literal(target) if is_index or is_list else target


def _choices(config: Record, document: Record) -> list[str]:
    template = config.fields.get("doc_to_choice")
    if isinstance(template, Mapping):
        template = list(template.values())
    choices = _value(config, document, "doc_to_choice") if isinstance(template, str) else template
    if isinstance(choices, str):
        choices = _literal(choices)
    texts = choices if isinstance(choices, list) else []
    if len(texts) < 2 or not all(isinstance(text, str) and text.strip() for text in texts):
        raise DataError(
            f"{document.where} doc_to_choice gives no list of texts: give two or more choices"
        )
    return [_scorable(document, text.strip()) for text in texts]


def _literal(text: str) -> Any:
    """The value of the Python literal ``text``, or ``text`` where it is not a literal."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _check_targets(config: Record, documents: list[Record]) -> None:
    """Raises DataError where some targets are lists and some are not.

    The original takes all targets for lists, or for single answers, like the first one.
    """
    if config.fields.get("doc_to_choice") is None:
        several = isinstance(_target(config, documents[0]), list)
        for document in documents:
            target = _target(config, document)
            if isinstance(target, list) != several:
                first = "a list" if several else "one answer"
                line = f"{document.where} doc_to_target gives {target!r}"
                raise DataError(f"{line}: the first question has {first}")


def _generated(config: Record, document: Record) -> Item:
    if config.fields.get("doc_to_choice") is None:
        target = _target(config, document)
    else:
        choices = _choices(config, document)
        target = choices[_gold(config, document, choices)]
    if isinstance(target, (int, float)):
        target = str(target)
    targets = target if isinstance(target, list) else [target]
    if not targets or not all(isinstance(text, str) and text.strip() for text in targets):
        line = f"{document.where} doc_to_target gives {target!r}"
        raise DataError(f"{line}: give one answer, or a list of them")
    accepted = tuple(dict.fromkeys(text.strip() for text in targets if ";" not in text))
    if not accepted:
        _scorable(document, targets[0])  # raises, as every target holds a semicolon
    return Item(document.where, _prompt(config, document), accepted, tuple(targets))


def _continued(config: Record, document: Record) -> Item:
    """A question whose target is scored with the space before it."""
    target, before = _target(config, document), _text(config, document)
    if not isinstance(target, str) or not target.strip():
        raise DataError(f"{document.where} doc_to_target gives {target!r}: give one text")
    prompt = before.rstrip()
    rest = before[len(prompt) :] + target
    answer = rest.strip()
    if not prompt or rest != f" {answer}":
        raise DataError(
            f"{document.where} doc_to_text and doc_to_target give {prompt[-20:]!r} and"
            f" {rest[:40]!r}: the target must follow a text, with one space between and none"
            " at the end"
        )
    return Item(document.where, prompt, (_scorable(document, answer),))


def _scorable(document: Record, text: str) -> str:
    if ";" in text:  # it separates the names of a list in accepted answers
        raise DataError(f"{document.where} the answer {text!r} holds a semicolon: write it without")
    return text


def _prompt(config: Record, document: Record) -> str:
    """The prompt; an answer begins with a space where the prompt does not end in one."""
    text = _text(config, document)
    delimiter = config.fields.get("target_delimiter", " ")
    prompt = text.rstrip(" ") if delimiter == " " else f"{text}{delimiter}"
    if delimiter != " " and not prompt[-1:].isspace():
        raise DataError(
            f"{config.where} target_delimiter is {delimiter!r}: end it or doc_to_text with a space"
        )
    return prompt


def _text(config: Record, document: Record) -> str:
    """The description and the question."""
    question = _value(config, document, "doc_to_text")
    if not isinstance(question, str):
        raise DataError(f"{document.where} doc_to_text gives {question!r}: give a text")
    return _rendered(config, document, str(config.fields.get("description") or "")) + question


def _value(config: Record, document: Record, key: str) -> Any:
    """The value of ``key``: a column of the data, or the result of a template."""
    template = (
        config.text(key) if isinstance(config.fields.get(key), str) else config.fields.get(key)
    )
    if not isinstance(template, str):
        return template
    if template in document:
        return document.fields[template]
    return _rendered(config, document, config.fields[key])


def _rendered(config: Record, document: Record, template: str) -> str:
    """``template`` filled from ``document``, in jinja2's sandbox, as the file may be foreign."""
    from jinja2 import StrictUndefined, TemplateError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    try:
        sandbox = ImmutableSandboxedEnvironment(
            undefined=StrictUndefined, keep_trailing_newline=True
        )
        return sandbox.from_string(template).render(document.fields)
    except TemplateError as error:
        raise DataError(
            f"{document.where} the template {template!r} of {config.where[:-1]} fails: {error}"
        ) from error
