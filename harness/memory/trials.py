"""What suites on memory share: shelves for a base, training text, and figures of policies."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from harness.data.formats import question
from harness.errors import NotCachedError, RecipeError
from harness.experiments import AdapterSpec, Evidence, Fetch, Setup
from harness.grading import normalise
from harness.memory._tokens import Tokens
from harness.memory.learnable import PLAIN, Learnable, dataset
from harness.memory.pairs import Ask
from harness.memory.passages import Passage
from harness.memory.policies import Shelf
from harness.models.gguf import header
from harness.recipes import Base, Chat, Dataset, Decoding, Probe, Training
from harness.stats import Interval, cluster_ratio

logger = logging.getLogger(__name__)

SHORT = Decoding(max_new_tokens=16)
"""Answers are names and values."""
LEARNT = Training(
    epochs=12,
    rank=8,
    alpha=16,
    lr=2e-3,
    batch=16,
    micro_batch=16,
    dropout=0.0,
    loss_on="answers",
    scheduler="linear",
    skip_layers=0.25,
)
"""Of an adapter that is on only where it knows something about the question.

Nothing is replayed: other questions never meet it.
"""
_QUESTION = 64
"""Tokens that are left for a question in its format."""
_CONTEXT = 1024
"""Of a model that does not show its own, as on a server."""
_CHARACTERS = 3
"""Of English text in a token, at least."""
WRITTEN = Learnable()
"""How passages are made learnable: questions that a model writes."""


def room(base: Base, answer: int = SHORT.max_new_tokens) -> int:
    """Tokens that may stand before a question to ``base``, so that an answer fits behind it."""
    return _size(base).context - answer - _QUESTION


def tokens(base: Base, text: str) -> int:
    """Tokens of ``text``."""
    return _size(base).count(text)


def shelf(
    base: Base,
    passages: Sequence[Passage],
    adapters: Iterable[Iterable[int]] = (),
    room_of: int = 0,
) -> Shelf:
    """The passages as ``base`` reads them, ``room_of`` tokens at once (0: as many as it takes).

    ``adapters``: which of the passages each adapter knows.
    """
    return Shelf.of(passages, adapters, _size(base).count, room_of or room(base))


def text_of(
    setup: Setup,
    passages: Sequence[Passage],
    name: str,
    probes: Iterable[Probe],
    learnable: Learnable = WRITTEN,
) -> Dataset:
    """What the harness makes of ``passages`` to learn them, without any question of ``probes``.

    A writer might hit upon the words of a probe. Where nothing may be built, the passages as they
    are stand for what would be written.
    """
    asked = {normalise(question(probe.prompt)) for probe in probes}
    try:
        ask = _ask(setup.base, setup.chat, setup.fetch) if learnable.writes else None
        how = learnable if ask or not learnable.writes else Learnable(PLAIN)
        text = dataset(passages, how, ask, name)
    except NotCachedError:
        text = dataset(passages, Learnable(PLAIN), None, name)
    kept = tuple(
        each
        for each in text.samples
        if not each.prompt or normalise(question(each.prompt)) not in asked
    )
    return text if len(kept) == len(text.samples) else Dataset.of(name, kept)


def joined(name: str, texts: Iterable[Dataset]) -> Dataset:
    """All samples of ``texts`` as one text."""
    return Dataset.of(name, tuple(sample for text in texts for sample in text.samples))


def one_each(texts: Sequence[Dataset], training: Training, seed: int) -> tuple[AdapterSpec, ...]:
    """An adapter of each of ``texts``, under a seed of its own."""
    return tuple(
        AdapterSpec(text, replace(training, seed=1000 * seed + place))
        for place, text in enumerate(texts)
    )


def share_of(evidence: Evidence, other: Evidence, kind: str) -> Interval | None:
    """Recall of questions of ``kind``, over that of ``other``; None where that is 0."""
    theirs = {line.id: line.right for line in other.lines}
    lines = [line for line in evidence.lines if line.kind == kind]
    return cluster_ratio(
        [float(line.right) for line in lines],
        [float(theirs[line.id]) for line in lines],
        [line.fact for line in lines],
    )


def seconds_a_question(evidence: Evidence) -> float:
    """Mean seconds of an answer, with putting adapters on; questions are answered in batches."""
    facts = evidence.fetch(evidence.cell.grades.answers).manifest.facts
    return float(facts["seconds"] + facts["stack_seconds"]) / len(evidence.lines)


@lru_cache(maxsize=4)
def _ask(base: Base, chat: Chat | None, fetch: Fetch) -> Ask | None:
    """Who writes and reads; the writer's files are hashed once, not for every passage.

    None, with a line in the log, where the model cannot write: its passages stay as they are.
    """
    try:
        return Ask.of(base, chat, fetch)
    except RecipeError as error:
        logger.warning("%s; until then its passages are learnt as they are", error)
        return None


class _Estimated(NamedTuple):
    """The context of a model without a folder, and its tokens by the length of a text."""

    context: int

    def count(self, text: str) -> int:
        """Tokens of ``text``, rather too many than too few."""
        return -(-len(text) // _CHARACTERS)


@lru_cache(maxsize=8)
def _size(base: Base) -> Tokens | _Estimated:
    path = Path(base.path)
    if path.is_dir():
        return Tokens(path)
    metadata = header(path) if path.is_file() else {}
    name = f"{metadata.get('general.architecture')}.context_length"
    return _Estimated(int(metadata.get(name) or _CONTEXT))
