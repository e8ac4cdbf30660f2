"""The exact_match of lm-evaluation-harness: where an answer ends, and how it is compared."""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from harness.data.published._edits import Record
from harness.errors import DataError

_GREEDY = ("do_sample", "temperature")
"""Keys that ``generation_kwargs`` may have where their value is false or 0."""
_FLAGS = ("ignore_case", "ignore_punctuation", "ignore_numbers")
OF_METRIC = ("metric", "aggregation", "higher_is_better")
"""Keys that every entry of ``metric_list`` may have."""
_REGEX: dict[str, Any] = {
    "regex_pattern": r"#### (\-?[0-9\.\,]+)",
    "group_select": 0,
    "fallback": "[invalid]",
}
"""Settings of the filter ``regex``, with their defaults."""
_PLAIN: dict[str, Callable[[str], str]] = {
    "remove_whitespace": str.strip,
    "lowercase": str.lower,
    "uppercase": str.upper,
}


class Step(NamedTuple):
    """One filter of an answer."""

    name: str
    """One of ``regex``, ``remove_whitespace``, ``lowercase`` and ``uppercase``."""
    pattern: str = ""
    place: int = 0
    """Which of several matches is used: 0 for the first, -1 for the last."""
    fallback: str = ""
    """The result for an answer without a match."""

    def __call__(self, text: str) -> str:
        if self.name != "regex":
            return _PLAIN[self.name](text)
        matches = re.findall(self.pattern, text)
        if not matches:
            return self.fallback
        match = matches[self.place]
        if isinstance(match, tuple):  # the pattern has several groups
            match = next(filter(None, match), self.fallback)
        return str(match).strip()


class Match(NamedTuple):
    """The comparison of an answer with its targets."""

    until: tuple[str, ...] = ()
    """Strings that end an answer; the line end is one of them."""
    filters: tuple[Step, ...] | None = None
    """None where the task has no filters; spaces around answer and targets do not count then."""
    regexes: tuple[str, ...] = ()
    """Their matches are removed from answer and target before the comparison."""
    ignored: tuple[str, ...] = ()
    """Some of ``ignore_case``, ``ignore_punctuation`` and ``ignore_numbers``."""

    def __call__(self, answer: str, targets: Sequence[str]) -> bool:
        """Whether ``answer`` equals one of ``targets``, which are as in the task."""
        for stop in self.until:
            answer = answer.partition(stop)[0]
        for step in self.filters or ():
            answer = step(answer)
        return self._compared(answer) in map(self._compared, targets)

    def _compared(self, text: str) -> str:
        if self.filters is None:
            text = text.strip()
        for regex in self.regexes:
            text = re.sub(regex, "", text)
        if "ignore_case" in self.ignored:
            text = text.lower()
        if "ignore_punctuation" in self.ignored:
            text = _without(text, string.punctuation)
        return _without(text, string.digits) if "ignore_numbers" in self.ignored else text


def _without(text: str, characters: str) -> str:
    return text.translate(str.maketrans("", "", characters))


def read_match(task: Record, metrics: Sequence[Record]) -> Match:
    """The comparison of ``task``, whose ``metric_list`` is ``metrics``.

    Raises:
        DataError: a setting is not supported.
    """
    return Match(_until(task), _filters(task), *_settings(metrics))


def _until(task: Record) -> tuple[str, ...]:
    """The strings that end an answer.

    Raises:
        DataError: answers are not greedy, or may be longer than one line.
    """
    name = "generation_kwargs"
    settings = task.record(name).fields if task.fields.get(name) else {}
    for setting, value in settings.items():
        if setting != "until" and (value or setting not in _GREEDY):
            line = f"{task.where} {setting} of {name} is not supported"
            raise DataError(f"{line}: set it by --decoding instead")
    until = settings.get("until", [task.fields.get("fewshot_delimiter", "\n\n")])
    until = [until] if isinstance(until, str) else until
    are_texts = isinstance(until, list) and all(isinstance(text, str) for text in until)
    if not are_texts or "\n" not in until:
        line = f"{task.where} until of {name} is {until!r}"
        raise DataError(f'{line}: answers end with their line here, add "\\n"')
    return tuple(filter(None, until))


def _filters(task: Record) -> tuple[Step, ...] | None:
    """The filters before ``take_first``, or None where the task has none.

    Raises:
        DataError: there are several pipelines, or a filter is not supported.
    """
    pipelines = task.records("filter_list")
    if not pipelines:
        return None
    if len(pipelines) > 1:
        line = f"{task.where} filter_list has {len(pipelines)} pipelines"
        raise DataError(f"{line}: keep the one whose figure you want")
    steps = pipelines[0].records("filter")
    names = [step.text("function") for step in steps]
    if names.count("take_first") != 1 or names[-1] != "take_first":
        line = f"{pipelines[0].where} take_first is not its last filter"
        raise DataError(f"{line}: put it there, once")
    # Engines here strip answers and the original does not, so only stripped answers are comparable.
    if names[0] != "remove_whitespace":
        line = f"{pipelines[0].where} the first filter is {names[0]!r}"
        raise DataError(
            f"{line}: answers have no spaces around them here, begin with remove_whitespace"
        )
    return tuple(_step(step) for step in steps[:-1])


def _step(step: Record) -> Step:
    name = step.text("function")
    if name not in ("regex", *_PLAIN):
        known = ", ".join(("regex", *_PLAIN, "take_first"))
        raise DataError(f"{step.where} the filter {name!r} is not supported: choose one of {known}")
    settings = {key: value for key, value in step.fields.items() if key != "function"}
    for key in settings:
        if name != "regex" or key not in _REGEX:
            line = f"{step.where} {key} of the filter {name!r} is not supported"
            raise DataError(f"{line}: leave it out")
    if name != "regex":
        return Step(name)
    pattern, place, fallback = ({**_REGEX, **settings}[key] for key in _REGEX)
    if place not in (0, -1):
        line = f"{step.where} group_select is {place!r}"
        raise DataError(f"{line}: write 0 for the first match, or -1 for the last")
    return Step(name, _regex(step, pattern), place, str(fallback))


def _settings(metrics: Sequence[Record]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The regexes and flags of exact_match.

    Raises:
        DataError: a setting is not supported.
    """
    for metric in metrics:
        for name, value in metric.fields.items():
            if value and name not in (*OF_METRIC, *_FLAGS, "regexes_to_ignore"):
                raise DataError(f"{metric.where} {name} is not supported: leave it out")
    if not metrics:
        return (), ()
    (metric,) = metrics
    regexes = metric.fields.get("regexes_to_ignore") or []
    if not isinstance(regexes, list):
        raise DataError(f"{metric.where} regexes_to_ignore is {regexes!r}: write a list of them")
    ignored = tuple(flag for flag in _FLAGS if metric.fields.get(flag))
    return tuple(_regex(metric, regex) for regex in regexes), ignored


def _regex(record: Record, pattern: Any) -> str:
    try:
        re.compile(pattern)
    except (re.error, TypeError) as error:
        raise DataError(
            f"{record.where} {pattern!r} is not a regular expression: {error}"
        ) from error
    return str(pattern)
