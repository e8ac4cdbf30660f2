"""The fuzzy grader: an answer against each accepted answer, lists and choices included."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from harness.grading._claims import claimed, is_denied
from harness.grading._matching import CHATTER, accepted_tokens, match
from harness.grading._names import is_in_list, is_in_script
from harness.grading._text import unmarked

_LEAD = re.compile(
    r"^\W*(?:(?:the |my )?(?:correct |right |final |short )?answer(?: is| was|:)?"
    r"|it(?:'s| is| was| must be| may be| might be| could be)|that(?:'s| is| was| would be)"
    r"|this is|they (?:are|were)|he (?:is|was)|she (?:is|was)"
    r"|i (?:think|believe|guess|suppose|would say)(?: that)?(?: it(?:'s| is| was))?"
    r"|probably|perhaps|maybe|possibly|certainly|of course|well|why|yes|naturally|obviously"
    r"|surely|clearly|either|both|(?:a|an|the)(?=\s+(?!or\b|and\b)\w))\b[\s,:]*",
    re.IGNORECASE,
)
"""Words before the first item of a list: *The answer is*, *I think it was*, *either*."""
_CONNECT = re.compile(
    r"\s*(?:,\s*(?:and|or|&)\s+|,|;|\s(?:and|or)\s+|\s?/\s*|\s?&\s*|\s?\|\s*)\s*", re.IGNORECASE
)
"""Between two items of a list."""
_EXPLAINS = re.compile(r"\bfor (?:the|his|her|their|[A-Z])|\(|\bin (?:the|[A-Z\d])")
"""The start of an explanation behind a list: *for the film*, *in Rome*."""
_MAX_ITEMS = 20
"""A longer list is read as one name: matching every item with every part takes quadratic time."""
_OR = re.compile(r"\bor\b|/|\beither\b", re.IGNORECASE)
_AND = re.compile(r"\band\b|&", re.IGNORECASE)
_DOUBT = re.compile(
    r"\b(?:(?:could|might|may) (?:also |well )?be|maybe|perhaps|possibly)\b|\?(?=\s|$)",
    re.IGNORECASE,
)
"""Two matches make a choice: *It could be A, it could be B*; *A? B?*"""
_VERB = re.compile(
    r"\b(?:is|was|are|were|has|had|have|did|does|won|wrote|who|which|that|he|she|it|they|when"
    r"|because|since|as|by|from|with|after|before|during|while|where|at|on|to|of|born|known"
    r"|directed|played|made|for|in)\b",
    re.IGNORECASE,
)
"""Words of an explanation. An item of a list has none of them."""
_NAME = re.compile(
    r"(?:[A-Z][\w.'\u2019-]*|[a-z]{2,3}|[A-Z]\.)"
    r"(?:\s+(?:[A-Z][\w.'\u2019-]*|de|del|van|von|der|la|le|bin|al|of|the))*"
)
_DENIED = re.compile(r"\b(?:not|never|neither|nor)\b|n['\u2019]t\b", re.IGNORECASE)
_NUMBERED = re.compile(r"(?:^|\s)(?:\(?[a-eA-E1-5]\)|[1-5]\.(?=\s))\s*")
"""*a) Rembrandt b) Vermeer*"""
_NOT_ONLY = re.compile(r"\bnot (?:only|just|merely) (.+?),? but (?:also )?(.+)", re.IGNORECASE)
_ACRONYM = re.compile(r"\b[A-Z]{2,}\b")


def names_of(accepted: str) -> list[str]:
    """The names in one accepted answer, which ``;`` or line ends separate."""
    return [name.strip() for name in re.split(r";|\n", accepted) if name.strip()]


def items_of(name: str) -> list[str]:
    """The items of a list (*red, yellow and blue*), or ``[name]`` (*Lagos, Nigeria*)."""
    items = _split(name)
    joined = (_AND.search(name) or len(items) > 2) and len(items) <= _MAX_ITEMS
    is_list = joined and not _OR.search(name) and len(accepted_tokens(name)) > 1
    return items if is_list else [name]


def list_score(text: str, name: str) -> float:
    """The score of the worst-matched item of the list ``name``, 0 to 100, in any order.

    It is 0 where ``name`` is not a list, or ``text`` does not list exactly as many items.
    """
    items = items_of(name)
    if len(items) < 2:
        return 0.0
    for sentence in _sentences(text):
        chunks = _chunks(sentence)
        if len(chunks) == len(items) and not _OR.search(sentence):
            return min(max(match(chunk, item) for chunk in chunks) for item in items)
    return 0.0


def offers_more(text: str, names: list[str], accepted: Sequence[str], threshold: float) -> bool:
    """Whether ``text`` gives a choice or a list that has other names than ``names``.

    ``accepted``: all accepted answers; none of their names counts as another name.
    ``threshold``: the score from which a part of ``text`` counts as an accepted name.
    """
    if len(names) == 1 and is_in_script(names[0]):
        return is_in_list(text, unmarked(names[0]))
    names = [item for name in names for item in items_of(name)]
    if len(names) == 1 and re.search(r",|\bor\b|/", names[0], re.IGNORECASE):
        return False
    known = [item for each in accepted for name in names_of(each) for item in items_of(name)]
    doubtful = len(_DOUBT.findall(text)) > 1
    if doubtful:
        # "Could be A. Could be B." is one choice, so its sentences become one.
        text = re.sub(r"[.?!]\s+(?=\S)", ", ", text)
    return any(
        _sentence_offers_more(sentence, names, known, threshold, doubtful)
        for sentence in _sentences(text)
    )


def _sentence_offers_more(
    sentence: str, names: list[str], known: list[str], threshold: float, doubtful: bool
) -> bool:
    not_only = _NOT_ONLY.search(sentence)
    chunks = [*not_only.groups()] if not_only else _chunks(sentence)
    if len(chunks) <= max(1, len(names) - 1):
        return False
    matching = [c for c in chunks if any(match(c, name) >= threshold for name in known)]
    is_choice = doubtful or _OR.search(sentence) is not None
    longest = max(len(name.split()) for name in known) + 3
    # A matching part of many words is a sentence with commas, not an item of a list.
    if not matching or (len(min(matching, key=len).split()) > longest and not is_choice):
        return False
    others = [chunk for chunk in chunks if chunk not in matching and not CHATTER.fullmatch(chunk)]
    others = [chunk for chunk in others if not _is_part(chunk, names)]
    if not_only and len(names) == 1 and others:
        return True
    is_list = len(others) > 1 or len(names) > 1 or _AND.search(sentence) is not None
    return any(_is_rival(chunk, sentence, is_choice, is_list, names) for chunk in others)


def _is_part(chunk: str, names: list[str]) -> bool:
    """Whether all words of ``chunk`` are in ``names``: *Scheinert* beside *Daniel Scheinert*."""
    words = {word.casefold() for name in names for word in name.split()}
    return all(word.casefold() in words for word in chunk.split())


def _sentences(text: str) -> list[str]:
    """The first two sentences of ``text``; the later ones only explain or repeat."""
    parts = re.split(r"\n|(?<=[!?。])\s*|(?<=\w{3}[.])\s+", text.strip())
    return [part for part in parts if part.strip()][:2]


def _chunks(sentence: str) -> list[str]:
    """The items of the list in ``sentence``, without its lead-in and its explanation."""
    items = _EXPLAINS.split(_without_lead(sentence.strip().rstrip(".!?")), maxsplit=1)[0]
    numbered = [part.strip(" ,;") for part in _NUMBERED.split(items) if part.strip()]
    return numbered if len(numbered) > 1 else [_without_lead(part) for part in _split(items)]


def _without_lead(text: str) -> str:
    while (shorter := _LEAD.sub("", text, count=1)) != text and shorter:
        text = shorter
    return text


def _split(items: str) -> list[str]:
    """``items`` split at commas, *and* and the like, but not at the commas of 1,000,000."""
    guarded = re.sub(r"(?<=\d),(?=\d{3})", "\0", items)
    parts = (part.replace("\0", ",").strip() for part in _CONNECT.split(guarded))
    return [part for part in parts if part]


def _is_rival(chunk: str, sentence: str, is_choice: bool, is_list: bool, names: list[str]) -> bool:
    """Whether ``chunk`` is another answer beside the right one, and not an explanation of it."""
    start = max(sentence.find(chunk), 0)
    words = len(chunk.split())
    if words > 6 or _DENIED.search(chunk) or is_denied(sentence, start, start + len(chunk)):
        return False
    if _VERB.search(chunk) and not (is_choice and words <= 3):
        return False
    if is_choice:
        return True
    is_name = _NAME.fullmatch(chunk) is not None
    if is_list:
        return is_name or not names[0][:1].isupper()
    return is_name and words > 1 and not _ACRONYM.search(chunk)


FUZZY = "fuzzy-5"
"""Name and version of this grader, part of the recipe of every grading."""

DEFAULT_THRESHOLD = 88.0
"""Lowest similarity (0 to 100, rapidfuzz ratio) that counts as the same name.

