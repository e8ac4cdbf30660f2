"""A cell as one model is asked: in its chat template, and about what it knows."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import cache, lru_cache

from harness.data.formats import question
from harness.data.knowledge import Knowledge, locality_questions
from harness.data.rewording import content_words
from harness.data.turns import dataset_in_chat, probes_in_chat
from harness.errors import RecipeError
from harness.experiments.adapter_specs import AdapterSpec, ExternalSpec, MergedSpec
from harness.experiments.cells import Ask, Cell
from harness.grading import normalise
from harness.models.chat_templates import has_chat_template
from harness.recipes import BARE, Base, Chat, Dataset, Probe, ProbeSet

AUTO, CHAT, PLAIN = "auto", "chat", "plain"
FORMATS = (AUTO, CHAT, PLAIN)
"""How a model is trained and asked.

``auto`` is ``chat``, its own chat template, where it has one, and else ``plain``: as text that it
continues, in the plain formats of the scenario.
"""
Spec = AdapterSpec | MergedSpec | ExternalSpec


def known_format(name: str) -> str:
    """``name``, where it is one of ``FORMATS``. Raises RecipeError."""
    if name not in FORMATS:
        raise RecipeError(f"--format {name!r} is unknown: choose one of {', '.join(FORMATS)}")
    return name


def chat_settings(system: str, arguments: str) -> Chat:
    """The system prompt ``system`` (empty: the template's own) and JSON ``arguments``.

    Raises:
        RecipeError: ``arguments`` are no JSON object, or hold lists or objects.
    """
    try:
        values = json.loads(arguments or "{}")
    except ValueError:
        values = None
    if not isinstance(values, dict) or any(isinstance(v, dict | list) for v in values.values()):
        raise RecipeError(
            f"--template-args {arguments!r}: give a JSON object of texts, numbers and true or"
            ' false, such as {"enable_thinking": true}'
        )
    before = (("system", system),) if system else ()
    return Chat(before, tuple(sorted(values.items())))


def chat_for(base: Base, wanted: str, chat: Chat) -> Chat | None:
    """The turns before each question, and the template's arguments; None for plain formats.

    Raises:
        RecipeError: ``chat`` is wanted of a model without a template, or its settings without it.
    """
    if wanted == PLAIN or (wanted == AUTO and not has_chat_template(base)):
        if chat != BARE:
            why = "--format is plain" if wanted == PLAIN else f"{base.name} has no chat template"
            raise RecipeError(f"{why}: leave --system and --template-args out")
        return None
    if not has_chat_template(base):
        raise RecipeError(f"{base.name} has no chat template: leave --format chat out")
    return chat


def in_chat(cell: Cell, chat: Chat, plain_kinds: tuple[str, ...]) -> Cell:
    """``cell`` trained and asked in the chat template; probes of ``plain_kinds`` stay as they are.

    What is in turns already stays, too.
    """
    subject = cell.subject
    text = subject.calibration_text
    return cell.changed(
        subject=replace(
            subject,
            adapters=tuple(_in_chat(spec, chat) for spec in subject.adapters),
            calibration_text=text and dataset_in_chat(text, chat),
        ),
        dataset=dataset_in_chat(cell.dataset, chat),
        asks=_each(cell, lambda probes: probes_in_chat(probes, chat, plain_kinds)),
        chat=chat,
    )


def about_known(cell: Cell, knowledge: Knowledge) -> Cell:
    """``cell`` with questions of ``knowledge`` where it asks about the shipped tables."""
    cell = cell.changed(note=knowledge.note, knowledge=knowledge)
    asked = knowledge.questions()
    if asked == locality_questions():
        return cell
    texts = tuple(dict.fromkeys((cell.dataset, *_trained(cell.subject.adapters))))
    own = knowledge.replay()
    subject = replace(
        cell.subject,
        adapters=tuple(_replaying(spec, own, texts) for spec in cell.subject.adapters),
    )
    asked = tuple(probe for probe in asked if not touched(question(probe.prompt), texts))
    return cell.changed(subject=subject, asks=_each(cell, lambda probes: _about(probes, asked)))


def touched(asked: str, texts: tuple[Dataset, ...]) -> bool:
    """Whether one sample of ``texts`` has all the words of the question ``asked`` that matter."""
    words = _words_that_matter(asked)
    return bool(words) and any(words <= sample for text in texts for sample in _words_of(text))


def _words_that_matter(asked: str) -> frozenset[str]:
    return frozenset(normalise(" ".join(content_words(asked.rstrip("?")))).split())


@lru_cache(maxsize=64)
def _words_of(text: Dataset) -> tuple[frozenset[str], ...]:
    return tuple({frozenset(normalise(sample.text).split()): None for sample in text.samples})


def _trained(adapters: Iterable[Spec]) -> Iterator[Dataset]:
    for spec in adapters:
        if isinstance(spec, MergedSpec):
            yield from _trained(spec.specs)
        elif isinstance(spec, AdapterSpec):
            yield spec.dataset
            yield from _trained((*((spec.init_from,) if spec.init_from else ()), *spec.frozen))


def _replaying(spec: Spec, own: Dataset, texts: tuple[Dataset, ...]) -> Spec:
    """``spec`` that does not replay the model's ``own`` answers to what is trained."""
    if isinstance(spec, AdapterSpec) and spec.replay == own:
        return replace(spec, replay=_untouched(own, texts))
    return spec


@lru_cache(maxsize=64)
def _untouched(own: Dataset, texts: tuple[Dataset, ...]) -> Dataset:
    kept = tuple(each for each in own.samples if not touched(question(each.prompt), texts))
    return own if len(kept) == len(own.samples) else Dataset.of(own.name, kept)


def _each(cell: Cell, change: Callable[[ProbeSet], ProbeSet]) -> tuple[Ask, ...]:
    return tuple(replace(ask, probes=change(ask.probes)) for ask in cell.asks)


def _in_chat(spec: Spec, chat: Chat) -> Spec:
    if isinstance(spec, ExternalSpec):
        return spec
    if isinstance(spec, MergedSpec):
        return replace(spec, specs=tuple(_adapter_in_chat(each, chat) for each in spec.specs))
    return _adapter_in_chat(spec, chat)


def _adapter_in_chat(spec: AdapterSpec, chat: Chat) -> AdapterSpec:
    return replace(
        spec,
        dataset=dataset_in_chat(spec.dataset, chat),
        replay=spec.replay and dataset_in_chat(spec.replay, chat),
        init_from=spec.init_from and _adapter_in_chat(spec.init_from, chat),
        frozen=tuple(_adapter_in_chat(each, chat) for each in spec.frozen),
    )


@lru_cache(maxsize=256)
def _about(probes: ProbeSet, asked: tuple[Probe, ...]) -> ProbeSet:
    shipped = _of_tables()
    others = tuple(probe for probe in probes.probes if probe not in shipped)
    if len(others) == len(probes.probes):
        return probes
    return ProbeSet.of(probes.name, (*others, *asked))


@cache
def _of_tables() -> frozenset[Probe]:
    return frozenset(locality_questions())
