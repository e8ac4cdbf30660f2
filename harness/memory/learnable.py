"""Passages as training text: as they are, in other words, or as questions about them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.data.formats import ask as asked_in
from harness.data.formats import reply
from harness.data.rewording import framed, reworded
from harness.data.turns import dataset_in_chat
from harness.data.writing import Pair
from harness.errors import DataError, RecipeError
from harness.grading import normalise
from harness.memory.pairs import Ask, Kept, kept, reading
from harness.memory.passages import Passage
from harness.recipes import Chat, Dataset, Sample

PLAIN, REWRITES, QUESTIONS, BOTH = "plain", "rewrites", "questions", "both"
WAYS = (PLAIN, REWRITES, QUESTIONS, BOTH)
_TURNED = "qa"


@dataclass(frozen=True)
class Learnable:
    """How a passage becomes training text."""

    how: str = QUESTIONS
    """``plain``: the passage. ``rewrites``: also in other words. ``questions``: questions about
    it with their answers. ``both``: all of these."""
    per_passage: int = 0
    """The most questions of one passage; 0: all that are kept."""
    drafts: int = 4
    """How often a passage is written about: once greedily, then sampled."""
    wordings: int = 3
    """In how many wordings each question is trained: the written one, and others by rule."""
    distil: bool = False
    """Whether questions carry their passage as ``Sample.context``, for ``Training.distil``."""
    form: str = "qa"
    """The plain format of questions, beside others; a chat model is asked in its template."""

    def __post_init__(self) -> None:
        if self.how not in WAYS:
            raise RecipeError(f"how {self.how!r} is unknown: choose one of {', '.join(WAYS)}")
        for name, least in (("per_passage", 0), ("drafts", 1), ("wordings", 1)):
            if getattr(self, name) < least:
                raise RecipeError(f"{name} is {getattr(self, name)}: it must be at least {least}")
        if self.distil and not self.asks:
            raise RecipeError(
                f"distil needs questions, and how is {self.how}: take {QUESTIONS} or {BOTH}"
            )

    @property
    def asks(self) -> bool:
        """Whether questions are trained."""
        return self.how in (QUESTIONS, BOTH)

    @property
    def writes(self) -> bool:
        """Whether a model has to write."""
        return self.how != PLAIN


def dataset(
    passages: Sequence[Passage], learnable: Learnable, ask: Ask | None = None, name: str = ""
) -> Dataset:
    """The training text of ``passages``: a pure function, as what is written is kept in the store.

    ``ask`` may be left out for ``plain``. A passage about which nothing could be kept is trained
    as it is.

    Raises:
        RecipeError: a model has to write, and ``ask`` is left out.
        DataError: there is no passage.
    """
    about = written(passages, learnable, ask) if learnable.writes else {}
    return of_pairs(passages, about, learnable, ask.chat if ask else None, name)


def written(passages: Sequence[Passage], learnable: Learnable, ask: Ask | None) -> dict[str, Kept]:
    """What is kept of all that was written, by the id of the passage. Raises RecipeError."""
    if ask is None:
        raise RecipeError(f"how is {learnable.how}: say who writes and reads (ask)")
    rewrites = learnable.how in (REWRITES, BOTH)
    return {
        passage.id: kept(passage, learnable.drafts, learnable.per_passage, rewrites, ask)
        for passage in passages
    }


def dropped(about: Mapping[str, Kept]) -> dict[str, int]:
    """How much was dropped, by reason, the most frequent first."""
    total: Counter[str] = Counter()
    for each in about.values():
        total.update(each.dropped)
    return dict(total.most_common())


def of_pairs(
    passages: Sequence[Passage],
    about: Mapping[str, Kept],
    learnable: Learnable,
    chat: Chat | None = None,
    name: str = "",
) -> Dataset:
    """The training text of ``passages`` with what is written ``about`` them, by their ids.

    Raises:
        DataError: there is no passage.
    """
    if not passages:
        raise DataError("there is no passage to learn: give at least one")
    samples = tuple(
        sample
        for passage in passages
        for sample in _samples(passage, about.get(passage.id), learnable, chat)
    )
    text = Dataset.of(name or passages[0].document or "passages", samples)
    return dataset_in_chat(text, chat) if chat is not None else text


def without(text: Dataset, questions: Iterable[str]) -> Dataset:
    """``text`` without the samples that ask one of ``questions``, word for word.

    A question for a test must be in no training text, and a model that writes may hit upon it.

    Raises:
        DataError: nothing is left.
    """
    asked = tuple(filter(None, map(normalise, questions)))
    samples = (s for s in text.samples if not _asks(normalise(s.prompt), asked))
    return Dataset.of(text.name, tuple(samples))


def _asks(prompt: str, questions: Sequence[str]) -> bool:
    return any(question in prompt for question in questions)


def _samples(
    passage: Passage, about: Kept | None, learnable: Learnable, chat: Chat | None
) -> Iterator[Sample]:
    asked = about.pairs if about and learnable.asks else ()
    if learnable.how != QUESTIONS or not asked:
        yield Sample(f"{passage.headed}\n", fact=passage.id)
    if about and learnable.how in (REWRITES, BOTH):
        yield from (Sample(f"{text}\n", fact=passage.id) for text in about.rewrites)
    context = reading(passage.headed) if learnable.distil else ""
    for number, pair in enumerate(asked):
        fact = _fact(passage, pair)
        wordings = (pair.question, *reworded(pair.question))[: learnable.wordings]
        if chat is None:
            texts = framed(wordings, learnable.form, pair.answer, number)
        else:  # one format, which becomes a turn
            answer = reply(_TURNED, pair.answer)
            texts = ((asked_in(_TURNED, wording), answer) for wording in wordings)
        yield from (Sample(said, prompt, fact, context=context) for prompt, said in texts)


def _fact(passage: Passage, pair: Pair) -> str:
    """An id of what ``pair`` asks: questions of one passage with one answer share it."""
    return json.dumps([passage.id[:16], pair.answer], ensure_ascii=False)
