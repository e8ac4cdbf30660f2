"""What the models of a session know, read once: every grid of every scenario wants it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

from harness.data.knowledge import Knowledge
from harness.errors import NotCachedError
from harness.experiments import selection
from harness.experiments.asking import knowledge_of
from harness.experiments.scenario import Fetch
from harness.experiments.selection import KnowledgeOf
from harness.recipes import Base, Chat


def known_by(
    bank: Path | None, cached: Fetch, fetch: Fetch | None, say: Callable[[str], None]
) -> KnowledgeOf:
    """What each model was asked before; without that it is asked now, through ``fetch``.

    ``bank`` has the questions (None: the shipped ones). ``cached`` gives only what is in the store,
    and without ``fetch`` nothing is built: a model that was never asked is then taken to know the
    shipped tables, and is said not to have been asked.
    """

    @cache
    def known(base: Base, chat: Chat | None = None) -> Knowledge:
        try:
            return knowledge_of(base, chat, bank, cached)
        except NotCachedError:
            if fetch is None:
                return selection.unasked_knowledge(base)
        say(f"asking {base.name} what it knows, once: this takes minutes")
        return knowledge_of(base, chat, bank, fetch)

    return known
