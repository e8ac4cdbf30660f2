"""What an answer claims: which parts of it are denied, and which are taken back."""

from __future__ import annotations

import re
from functools import lru_cache

from harness.grading._text import unmarked

_ABBREVIATED = re.compile(
    r"(?:\b[A-Z]|\b(?:Dr|Mr|Mrs|Ms|St|Mt|Jr|Sr|Prof|Ft|No|vs|etc|ca|approx))\.$"
)
_DOUBTED = re.compile(r"\?\s*(?:no|nope|wrong|not at all|nah)\b[\s,.:;!-]*", re.IGNORECASE)
"""*Mark Twain? No, ...*: the sentence before it is not claimed."""
_TAKEN_BACK = re.compile(
    r"(?:^|[.!?;,:\u2014\u2013-]\s*|\s)(?:actually|no,? wait|wait,? no|wait|correction"
    r"|scratch that|i mean|or rather|on second thoughts?|my mistake|i misspoke|sorry|oops"
    r"|let me correct (?:that|myself)|i was wrong|strike that|no,? it(?:'s| is| was)|no)"
    r"[,:;.!\u2014\u2013-]*\s+",
    re.IGNORECASE,
)
_ONCE_BELIEVED = re.compile(
    r"\b(?:i (?:used to (?:think|believe|say)|(?:first |originally |initially )?thought"
    r"|would have (?:said|guessed)|(?:wanted|was going) to say|almost said)"
    r"|(?:many|most|some|a lot of) (?:people|sources) (?:think|believe|say|assume)"
    r"|(?:commonly|often|widely|once) (?:thought|believed|assumed))\b[^\n]{0,120}?"
    r"[,;.]?\s(?:but|yet|however|in fact|actually|in reality)\b"
    r"(?!,?\s(?:i\b|i'|don't|please|correct me|not sure|could be))",
    re.IGNORECASE,
)
"""*I used to think it was A, but it was B*; *I thought A, but I am not sure* is a hedge."""
_NO_LONGER = re.compile(r"\bused to be\b[^\n]{0,80}?(?:,|\bbut)\s(?:but )?now\b", re.IGNORECASE)
_HEARSAY = re.compile(
    r"\b(?:many|most|some|others|people)(?: people)? (?:say|think|believe|assume|claim)\b",
    re.IGNORECASE,
)
"""Denies the name after it where another name stands before: *B, although many say A*."""
_ANSWERED = re.compile(
    r"\s*(?!(?:Well|Sure|Okay|Yes|No|Hello|Hi|Thanks|Right|Correct)\b)"
    r"[A-Z][\w'-]{2,}(?: [A-Z][\w'-]+){0,2}\.\s"
)
"""A name that is a whole sentence is the answer: *B. A is the capital, though.*"""
_IS_SUBJECT = re.compile(
    r"\s+(?:is|was|has|had)\b(?! (?:the )?(?:right|correct|answer|my|it))", re.IGNORECASE
)
_TAG = re.compile(
    r",?\s*(?:is|was|are|were|does|did|do|has|have|would|could|isn't|wasn't|aren't|weren't"
    r"|doesn't|didn't|don't)(?:\s(?:it|he|she|they|that|there|you))(?:\s+not)?\s*\?"
    r"|,\s*(?:right|no|correct)\s*\?",
    re.IGNORECASE,
)
"""Question tags, such as *wasn't it?*, which deny nothing."""
_POLITE = re.compile(
    r"\b(?:no one other than|nobody other than|none other than|no other than|not only|not just"
    r"|no doubt|without (?:a )?doubt|why not|not surprisingly|not sure|not certain"
    r"|not entirely (?:sure|certain)|not mistaken|can't be sure|don't quote me(?: on that)?"
    r"|no question|if i'm not wrong|unless i'm not mistaken|could not be more|couldn't be more"
    r"|cannot be sure|do not know for sure|don't know for sure|not know for certain)\b",
    re.IGNORECASE,
)
"""Phrases with a word of denial that deny nothing."""
_CLAUSE = re.compile(
    r"[,;:()\u2014\u2013\n]|\s-\s|[!?。、\uff0c\uff1b\uff1a]|\.(?=\s|$)"
    r"|(?<!anybody )(?<!anyone )(?<!anything )(?<!everyone )(?<!everybody )(?<!everything )"
    r"(?<!all )\bbut\b|\b(?:however|though|although|so|then)\b",
    re.IGNORECASE,
)
_DENIES = re.compile(
    r"\b(?:not|n't|never|neither|nor|cannot|isnt|wasnt|didnt|doesnt|wont|cant|refuse to|deny"
    r"|denies|denied|doubt|except(?: for)?|excepting|excluding|besides|apart from|aside from"
    r"|save for|other than|anyone but|everyone but|everybody but|anybody but|anything but"
    r"|everything but|all but|instead of|rather than|unlike|as opposed to|no longer|hardly"
    r"|far from|no way|by no means|ruled? out|wrong to say|incorrect(?:ly)?"
    r"|false that|mistaken for|confused with)\b"
    r"|n't\b|n\u2019t\b",
    re.IGNORECASE,
)
_NO = re.compile(r"\b(?:no|without)\s+(?:\w+\s+)?$", re.IGNORECASE)
_DENIED_AFTER = re.compile(
    r"^\s*(?:[\w'\u2019-]+\s+){0,2}?(?:is|was|are|were|did|does|do|has|had|have|can|could|would"
    r"|will|should|may|might|must)(?:\s*n[o'\u2019]?t\b|n't\b|\s+never\b|not\b)"
    r"(?!\s+(?:only|just|merely|simply)\b)"
    r"|^\s*(?:is|was|are|were|would be|seems|sounds|looks)\s+(?:\w+\s+)?"
    r"(?:wrong|incorrect|false|mistaken|untrue|not right|the wrong)\b"
    r"|^\s*(?:\w+\s+)?(?:had|has|have) nothing to do\b"
    r"|^\s*(?:never|cannot|can't|couldn't|wasn't|isn't|didn't|doesn't)\b"
    r"|^\s*[,:]?\s*(?:no|not|wrong|false|incorrect)\s*[.!?]*$",
    re.IGNORECASE,
)
_NO_AT_END = re.compile(r"\s*,\s*(?:no|not|wrong|never)\s*[.!]*\s*$", re.IGNORECASE)
_DENIES_ELSEWHERE = re.compile(
    r"(?:不是|并非|並非|没有|沒有|不在)(?!.*而是)"  # Chinese; 而是 is "but"
    rf"|{unmarked('ไม่ใช่')}"  # Thai
    r"|\b(?:не|нет|ليس|ليست|لا|לא|אינו|אינה|δεν|όχι"
    r"|nicht|kein|keine|n['\u2019](?:est|était) pas|no (?:es|fue)|non (?:è|era)|não)\b"
    r"(?! (?:только|nur|seulement|solo))",
    re.IGNORECASE,
)
"""Words of denial before a name, in other languages."""
_DENIED_AFTER_ELSEWHERE = re.compile(
    r"^(?:이|가|은|는)?\s*아[니닙닌닐]"  # Korean
    r"|^(?:では|じゃ)(?:な[いく]|ありません)"  # Japanese
    rf"|^\s*{unmarked('नहीं')}"  # Hindi
    r"|^\s*değil\b"  # Turkish
)


