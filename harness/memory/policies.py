"""What a question gets: passages to read before it, and adapters that know some.

A policy is a class with a name and ``prepare``. One that reads the newest passage and nothing else:

    @dataclass(frozen=True)
    class Newest:
        name: str = "newest"

        def prepare(self, question: str, shelf: Shelf) -> Prepared:
            return Prepared(context=shelf.passages[-1:])

``Shelved(Newest(), shelf)`` is what ``Design.policy`` takes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

from harness.data.formats import question
from harness.errors import RecipeError
from harness.experiments.routing import Route
from harness.memory.passages import Passage
from harness.memory.relevance import Relevance
from harness.memory.retrieval import Bm25, Index
from harness.recipes import ChatPrompt, Probe, ProbeSet, Prompt

LEAST = 0.28
"""Share of a question's weight that a passage must have to be about it: see ``Relevance``.

Measured by BM25's best passage, of 1 to 100 passages with and without other sentences: at most 3
in 100 questions about invented facts have less, at most 2 in 100 on other matters have more.
"""


@dataclass(frozen=True, eq=False)
class Shelf:
    """What a policy chooses from."""

    passages: tuple[Passage, ...]
    """In order, the newest last."""
    index: Index
    """Over ``texts`` of the passages, with the same places."""
    relevance: Relevance
    """Of the same texts."""
    adapters: tuple[frozenset[int], ...] = ()
    """For each adapter, bottom first, the places of the passages that it knows."""
    tokens: Callable[[str], int] = len
    """Counts the tokens of a text."""
    room: int = 0
    """Tokens that may stand before a question."""

    @classmethod
    def of(
        cls,
        passages: Sequence[Passage],
        adapters: Iterable[Iterable[int]] = (),
        tokens: Callable[[str], int] = len,
        room: int = 0,
        index: Index | None = None,
    ) -> Shelf:
        """The shelf of ``passages``, by BM25 where no ``index`` of their texts is given."""
        texts = [passage.headed for passage in passages]
        return cls(
            tuple(passages),
            Bm25(texts) if index is None else index,
            Relevance(texts),
            tuple(map(frozenset, adapters)),
            tokens,
            room,
        )

    def found(self, question: str, count: int, least: float) -> list[int]:
        """Places of at most ``count`` passages that are about ``question``, the best first.

        Each has at least the share ``least`` of the question's weight; with 0 all that are found.
        """
        places = [hit.place for hit in self.index.search(question, count)]
        if least <= 0:
            return places
        return [place for place in places if self.relevance(question, place) >= least]

    def knowing(self, places: Iterable[int]) -> tuple[int, ...]:
        """The adapters that know a passage of ``places``, each once."""
        wanted = set(places)
        return tuple(number for number, known in enumerate(self.adapters) if known & wanted)

    def fitting(self, places: Sequence[int], room: int = 0) -> tuple[Passage, ...]:
        """As many of ``places``, from the first on, as fit into ``room`` tokens (0: the shelf's).

        They are in the order of the shelf, so that what is newer comes later.
        """
        left = room or self.room
        taken: list[int] = []
        for place in places:
            left -= self.tokens(reading([self.passages[place]]))
            if left < 0:
                break
            taken.append(place)
        return tuple(self.passages[place] for place in sorted(taken))


class Prepared(NamedTuple):
    """What one question gets."""

    context: tuple[Passage, ...] = ()
    """What is read before it, in this order."""
    adapters: tuple[int, ...] = ()
    """Numbers of the adapters that are on."""


class Policy(Protocol):
    """Chooses passages and adapters for each question."""

    @property
    def name(self) -> str:
        """In letters, digits and _: a part of a cell's id."""
        ...

    def prepare(self, question: str, shelf: Shelf) -> Prepared:
        """What ``question`` gets of ``shelf``; the same question gets the same."""
        ...


@dataclass(frozen=True)
class ClosedBook:
    """Nothing: what the model knows by itself."""

    name: str = "closed_book"

    def prepare(self, question: str, shelf: Shelf) -> Prepared:
        """See ``Policy``."""
        return Prepared()


@dataclass(frozen=True)
class Window:
    """The newest passages that fit, as a chat without memory has them."""

    tokens: int = 0
    """0: as many as the context takes."""
    name: str = "window"

    def prepare(self, question: str, shelf: Shelf) -> Prepared:
        """See ``Policy``."""
        newest_first = range(len(shelf.passages) - 1, -1, -1)
        return Prepared(shelf.fitting(newest_first, min(self.tokens or shelf.room, shelf.room)))


@dataclass(frozen=True)
class FullContext:
    """All passages before every question."""

    name: str = "full_context"

    def prepare(self, question: str, shelf: Shelf) -> Prepared:
        """See ``Policy``. Raises RecipeError where they are too long."""
        whole = shelf.fitting(range(len(shelf.passages)))
        if len(whole) < len(shelf.passages):
            needed = shelf.tokens(reading(shelf.passages))
            raise RecipeError(
                f"policy {self.name}: {len(shelf.passages)} passages are {needed} tokens, the"
                f" context takes {shelf.room}: choose window or retrieval"
            )
        return Prepared(whole)


@dataclass(frozen=True)
class Retrieval:
    """The passages that are found for the question, in the context."""

    count: int = 3
    least: float = LEAST
    name: str = "retrieval"

    def prepare(self, question: str, shelf: Shelf) -> Prepared:
        """See ``Policy``."""
        return Prepared(shelf.fitting(shelf.found(question, self.count, self.least)))


@dataclass(frozen=True)
class Lora:
    """The adapters that know the passages that are found for the question; no text.

    A question that no passage is about gets no adapter, so what the model knew stays as it was.
    """

    count: int = 1
    least: float = LEAST
    name: str = "lora"

    def prepare(self, question: str, shelf: Shelf) -> Prepared:
        """See ``Policy``."""
        found = shelf.found(question, self.count, self.least)
        return Prepared(adapters=shelf.knowing(found))


@dataclass(frozen=True)
class AlwaysOn:
    """All adapters, for every question; no text."""

    name: str = "always_on"

    def prepare(self, question: str, shelf: Shelf) -> Prepared:
        """See ``Policy``."""
        return Prepared(adapters=tuple(range(len(shelf.adapters))))


@dataclass(frozen=True)
class LoraAndRetrieval:
    """Adapters as ``Lora`` puts them on, with passages as ``Retrieval`` has them read."""

    count: int = 1
    """Passages by which adapters are chosen."""
    read: int = 3
    """Passages in the context."""
    least: float = LEAST
    name: str = "lora_and_retrieval"

    def prepare(self, question: str, shelf: Shelf) -> Prepared:
        """See ``Policy``."""
        found = shelf.found(question, max(self.count, self.read), self.least)
        return Prepared(shelf.fitting(found[: self.read]), shelf.knowing(found[: self.count]))


@dataclass(frozen=True)
class Beside:
    """What another policy chooses, with the newest passages in the context."""

    other: Policy
    tokens: int = 0
    """Of the newest passages, as in ``Window``."""

    @property
    def name(self) -> str:
        """For example ``window_and_lora``."""
        return f"window_and_{self.other.name}"

    def prepare(self, question: str, shelf: Shelf) -> Prepared:
        """See ``Policy``."""
        newest = Window(self.tokens).prepare(question, shelf).context
        left = max(0, shelf.room - shelf.tokens(reading(newest)))
        context, adapters = self.other.prepare(question, replace(shelf, room=left))
        return Prepared((*(each for each in context if each not in newest), *newest), adapters)


POLICIES: dict[str, Policy] = {
    policy.name: policy
    for policy in (
        ClosedBook(),
        Window(),
        Retrieval(),
        Lora(),
        LoraAndRetrieval(),
        AlwaysOn(),
        FullContext(),
    )
}
"""Those that are shipped, by name."""


def policy_named(name: str) -> Policy:
    """The shipped policy ``name``. Raises RecipeError."""
    if name not in POLICIES:
        raise RecipeError(f"policy {name!r} is unknown: choose one of {', '.join(POLICIES)}")
    return POLICIES[name]


def reading(passages: Sequence[Passage]) -> str:
    """``passages`` as they stand before a question; empty without any."""
    return "".join(f"{passage.headed}\n\n" for passage in passages)


def in_context(prompt: Prompt, passages: Sequence[Passage]) -> Prompt:
    """``prompt`` with ``passages`` to be read before it; in a chat they begin the user's turn."""
    before = reading(passages)
    if isinstance(prompt, ChatPrompt):
        return prompt._replace(text=before + prompt.text)
    return before + prompt


@dataclass(frozen=True, eq=False)
class Shelved:
    """A policy over a shelf: what ``Design.policy`` takes.

    The adapters of the design are those of the shelf, in the same order.
    """

    policy: Policy
    shelf: Shelf

    @property
    def name(self) -> str:
        """That of the policy."""
        return self.policy.name

    def routes(self, probes: ProbeSet) -> list[Route]:
        """How each probe is asked: see ``harness.experiments.Routing``."""
        return [self._route(probe) for probe in probes.probes]

    def _route(self, probe: Probe) -> Route:
        asked = probe.prompt if probe.chat else question(probe.prompt)
        context, adapters = self.policy.prepare(asked, self.shelf)
        return Route(replace(probe, prompt=reading(context) + probe.prompt), adapters)
