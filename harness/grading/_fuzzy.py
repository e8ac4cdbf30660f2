"""The fuzzy grader: are the accepted names and values in the answer, and no others in their place?

An answer is read in three steps. ``_claims`` finds what it takes back or denies; ``_values`` turns it
into words and values, by kept libraries for dates, number words and units; here the tokens of an
accepted answer are looked for among those of the answer: values as values, words as words.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

from rapidfuzz import fuzz

from harness.grading._claims import claimed, denied
from harness.grading._scripts import in_script, is_spaceless
from harness.grading._text import unmarked
from harness.grading._values import Token, same_value, spelled, tokens
from harness.grading._words import (
    TITLES,
    acronym,
    aliases,
    is_another_word,
    is_longer_name,
    same_word,
)

FUZZY = "fuzzy-4"
"""Name and version of this grader, part of the recipe of every grading."""

DEFAULT_THRESHOLD = 88.0
"""Lowest similarity (0 to 100, rapidfuzz ratio) that counts as the same name.

On ``fixtures/grading/pairs.csv`` precision and recall are both at least 0.98 from 82 to 90
(tests/grading): lower, names that share a surname pass; higher, slips of the pen fail.
"""

_READ = 60  # words of an answer that are read: what follows is rambling
_ARTICLES = {"the", "a", "an"}
_YES = {"yes", "yeah", "yep", "yup", "true", "correct", "indeed", "affirmative"}
_NO = {"no", "nope", "nah", "false", "incorrect", "negative"}
_LEAD = re.compile(
    r"^\W*(?:(?:the |my )?(?:correct |right |final |short )?answer(?: is| was|:)?|it(?:'s| is| was| must be| may be"
    r"| might be)|that(?:'s| is| was| would be)|this is|they (?:are|were)|he (?:is|was)|she (?:is|was)|i (?:think|believe"
    r"|guess|suppose|would say)(?: that)?(?: it(?:'s| is| was))?|probably|perhaps|maybe|possibly|certainly|of course"
    r"|well|why|yes|naturally|obviously|surely|clearly|either|both|a|an|the)\b[\s,:]*",
    re.IGNORECASE,
)
_CHATTER = re.compile(
    r"(?:of course|naturally|obviously|indeed|certainly|definitely|probably|perhaps|maybe|i (?:think|believe|guess|suppose)"
    r"|well|why|yes|no doubt|as expected|for sure|surely|clearly|sure|right|you know|if i remember correctly|etc"
    r"|is it not|isn't it|wasn't it|please|thanks|to be precise|that is|i'm sure|as far as i know|okay|ok|hello|hi)",
    re.IGNORECASE,
)
_CONNECT = re.compile(r"\s*(?:,\s*(?:and|or|&)\s+|,|;|\s+and\s+|\s+or\s+|\s*/\s*|\s*&\s*|\s*\|\s*)\s*", re.IGNORECASE)
_OR = re.compile(r"\bor\b|/|\beither\b", re.IGNORECASE)
_VERB = re.compile(
    r"\b(?:is|was|are|were|has|had|have|did|does|won|wrote|who|which|that|he|she|it|they|when|because|since|as|by"
    r"|from|with|after|before|during|while|where|at|on|to|of|born|known|directed|played|made|for|in)\b",
    re.IGNORECASE,
)
_NAME = re.compile(
    r"(?:[A-Z][\w.'’-]*|[a-z]{2,3}|[A-Z]\.)(?:\s+(?:[A-Z][\w.'’-]*|de|del|van|von|der|la|le|bin|al|of|the))*"
)
_DENIED = re.compile(r"\b(?:not|never|neither|nor)\b|n['’]t\b", re.IGNORECASE)
_MARKED = re.compile(r"(?:^|\s)(?:\(?[a-eA-E1-5]\)|[1-5]\.(?=\s))\s*")
"""*a) Rembrandt b) Vermeer*"""
_BOTH = re.compile(r"\bnot (?:only|just|merely) (.+?),? but (?:also )?(.+)", re.IGNORECASE)
_ACRONYM = re.compile(r"\b[A-Z]{2,}\b")


class Verdict(NamedTuple):
    right: bool
    score: float
    """Similarity of the worst-matched name of the best-matched accepted answer, 0 to 100."""
    matched: str
    """The accepted answer that came closest."""
    kind: str = "text"
    """As what that answer was read: ``text``, or a kind of value and the value (``date 1605-11-05``)."""


def grade(answer: str, accepted: Sequence[str], threshold: float = DEFAULT_THRESHOLD) -> Verdict:
    """Judge ``answer`` against every accepted answer; names within one are joined by ``"; "``, in any order.

    An answer may be a sentence, hedge (*I think it was ...*), ramble on, or add ``for the film ...``. Values (dates,
    numbers, money, quantities, times) are compared as values. What is denied or taken back does not count; an answer
    that offers other names beside the right one, or lists more than was asked for, is wrong.
    """
    threshold = threshold or DEFAULT_THRESHOLD
    text = claimed(unmarked(answer))
    verdicts = [_one(text, target, accepted, threshold) for target in accepted]
    return max(verdicts or [Verdict(False, 0.0, "")], key=lambda v: (v.right, v.score))


def _one(text: str, target: str, accepted: Sequence[str], threshold: float) -> Verdict:
    names = [name.strip() for name in re.split(r";|\n", target) if name.strip()]
    score = min((_best(text, name) for name in names), default=0.0)
    right = score >= threshold and not _offers_more(text, names, accepted, threshold)
    return Verdict(right, score, target, _kind(names))


def _kind(names: Sequence[str]) -> str:
    target = _target(names[0]) if len(names) == 1 else ()
    alone = len(target) == 1 and target[0].kind != "word"
    return f"{target[0].kind} {target[0].text}" if alone else "text"


@lru_cache(maxsize=4096)
def _target(name: str) -> tuple[Token, ...]:
    """Tokens of an accepted name: without articles, and without a title before it."""
    found = [token for token in tokens(unmarked(name))]
    kept = [t for i, t in enumerate(found) if t.text not in _ARTICLES or (t.text == "a" and i == len(found) - 1 and i)]
    kept = kept or found
    while len(kept) > 2 and kept[0].text in TITLES:
        kept = kept[1:]
    return tuple(kept)


def _best(text: str, name: str) -> float:
    """Best similarity of ``name`` to a part of ``text`` that is not denied."""
    target = _target(name)
    if not target:
        return _symbols(text, name)
    words = [token.text for token in target]
    if len(words) == 1 and words[0] in _YES | _NO:
        return _polar(text, words[0])
    if is_spaceless(name):
        return 100.0 if any(not denied(text, *span) for span in in_script(text, unmarked(name))) else 0.0
    spelt = spelled(text)
    said = [token for token in tokens(text) if token.text not in _ARTICLES or words[-1:] == ["a"]][:_READ]
    values = [token for token in target if token.kind not in ("word", "roman")]
    variable = len(target) == 2 and len(values) == 1 and values[0].kind == "comparison" and len(target[0].text) == 1
    if values and (len(target) == 1 or variable):
        return _value(spelt, values[0], said)
    best = max((_run(spelt, target, said, left, size) for left, size in _runs(len(target), len(said))), default=0.0)
    best = max(best, _numbered(spelt, target, said), _initials(name, said, spelt))
    if best < 95 and (short := aliases(name)):
        best = max(best, max((_exact(spelt, alias, said) for alias in short), default=0.0))
    return max(best, _reversed(spelt, target, said))


def _runs(size: int, length: int) -> Iterable[tuple[int, int]]:
    for wanted in sorted({size, max(1, size - 1), size + 1, size + 2}):
        for left in range(max(0, length - wanted + 1)):
            yield left, wanted


def _value(text: str, target: Token, said: Sequence[Token]) -> float:
    """A value is there or not; it must not be a part of another, such as a bound or a range."""
    meaning = [token for token in said if token.kind != "word" or not _CHATTER.fullmatch(token.text)]
    alone = len(meaning) == 1
    for token in said:
        if same_value(target, token, alone) and not _denied_value(text, token):
            return 100.0
        if target.kind in ("code", "sign") and token.kind == "word" and token.text == target.text:
            return 100.0
    if target.kind == "sign" and target.text.endswith("#"):
        return _exact(text, f"{target.text[:-1]} sharp", said)
    squeezed = re.sub(r"[^\w]", "", target.text)
    joined = ["".join(t.text for t in said[i : i + 2]) for i in range(len(said))]
    return 100.0 if target.kind == "code" and squeezed in joined else 0.0


def _denied_value(text: str, token: Token) -> bool:
    return token.kind != "comparison" and denied(text, token.start, token.end)


def _run(text: str, target: Sequence[Token], said: Sequence[Token], left: int, size: int) -> float:
    """Similarity of ``target`` to the ``size`` tokens of ``said`` from ``left``."""
    run = said[left : left + size]
    if size > len(target) and not _may_be_longer(target, run):
        return 0.0
    score = _similar(target, run)
    if not score or _cut(text, target, said, left, size) or denied(text, run[0].start, run[-1].end):
        return 0.0
    return score


def _may_be_longer(target: Sequence[Token], run: Sequence[Token]) -> bool:
    """Initials, and parts of a word that is written in one."""
    return any(len(token.text) == 1 or token.kind != "word" for token in run) or len(target) <= 2


def _similar(target: Sequence[Token], run: Sequence[Token]) -> float:
    """Whole-name similarity; values must agree, and no word may be another one."""
    one, other = [t.text for t in target], [t.text for t in run]
    if "".join(one) == "".join(other):
        return 100.0 if len(one) == len(other) else 95.0
    if len(one) != len(other):
        a, b = _bare(target), _bare(run)
        same = len(a) == len(b) and all(_same(x, y) >= 100 for x, y in zip(a, b, strict=True))
        return 95.0 if same and len(a) > 1 else 0.0
    each = [_same(a, b) for a, b in zip(target, run, strict=True)]
    whole = fuzz.ratio(" ".join(one), " ".join(other))
    if all(score >= 100 for score in each):
        return 100.0
    return min(whole, *each) if min(each) < 60 else whole


def _same(target: Token, token: Token) -> float:
    """Similarity of two tokens; 0 where they are two values, or two different words."""
    if target.kind != "word" or token.kind != "word":
        if target.text == token.text:
            return 100.0
        return 100.0 if target.value is not None and token.value is not None and same_value(target, token) else 0.0
    if same_word(target.text, token.text):
        return 100.0
    if is_another_word(target.text, token.text):
        return 0.0
    return fuzz.ratio(target.text, token.text)


def _bare(run: Sequence[Token]) -> list[Token]:
    """Without initials and titles; a letter at the end is none (*Vitamin C*)."""
    kept = [t for t in run[:-1] if (len(t.text) > 1 or t.kind != "word") and t.text not in TITLES]
    return [*kept, run[-1]]


def _cut(text: str, target: Sequence[Token], said: Sequence[Token], left: int, size: int) -> bool:
    """Whether the run is a part of another name: *Guinea-Bissau*, *king's daughter*, *South Sudan*."""
    run = said[left : left + size]
    start, end = run[0].start, run[-1].end
    if re.match(r"-\w", text[end:]) or re.search(r"\w-$", text[:start]):
        return True
    raw = text[start:end]
    if re.search(r"['’]s$", raw) and not target[-1].text.endswith("s") and re.match(r"\s+[a-zA-Z]", text[end:]):
        return True
    if re.match(r"\s+\w+['’]s\s+\w", text[end:]):
        return True
    before = said[left - 1] if left and _adjacent(text, said[left - 1], run[0]) else None
    after = said[left + size] if left + size < len(said) and _adjacent(text, run[-1], said[left + size]) else None
    if after is not None and after.kind == "roman" and target[-1].kind != "roman":
        return True
    return is_longer_name(target, before, after)


