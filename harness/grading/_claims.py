"""What an answer claims: which of its parts are denied, taken back, or offered beside others."""

from __future__ import annotations

import re
from functools import lru_cache

_SENTENCE = re.compile(r"(?<=[.!?。！？])\s+|\n+|(?<=[。！？])")
_ABBREVIATED = re.compile(r"(?:\b[A-Z]|\b(?:Dr|Mr|Mrs|Ms|St|Mt|Jr|Sr|Prof|Ft|No|vs|etc|ca|approx))\.$")
_DOUBTED = re.compile(r"\?\s*(?:no|nope|wrong|not at all|nah)\b[\s,.:;!-]*", re.IGNORECASE)
"""*Mark Twain? No, ...*: what stands before is not claimed."""
_TAKEN_BACK = re.compile(
    r"(?:^|[.!?;,:\u2014\u2013-]\s*|\s)(?:actually|no,? wait|wait,? no|wait|correction|scratch that|i mean|or rather"
    r"|on second thoughts?|my mistake|i misspoke|sorry|oops|let me correct (?:that|myself)|i was wrong|strike that"
    r"|no,? it(?:'s| is| was)|no)[,:;.!\u2014\u2013-]*\s+",
    re.IGNORECASE,
)
_TAG = re.compile(
    r",?\s*(?:is|was|are|were|does|did|do|has|have|would|could|isn't|wasn't|aren't|weren't|doesn't|didn't|don't)"
    r"(?:\s(?:it|he|she|they|that|there|you))(?:\s+not)?\s*\?|,\s*(?:right|no|correct)\s*\?",
    re.IGNORECASE,
)
_POLITE = re.compile(
    r"\b(?:no one other than|nobody other than|none other than|no other than|not only|not just|no doubt|without (?:a )?doubt"
    r"|why not|not surprisingly|not sure|not certain|not entirely (?:sure|certain)|not mistaken|can't be sure"
    r"|don't quote me(?: on that)?|no question|if i'm not wrong|unless i'm not mistaken|could not be more"
    r"|couldn't be more|cannot be sure|do not know for sure|don't know for sure|not know for certain)\b",
    re.IGNORECASE,
)
"""Words of denial that deny nothing."""
_CLAUSE = re.compile(
    r"[,;:()\u2014\u2013\n]|\s-\s|[!?。、，；：]|\.(?=\s|$)|(?<!anybody )(?<!anyone )(?<!anything )(?<!everyone )(?<!everybody )(?<!everything )(?<!all )\bbut\b|\b(?:however|though|although|so|then)\b",
    re.IGNORECASE,
)
_DENIES = re.compile(
    r"\b(?:not|n't|never|neither|nor|cannot|isnt|wasnt|didnt|doesnt|wont|cant|refuse to|deny|denies|denied|doubt"
    r"|except(?: for)?|excepting|excluding|besides|apart from|aside from|save for|other than|anyone but|everyone but"
    r"|everybody but|anybody but|anything but|everything but|all but|instead of|rather than|unlike|as opposed to"
    r"|no longer|hardly|far from|ruled? out|wrong to say|incorrect(?:ly)?|false that|mistaken for|confused with)\b"
    r"|n't\b|n\u2019t\b",
    re.IGNORECASE,
)
_NO = re.compile(r"\b(?:no|without)\s+(?:\w+\s+)?$", re.IGNORECASE)
_DENIED_AFTER = re.compile(
    r"^\s*(?:[\w'\u2019-]+\s+){0,2}?(?:is|was|are|were|did|does|do|has|had|have|can|could|would|will|should|may|might"
    r"|must)(?:\s*n[o'\u2019]?t\b|n't\b|\s+never\b|not\b)(?!\s+(?:only|just|merely|simply)\b)"
    r"|^\s*(?:is|was|are|were|would be|seems|sounds|looks)\s+(?:\w+\s+)?(?:wrong|incorrect|false|mistaken|untrue"
    r"|not right|the wrong)\b"
    r"|^\s*(?:\w+\s+)?(?:had|has|have) nothing to do\b"
    r"|^\s*(?:never|cannot|can't|couldn't|wasn't|isn't|didn't|doesn't)\b"
    r"|^\s*[,:]?\s*(?:no|not|wrong|false|incorrect)\s*[.!?]*$",
    re.IGNORECASE,
)
_CHINESE_DENIES = re.compile(r"(?:不是|并非|并不是|没有|不在|ではない|じゃない|ではありません|아니)")


@lru_cache(maxsize=8192)
def claimed(text: str) -> str:
    """``text`` with blanks in place of what it takes back, as many as there were characters."""
    dead = 0
    for match in _DOUBTED.finditer(text):
        start = max(text.rfind(mark, 0, match.start()) for mark in (".", "!", "\n")) + 1
        text = text[:start] + " " * (match.end() - start) + text[match.end() :]
        dead = match.end()
    for match in _TAKEN_BACK.finditer(text):
        before, after = text[dead : match.start()].strip(" \t,.;:!-—–"), text[match.end() :].strip(" .!")
        if before and after and _takes_back(before, match[0]):
            text = " " * match.end() + text[match.end() :]
    return text


def _takes_back(before: str, words: str) -> bool:
    """A bare *no* takes back only what is a sentence, or a question, of its own."""
    bare = words.strip(" \t,.;:!?-—–").lower()
    if bare == "no":
        return words.lstrip()[:1] in ".!?—–-" or words.rstrip()[-1:] in ",.:;!—–-"
    if bare in ("sorry", "i mean", "wait"):
        return words.lstrip()[:1] in ".!?,;—–-…"
    if bare == "actually":
        return words.lstrip()[:1] in ".!?;—–-…"
    return not before.lower().endswith(("if", "that"))


@lru_cache(maxsize=8192)
def clauses(text: str) -> tuple[tuple[int, int], ...]:
    """Start and end of each clause; a comma within a number and a full stop of an initial part nothing."""
    ends = [0]
    for match in _CLAUSE.finditer(text):
        at = match.start()
        if match[0] == "," and text[at - 1 : at].isdigit() and text[at + 1 : at + 2].isdigit():
            continue
        if match[0] == ":" and text[at - 1 : at].isdigit() and text[at + 1 : at + 2].isdigit():
            continue
        if match[0] == "." and _ABBREVIATED.search(text[: at + 1]):
            continue
        ends.append(match.end())
    ends.append(len(text))
    return tuple(zip(ends, ends[1:], strict=False))


def denied(text: str, start: int, end: int) -> bool:
    """Whether ``text`` denies what stands from ``start`` to ``end``."""
    left, right = next(((a, b) for a, b in clauses(text) if a <= start < b), (0, len(text)))
    before = _POLITE.sub(" ", text[left:start])
    after = text[end : max(right, end)]
    if _DENIES.search(before) or _NO.search(before):
        return True
    rest = _TAG.sub("", text[end:])
    same = rest[: max(0, right - end + 1)] if len(after) else ""
    if _DENIED_AFTER.search(_POLITE.sub(" ", same if same.strip() else after)):
        return True
    if re.match(r"\s*,\s*(?:no|not|wrong|never)\s*[.!]*\s*$", rest, re.IGNORECASE):
        return True
    return bool(_CHINESE_DENIES.search(text[left:right]))
