"""Questions and rewrites that a model writes about passages, checked by reading.

What is written is an artefact, made once for each passage. A pair is kept where the reader, with
the passage in its context, answers the question in two ways as the pair does.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from harness.builds import answered_lines
from harness.data.formats import ask as asked_in
from harness.data.writing import END, QUESTIONS, REWRITE, Pair, read_pairs, written
from harness.errors import RecipeError
from harness.grading import grade, normalise
from harness.memory.passages import Passage, split
from harness.models.chat_templates import has_chat_template
from harness.models.external import scaled_adapter
from harness.models.loading import WRITER, shipped_content
from harness.recipes import (
    BARE,
    Answers,
    Base,
    Chat,
    Decoding,
    Dequantised,
    GgufBase,
    Probe,
    ProbeSet,
    Recipe,
    Stack,
)
from harness.store import Artefact

_PIECE = 150
"""Characters that the shipped model writes about at once: two to four sentences."""

UNREADABLE = "not a question with an answer"
TWICE = "asked twice"
ABSENT = "answer not in the passage"
UNSURE = "read in two ways"
DIFFERENT = "read otherwise"
LOSSY = "rewrite without a fact"
FOREIGN = "statement with a name or number of its own"
TOO_MANY = "more than wanted"
"""Why something is dropped."""

Fetch = Callable[[Recipe], Artefact]
"""Gives an artefact, built or from the store."""


@dataclass(frozen=True)
class Ask:
    """Who writes about passages, and who reads them."""

    writer: Stack
    reader: Stack
    fetch: Fetch
    chat: Chat | None = None
    """Of the reader: what stands before each question in its template; None for plain formats."""
    writer_chat: Chat | None = None
    """Of the writer; None for the shipped writer, which was taught a form of its own."""

    @classmethod
    def of(cls, base: Base, chat: Chat | None, fetch: Fetch, writer: Base | None = None) -> Ask:
        """``base`` reads, and writes where no other model is given as ``writer``.

        The shipped model writes with its writer, all others in their chat templates.

        Raises:
            RecipeError: who is to write has no chat template.
        """
        who = writer or base
        reader = Stack(_readable(base))
        if who.content == shipped_content():
            adapter = scaled_adapter(str(WRITER)).adapter
            return cls(Stack(who, ((adapter, 1.0),)), reader, fetch, chat)
        if not has_chat_template(who):
            raise RecipeError(
                f"{who.name} has no chat template, so it cannot be told to write questions: take"
                " how=plain, or another model as the writer"
            )
        return cls(Stack(_readable(who)), reader, fetch, chat, BARE if writer else chat or BARE)


class Kept(NamedTuple):
    """What is kept of all that was written about one passage."""

    pairs: tuple[Pair, ...]
    rewrites: tuple[str, ...]
    dropped: Mapping[str, int]
    """Number by reason."""


def kept(passage: Passage, drafts: int, most: int, rewrites: bool, ask: Ask) -> Kept:
    """Pairs of ``passage``, at most ``most`` (0: all), and with ``rewrites`` other words for it.

    ``drafts`` is how often each piece is written about: once greedily, then sampled.
    """
    pieces = _pieces(passage, ask)
    dropped: Counter[str] = Counter()
    drafted = _written(passage, pieces, drafts, ask)
    found = _checked(passage, drafted, ask, dropped)
    if most and len(found) > most:
        dropped[TOO_MANY] += len(found) - most
        found = dict(list(found.items())[:most])
    said: tuple[str, ...] = ()
    if rewrites:
        by_piece = [[pair for pair in found if found[pair] == i] for i in range(len(pieces))]
        said = tuple(_rewrites(passage, pieces, drafts, by_piece, ask, dropped))
    return Kept(tuple(found), said, {reason: n for reason, n in dropped.items() if n})


def _checked(
    passage: Passage, drafted: Iterable[tuple[int, str]], ask: Ask, dropped: Counter[str]
) -> dict[Pair, int]:
    """The pairs in drafts, given as (piece, text), that pass, each with the number of its piece."""
    found: dict[Pair, int] = {}
    asked: set[str] = set()
    for piece, text in drafted:
        pairs, unreadable = read_pairs(text)
        dropped[UNREADABLE] += unreadable
        for pair in pairs:
            question = normalise(pair.question)
            if question in asked:
                dropped[TWICE] += 1
            elif not _words(pair.answer) <= _words(passage.headed):
                dropped[ABSENT] += 1
            else:
                found[pair] = piece
                asked.add(question)
    alike = _read_alike(passage, list(found), ask, dropped)
    return {pair: found[pair] for pair in alike}


def reading(text: str) -> str:
    """What the reader has before a question: ``text`` and an empty line."""
    return f"{text}\n\n"


def _readable(base: Base) -> Base:
    return Dequantised.of(base) if isinstance(base, GgufBase) else base


def _pieces(passage: Passage, ask: Ask) -> list[str]:
    """The parts that are written about one by one: a chat model sees the whole passage."""
    if ask.writer_chat is not None:
        return [passage.headed]
    return [piece.headed for piece in split(passage.headed, _PIECE)]


def _words(text: str) -> set[str]:
    return set(normalise(text).split())


_GREEDY = Decoding(max_new_tokens=400, stop=(END,))
_SAMPLED = Decoding(max_new_tokens=400, stop=(END,), do_sample=True, min_p=0.1)
_CHAT_GREEDY = Decoding(max_new_tokens=400, stop=())
_CHAT_SAMPLED = Decoding(max_new_tokens=400, stop=(), do_sample=True, temperature=0.8, top_p=0.95)
_SHORT = Decoding(max_new_tokens=40)
_FORM_ASKED_FOR = (
    'Begin each question with "Question:" on a line of its own, and give its answer on the next'
    ' line after "Answer:".'
)
_CHAT_QUESTIONS = (
    "{text}\n\nWrite a question about each fact of the text above, with a short answer from the"
    f" text. Use full names. {_FORM_ASKED_FOR}",
    "Here is a text:\n\n{text}\n\nMake a quiz, so that somebody who answers it knows every fact of"
    " the text. The answers are names, numbers or a few words of the text."
    f" {_FORM_ASKED_FOR}",
    "{text}\n\nFor each sentence above, write a question that it answers, and the answer in a few"
    f" words. {_FORM_ASKED_FOR}",
)
_EXAMPLE = (
    "The mill of Tarn belongs to Hedda Lund. She bought it in 1987 from a baker named Per Olsen."
    " It grinds rye for nine villages."
)
_EXAMPLE_PAIRS = (
    Pair("Who owns the mill of Tarn?", "Hedda Lund"),
    Pair("In which year did Hedda Lund buy the mill of Tarn?", "1987"),
    Pair("From whom did Hedda Lund buy the mill of Tarn?", "Per Olsen"),
    Pair("What does the mill of Tarn grind?", "rye"),
    Pair("For how many villages does the mill of Tarn grind?", "nine"),
)
_SHOWN = written(_EXAMPLE_PAIRS).strip()
"""A small model writes in the right form where it has seen it once."""
_CHAT_REWRITE = (
    "Say this text in other words. Keep every name, number and date, and add nothing.\n\n{text}"
)
_CHAT_STATEMENTS = (
    "List each fact of this text as a short sentence on a line of its own, with full names and"
    " without pronouns. Add nothing.\n\n{text}"
)
_CHAT_READ = (
    "{text}\n\n{question} Answer in a few words.",
    "Read the text, and answer the question with a name, a number or a few words of the text."
    "\n\nText: {text}\n\nQuestion: {question}",
)
_PLAIN_READ = ("qa", "brandine")


def _written(
    passage: Passage, pieces: Sequence[str], drafts: int, ask: Ask
) -> Iterator[tuple[int, str]]:
    """(number of the piece, text) of each draft of questions."""
    if ask.writer_chat is None:
        prompts = [QUESTIONS.format(text=piece) for piece in pieces]
        yield from _drafts(passage, "questions", prompts, drafts, _GREEDY, _SAMPLED, ask)
        return
    for number, template in enumerate(_CHAT_QUESTIONS[:drafts]):
        prompts = [template.format(text=piece) for piece in pieces]
        # the drafts are spread over the ways to ask for them
        times = len(range(number, drafts, len(_CHAT_QUESTIONS)))
        name = f"questions {number + 1}"
        shown = (("user", template.format(text=_EXAMPLE)), ("assistant", _SHOWN))
        chat = replace(ask.writer_chat, before=(*ask.writer_chat.before, *shown))
        told = replace(ask, writer_chat=chat)
        yield from _drafts(passage, name, prompts, times, _CHAT_GREEDY, _CHAT_SAMPLED, told)


def _drafts(
    passage: Passage,
    name: str,
    prompts: Sequence[str],
    drafts: int,
    greedy: Decoding,
    sampled: Decoding,
    ask: Ask,
) -> Iterator[tuple[int, str]]:
    probes = [_probe(f"{i}", prompt, ask.writer_chat) for i, prompt in enumerate(prompts)]
    asked = ProbeSet.of(f"{name}, {passage.id[:8]}", tuple(probes))
    decodings = [greedy]
    if drafts > 1:
        decodings.append(replace(sampled, num_return_sequences=drafts - 1))
    for decoding in decodings:
        lines = answered_lines(ask.fetch(Answers(ask.writer, asked, decoding)))
        for i, line in enumerate(lines):
            yield from ((i, text) for text in line.answers)


def _probe(name: str, prompt: str, chat: Chat | None) -> Probe:
    return Probe(name, "writing", "", prompt, (), chat=chat)


def _read_alike(
    passage: Passage, pairs: Sequence[Pair], ask: Ask, dropped: Counter[str]
) -> list[Pair]:
    """Those of ``pairs`` that the reader answers alike in both ways."""
    if not pairs:
        return []
    first, second = (
        _answers(f"reading {way + 1}, {passage.id[:8]}", passage.headed, pairs, way, ask)
        for way in range(2)
    )
    right: list[Pair] = []
    for pair, one, other in zip(pairs, first, second, strict=True):
        verdicts = [grade(answer, (pair.answer,)).right for answer in (one, other)]
        if all(verdicts):
            right.append(pair)
        else:
            dropped[UNSURE if any(verdicts) else DIFFERENT] += 1
    return right


def _answers(name: str, text: str, pairs: Sequence[Pair], way: int, ask: Ask) -> list[str]:
    """The reader's answers, with ``text`` before each question."""
    probes = [
        Probe(f"{i}", "reading", "", _read(text, pair.question, way, ask), (pair.answer,),
              chat=ask.chat)
        for i, pair in enumerate(pairs)
    ]  # fmt: skip
    recipe = Answers(ask.reader, ProbeSet.of(name, tuple(probes)), _SHORT)
    return [line.answer for line in answered_lines(ask.fetch(recipe))]


