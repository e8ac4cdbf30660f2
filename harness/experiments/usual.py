"""How a model is trained where nobody says how: its preset, and what is replayed to it."""

from __future__ import annotations

from harness.data import knowledge
from harness.experiments.asking import Fetch, own_answers
from harness.models.loading import shipped_content
from harness.recipes import Base, Chat, Dataset, Training
from harness.training.presets import automatic, for_size, preset

KNOWN = "known"
"""Replayed is what the shipped model knows."""
OWN = "own"
"""Replayed is what the model itself answers to everyday requests."""
_NO_REPLAY = "seed2023"


def usual_preset(base: Base, chat: Chat | None) -> str:
    """The name of the preset that fits ``base``; ``chat``: where it is trained in its template."""
    if chat is not None or base.content == shipped_content():
        return automatic(chat is not None)
    return _NO_REPLAY  # there is nothing to replay to it


def usual_training(base: Base, chat: Chat | None, samples: int) -> Training:
    """The setting for ``base`` and that many samples."""
    return for_size(preset(usual_preset(base, chat)), samples)


def usual_replay(base: Base, chat: Chat | None) -> str:
    """``KNOWN`` or ``OWN``; empty for a model that no text to replay is known of."""
    if base.content == shipped_content():
        return KNOWN
    return OWN if chat is not None else ""


def replayed(which: str, base: Base, chat: Chat | None, fetch: Fetch) -> Dataset:
    """The text of ``KNOWN`` or ``OWN``; for ``OWN``, ``base`` is asked through ``fetch``."""
    return knowledge.replay() if which == KNOWN else own_answers(base, chat, fetch)