def _adjacent(text: str, one: Token, other: Token) -> bool:
    return not text[one.end : other.start].strip()


def _exact(text: str, alias: str, said: Sequence[Token]) -> float:
    """An abbreviation or another name, as it is."""
    wanted = [token.text for token in tokens(alias) if token.text not in _ARTICLES]
    for left in range(len(said) - len(wanted) + 1):
        run = said[left : left + len(wanted)]
        if [t.text for t in run] == wanted and not denied(text, run[0].start, run[-1].end):
            if not _cut(text, tokens(alias), said, left, len(wanted)):
                return 95.0
    return 0.0


def _numbered(text: str, target: Sequence[Token], said: Sequence[Token]) -> float:
    """*the third act* for *Act III*: the number before the name."""
    if len(target) < 2 or target[-1].kind not in ("roman", "number"):
        return 0.0
    wanted = [t.text for t in target[:-1]]
    for left, token in enumerate(said[: -len(wanted)] if wanted else ()):
        run = said[left + 1 : left + len(target)]
        if token.kind == "ordinal" and token.value == target[-1].value and [t.text for t in run] == wanted:
            return 0.0 if denied(text, token.start, run[-1].end) else 95.0
    return 0.0


def _initials(name: str, said: Sequence[Token], text: str) -> float:
    """An acronym as the whole answer, and a name in full for an acronym."""
    alone = text.strip().strip(".").removeprefix("the ").removeprefix("The ")
    short = acronym(name)
    if len(short) == 2 and alone == short and all(len(word) > 3 for word in name.split()):
        return 95.0
    full = name.isupper() and len(name) > 2 and len(said) <= 8 and acronym(alone) == name
    return 95.0 if full else 0.0