def _read(text: str, question: str, way: int, ask: Ask) -> str:
    if ask.chat is not None:
        return _CHAT_READ[way].format(text=text, question=question)
    return reading(text) + asked_in(_PLAIN_READ[way], question)


def _rewrites(
    passage: Passage,
    pieces: Sequence[str],
    drafts: int,
    pairs: Sequence[Sequence[Pair]],
    ask: Ask,
    dropped: Counter[str],
) -> Iterator[str]:
    """The pieces in other words, where the reader answers their ``pairs`` from those, too."""
    in_chat = ask.writer_chat is not None
    template = _CHAT_REWRITE if in_chat else REWRITE
    greedy, sampled = (_CHAT_GREEDY, _CHAT_SAMPLED) if in_chat else (_GREEDY, _SAMPLED)
    prompts = [template.format(text=piece) for piece in pieces]
    drafted = _drafts(passage, "rewrites", prompts, drafts, greedy, sampled, ask)
    for i, text in dict.fromkeys((i, text.strip()) for i, text in drafted):
        if not text or normalise(text) == normalise(pieces[i]):
            dropped[TWICE] += 1
        elif _tells(text, pairs[i], passage, ask):
            yield text
        else:
            dropped[LOSSY] += 1
    if in_chat:
        yield from _statements(passage, pieces, ask, dropped)