@lru_cache(maxsize=8192)
def claimed(text: str) -> str:
    """``text`` with spaces in place of the parts that it takes back; its length does not change."""
    after_doubt = 0
    for match in _DOUBTED.finditer(text):
        start = max(text.rfind(mark, 0, match.start()) for mark in (".", "!", "\n")) + 1
        text = _blanked(text, start, match.end())
        after_doubt = match.end()
    for pattern in (_ONCE_BELIEVED, _NO_LONGER):
        for match in pattern.finditer(text):
            text = _blanked(text, *match.span())
    for match in _TAKEN_BACK.finditer(text):
        before = text[after_doubt : match.start()].strip(" \t,.;:!-\u2014\u2013")
        after = text[match.end() :].strip(" .!")
        if before and after and _takes_back(before, match[0]):
            text = _blanked(text, 0, match.end())
    return text


def _blanked(text: str, start: int, end: int) -> str:
    return text[:start] + " " * (end - start) + text[end:]


def _takes_back(before: str, words: str) -> bool:
    """Whether ``words`` (*no*, *actually*, ...) retract the text ``before`` them.

    Some of these words are also used in the middle of a sentence (*sorry*, *no*). They retract only
    beside punctuation.
    """
    first, last = words.lstrip()[:1], words.rstrip()[-1:]
    bare = words.strip(" \t,.;:!?-\u2014\u2013").lower()
    if bare == "no":
        return first in ".!?\u2014\u2013-" or last in ",.:;!\u2014\u2013-"
    if bare in ("sorry", "i mean", "wait"):
        return first in ".!?,;\u2014\u2013-\u2026"
    if bare == "actually":
        return first in ".!?;\u2014\u2013-\u2026"
    return not before.lower().endswith(("if", "that"))


@lru_cache(maxsize=8192)
def _clauses(text: str) -> tuple[tuple[int, int], ...]:
    """Start and end of each clause."""
    ends = [match.end() for match in _CLAUSE.finditer(text) if _is_boundary(text, match)]
    return tuple(zip([0, *ends], [*ends, len(text)], strict=True))


def _is_boundary(text: str, match: re.Match[str]) -> bool:
    """Whether a clause ends at ``match``, and not within a number or after an initial."""
    at = match.start()
    if match[0] in (",", ":"):
        return not (text[at - 1 : at].isdigit() and text[at + 1 : at + 2].isdigit())
    return match[0] != "." or not _ABBREVIATED.search(text[max(0, at - 8) : at + 1])


def is_denied(text: str, start: int, end: int) -> bool:
    """Whether ``text`` denies its part from ``start`` to ``end``.

    *It wasn't A*, *everyone except A*, *A did not* and *A, no* deny A; *not B but A* denies only B.
    """
    left, right = next(
        ((first, last) for first, last in _clauses(text) if first <= start < last), (0, len(text))
    )
    before = _POLITE.sub(" ", text[left:start])
    if _DENIES.search(before) or _NO.search(before) or _DENIES_ELSEWHERE.search(before):
        return True
    if _HEARSAY.search(before) and text[:left].strip():
        return True
    rest = text[end:]
    answered = _ANSWERED.match(text)
    if answered and start >= answered.end() and _IS_SUBJECT.match(rest):
        return True
    if _NO_AT_END.match(rest) or _DENIED_AFTER_ELSEWHERE.match(rest):
        return True
    clause = text[end : max(right, end)]
    untagged = _TAG.sub("", rest)[: max(0, right - end + 1)] if clause else ""
    clause = untagged if untagged.strip() else clause
    return _DENIED_AFTER.search(_POLITE.sub(" ", clause)) is not None