def _reversed(text: str, target: Sequence[Token], said: Sequence[Token]) -> float:
    """*Finch, Edda* as the whole answer."""
    if "," not in text or len(said) != len(target) or len(target) < 2:
        return 0.0
    return 95.0 if sorted(t.text for t in target) == sorted(t.text for t in said) else 0.0


def _polar(text: str, word: str) -> float:
    """Yes or no: the first such word of the answer counts."""
    for token in tokens(text):
        if token.text in _YES | _NO:
            return 100.0 if (token.text in _YES) == (word in _YES) else 0.0
    return 0.0


def _symbols(text: str, name: str) -> float:
    """A name of signs alone, such as ``+`` or an emoji, must be all the signs that the answer has."""
    wanted = "".join(unmarked(name).split())
    said = "".join(c for c in text if not c.isalnum() and not c.isspace() and c not in ".,:;!?'\"")
    return 100.0 if wanted and (said == wanted or text.strip() == wanted) else 0.0


def _offers_more(text: str, names: list[str], accepted: Sequence[str], threshold: float) -> bool:
    """Whether ``text`` gives a choice, or a list, of more names than ``names``."""
    if len(names) == 1 and re.search(r"\band\b|,|\bor\b|/|&", names[0], re.IGNORECASE):
        return False
    known = [part for each in accepted for part in re.split(r";|\n", each) if part.strip()]
    for sentence in _sentences(text):
        both = _BOTH.search(sentence)
        chunks = [*both.groups()] if both else _chunks(sentence)
        if len(chunks) < 2:
            continue
        right = [chunk for chunk in chunks if any(_best(chunk, name) >= threshold for name in known)]
        longest = max(len(name.split()) for name in known) + 3
        if not right or (len(min(right, key=len).split()) > longest and not _OR.search(sentence)):
            continue
        others = [chunk for chunk in chunks if chunk not in right and not _CHATTER.fullmatch(chunk)]
        if both and len(names) == 1 and others:
            return True
        if any(_is_rival(chunk, right, sentence, len(others), names) for chunk in others):
            return True
    return False


