"""Further wordings of a user's English question, and further frames for it, by rule.

A model that is trained on one wording of a fact answers that wording and few others. The rules use
the words of the question and add no synonyms, so they hold for any subject. A question that no rule
fits gets no further wording.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import chain, zip_longest

from harness.data.formats import Format, ask, reply

FRAMES = (
    Format("Q: {question}\nA:", " "),
    Format("{question}", " "),
    Format("User: {question}\nBot:", " "),
    Format("{question} -", " "),
)
"""Formats for training only: the probes of *other format* use none of them."""

_BE = "is|are|was|were"
_HELPERS = f"{_BE}|do|does|did|can|could|will|would|has|have|had|may|must|should|shall"
_SUBJECT = re.compile(rf"(who|what|which \w+)\s+(?!(?:{_HELPERS})\b)(.+)", re.IGNORECASE)
"""The question word is the subject: ``Who repairs the lifts``."""
_NOMINAL = re.compile(rf"(who|what)(?:\s+({_BE})|'s)\s+(.+)", re.IGNORECASE)
"""The question names the thing it asks for: ``What is the door code of the archive``."""
_HELPED = re.compile(rf"(\w+(?:\s+(?!(?:{_HELPERS})\b)\w+)*?)\s+({_HELPERS})\s+(.+)", re.IGNORECASE)
"""With an auxiliary verb: ``Where do visitors park``, ``How many days does a clerk get``."""
_QUESTION_WORDS = "who|whom|whose|what|which|where|when|why|how|at|in|on|to|from|by|for|with|of"
_ENGLISH = re.compile(
    r"(?:(?:at|in|on|to|from|by|for|with|of) )?(?:who|whom|whose|what|which|where|when|why|how)\b",
    re.I,
)
_QUESTION_SYNONYMS = (
    ("who", ("What person", "Which one")),
    ("where", ("At what place", "In which place")),
    ("when", ("At what time", "On which day")),
    ("how many", ("What number of",)),
    ("what", ("Which",)),
    ("which", ("What",)),
)
_SMALL = frozenset(
    f"{_HELPERS}|{_QUESTION_WORDS}|a|an|the|that|this|there|it|its|be|been|and|or|as|into|up|one"
    "|their|his|her".split("|")
)  # fmt: skip


def reworded(question: str) -> tuple[str, ...]:
    """Other wordings of ``question``, the least similar first.

    There are none where it is not an English question on one line.
    """
    bare = question.strip().removesuffix("?").rstrip()
    if not _ENGLISH.match(bare) or "?" in bare or "\n" in bare:
        return ()
    families = (_nominal(bare), _short(bare), _with_other_words(bare), _introduced(bare))
    mixed = chain.from_iterable(zip_longest(*families))
    wordings = dict.fromkeys(wording for wording in mixed if wording)
    return tuple(wording for wording in wordings if wording != question)


def framed(
    wordings: Sequence[str], form: str, answer: str, first: int
) -> Iterator[tuple[str, str]]:
    """(prompt, completion) of each wording.

    ``FRAMES`` and the format ``form`` take turns, beginning with number ``first``.
    """
    frames = [*FRAMES, None]
    for number, wording in enumerate(wordings, first):
        frame = frames[number % len(frames)]
        if frame is None:
            yield ask(form, wording), reply(form, answer)
        else:
            yield frame.prompt.format(question=wording), f"{frame.before}{answer}\n"


def _nominal(bare: str) -> Iterator[str]:
    """Requests for the thing or the person by name."""
    if match := _NOMINAL.fullmatch(bare):
        thing = match[3]
        yield f"Tell me {thing}."
        yield f"{_capital(thing)}?"
        yield f"I need to know {thing}."
        yield f"{_capital(thing)} {match[2] or 'is'} {match[1].lower()}?"
        yield f"Do you know {thing}?"
    elif match := _SUBJECT.fullmatch(bare):
        subject, rest = match[1].lower(), match[2]
        yield f"Tell me {subject} {rest}."
        if subject == "who":
            yield f"Name the person who {rest}."
            yield f"The person who {rest}?"
        yield f"Do you know {subject} {rest}?"
        yield f"I need to know {subject} {rest}."
    elif match := _HELPED.fullmatch(bare):
        words, helper, rest = match[1].lower(), match[2].lower(), match[3]
        if helper in _BE.split("|"):
            yield f"{_capital(rest)}: {words}?"
        elif helper == "do":
            yield f"Tell me {words} {rest}."
            yield f"Do you know {words} {rest}?"


def _short(bare: str) -> Iterator[str]:
    """Key words, as people type them into a search box."""
    words = _content(bare)
    if len(words) > 1:
        yield " ".join(words).lower()
        yield _capital(" ".join(_halves_swapped(words))) + "?"
        without_articles = [w for w in bare.split() if w.lower() not in ("a", "an", "the")]
        yield " ".join(without_articles).lower()


def _content(bare: str) -> list[str]:
    """The words of the question except function words."""
    return [word for word in re.findall(r"[^\s,;:]+", bare) if word.lower() not in _SMALL]


def _halves_swapped(words: list[str]) -> list[str]:
    """The second half first."""
    middle = (len(words) + 1) // 2
    return words[middle:] + words[:middle]


def _with_other_words(bare: str) -> Iterator[str]:
    """The question with another question word of the same meaning."""
    for words, others in _QUESTION_SYNONYMS:
        if match := re.match(rf"{words}\b\s*(.+)", bare, re.IGNORECASE):
            yield from (f"{other} {match[1]}?" for other in others)


def _introduced(bare: str) -> Iterator[str]:
    """The question with something before or after it."""
    lower = bare[0].lower() + bare[1:]
    yield f"Can you help me? {bare}?"
    yield f"Please tell me: {lower}?"
    yield f"{bare}, please?"
    yield f"Do you know the answer? {bare}?"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