It decides only about misspelt words: other values and other words score 0 at any threshold.
On ``fixtures/grading/pairs.csv``, precision and recall are both at least 0.98 for thresholds from
74 to 90 (tests/grading). Above 90, misspelt names fail.
"""

_READ = 2000
"""Characters of an answer that are read. Models that do not stop repeat themselves after that."""


class Verdict(NamedTuple):
    """The grade of one answer."""

    right: bool
    score: float
    """Similarity of the worst-matched name of the best-matched accepted answer, 0 to 100."""
    matched: str
    """The accepted answer that came closest."""
    kind: str = "text"
    """How that accepted answer was read: ``text``, or kind and value (``date 1605-11-05``)."""


def grade(answer: str, accepted: Sequence[str], threshold: float = DEFAULT_THRESHOLD) -> Verdict:
    """The best verdict on ``answer`` over all ``accepted`` answers.

    An accepted answer may list several names, separated by ``;``: all of them must be there.
    ``answer`` may be a sentence, hedge (*I think it was ...*), go on, or add ``for the film``.
    Values (dates, numbers, money, quantities, times) are compared as values. Denied or retracted
    parts do not count. An answer that offers other names beside the right one is wrong.
    """
    threshold = threshold or DEFAULT_THRESHOLD
    # A long accepted answer, such as a list, needs more of the answer than _READ.
    length = max(_READ, 2 * max(map(len, accepted), default=0))
    text = claimed(unmarked(answer)[:length])
    verdicts = [_verdict(text, target, accepted, threshold) for target in accepted]
    return max(verdicts, key=lambda verdict: verdict[:2], default=Verdict(False, 0.0, ""))


def _verdict(text: str, target: str, accepted: Sequence[str], threshold: float) -> Verdict:
    names = names_of(target)
    score = min((max(match(text, name), list_score(text, name)) for name in names), default=0.0)
    right = score >= threshold and not offers_more(text, names, accepted, threshold)
    return Verdict(right, score, target, _kind(names))


def _kind(names: Sequence[str]) -> str:
    target = accepted_tokens(names[0]) if len(names) == 1 else ()
    if len(target) != 1 or target[0].kind == "word":
        return "text"
    return f"{target[0].kind} {target[0].text}"