def _sentences(text: str) -> list[str]:
    """Up to the first that has something to say: what follows is rambling."""
    parts = re.split(r"\n|(?<=[!?。])\s*|(?<=\w{3}[.])\s+", text.strip())
    return [part for part in parts if part.strip()][:2]


def _chunks(sentence: str) -> list[str]:
    """The items of a list, without what leads into it or explains it."""
    stripped = sentence.strip().rstrip(".!?")
    while (shorter := _LEAD.sub("", stripped, count=1)) != stripped:
        stripped = shorter
    stripped = re.split(r"\bfor (?:the|his|her|their|[A-Z])|\(|\bin (?:the|[A-Z\d])", stripped, maxsplit=1)[0]
    if len(marked := [part for part in _MARKED.split(stripped) if part.strip()]) > 1:
        return [part.strip(" ,;") for part in marked]
    guarded = re.sub(r"(?<=\d),(?=\d{3})", "\0", stripped)
    return [c.replace("\0", ",").strip() for c in _CONNECT.split(guarded) if c.replace("\0", "").strip()]


def _is_rival(chunk: str, right: list[str], sentence: str, others: int, names: list[str]) -> bool:
    """Whether ``chunk`` of a list is another answer beside the right one, and no explanation of it."""
    if len(chunk.split()) > 6 or _DENIED.search(chunk) or denied(sentence, *_place(sentence, chunk)):
        return False
    chosen = _OR.search(sentence) is not None
    if _VERB.search(chunk) and not (chosen and len(chunk.split()) <= 3):
        return False
    if chosen or others > 1 or re.search(r"\band\b|&", sentence):
        named = _NAME.fullmatch(chunk) is not None or not names[0][:1].isupper()
        return named or chosen
    return _NAME.fullmatch(chunk) is not None and len(chunk.split()) > 1 and not _ACRONYM.search(chunk)


def _place(sentence: str, chunk: str) -> tuple[int, int]:
    start = max(sentence.find(chunk), 0)
    return start, start + len(chunk)