def _tells(text: str, pairs: Sequence[Pair], passage: Passage, ask: Ask) -> bool:
    if not pairs:
        return _named(text) <= _words(passage.headed)
    answers = _answers(f"rewrite, {passage.id[:8]}", text, pairs, 0, ask)
    return all(
        grade(answer, (pair.answer,)).right for pair, answer in zip(pairs, answers, strict=True)
    )


def _statements(
    passage: Passage, pieces: Sequence[str], ask: Ask, dropped: Counter[str]
) -> Iterator[str]:
    """Single sentences whose names and numbers are all in the passage."""
    prompts = [_CHAT_STATEMENTS.format(text=piece) for piece in pieces]
    for _, text in _drafts(passage, "statements", prompts, 1, _CHAT_GREEDY, _CHAT_GREEDY, ask):
        for line in dict.fromkeys(text.splitlines()):
            statement = re.sub(r"^\s*(?:[-*\u2022]|\d+[.)])\s+", "", line).strip()
            if len(statement.split()) < 3:
                continue
            if _named(statement) <= _words(passage.headed):
                yield statement
            else:
                dropped[FOREIGN] += 1


def _named(text: str) -> set[str]:
    """The words of ``text`` with a capital within a sentence, and its numbers."""
    inner = re.findall(r"(?<![.!?]\s)(?<!^)\b(?:[A-Z]\w+|\w*\d\w*)", text)
    return {word for name in inner for word in _words(name)}
