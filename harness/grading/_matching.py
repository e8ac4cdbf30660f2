"""How well the best part of an answer matches one accepted name or value, from 0 to 100."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import pairwise

from rapidfuzz import fuzz

from harness.grading._claims import is_denied
from harness.grading._names import acronym, aliases, is_in_script, is_part_of_name, places
from harness.grading._patterns import in_digits
from harness.grading._text import RULERS, TITLES, is_another_word, is_plural, same_word, unmarked
from harness.grading._values import Token, same_value, tokens

_READ = 60
"""Tokens of an answer that are read. Models that do not stop repeat themselves after that."""
_ARTICLES = {"the", "a", "an"}
_YES = {"yes", "yeah", "yep", "yup", "true", "correct", "indeed", "affirmative"}
_NO = {"no", "nope", "nah", "false", "incorrect", "negative"}
_APPROXIMATE = re.compile(r"^\s*(?:circa|ca?\.|about|around|approximately|~)\s*(?=\d)", re.I)
"""Before an accepted number: *around 1500* and *1500* are both right for *c. 1500*."""
_BY_RULE = 95.0
"""Score of a match by rule, such as an acronym for a name, where the letters differ."""
CHATTER = re.compile(
    r"(?:of course|naturally|obviously|indeed|certainly|definitely|probably|perhaps|maybe"
    r"|i (?:think|believe|guess|suppose)|well|why|yes|no doubt|as expected|for sure|surely|clearly"
    r"|arr+|ah+|oh+|aha|hm+|hey|yo|ahoy|aye|alas|wow|uh|um|er|mate|matey|dear|folks"
    r"|sure|right|you know|if i remember correctly|etc|is it not|isn't it|wasn't it|please|thanks"
    r"|to be precise|that is|i'm sure|as far as i know|okay|ok|hello|hi)",
    re.IGNORECASE,
)
"""Parts of a sentence that state nothing."""


@lru_cache(maxsize=4096)
def accepted_tokens(name: str) -> tuple[Token, ...]:
    """The tokens of an accepted name, without articles and without the titles before it."""
    all_tokens = tokens(_APPROXIMATE.sub("", unmarked(name)))
    rest = [token for i, token in enumerate(all_tokens) if not _is_article(all_tokens, i)]
    rest = rest or list(all_tokens)
    while len(rest) > 2 and _is_title(rest[0], rest[1]):
        rest = rest[1:]
    return tuple(rest)


def _is_title(token: Token, after: Token) -> bool:
    """Whether ``token`` may be left out: *King* of *King Louis XIV*, not *Prince of Wales*."""
    return token.text in TITLES or (token.text in RULERS and after.capital)


def _is_article(name: Sequence[Token], i: int) -> bool:
    """Whether token ``i`` is an article; the last *a* of a name is a letter (*Vitamin A*)."""
    letter = name[i].text == "a" and 0 < i == len(name) - 1
    return name[i].text in _ARTICLES and not letter


def match(text: str, name: str) -> float:
    """Best similarity of ``name`` to a part of ``text`` that is not denied, 0 to 100."""
    target = accepted_tokens(name)
    if is_in_script(name):
        spans = places(text, unmarked(name))
        return 100.0 if any(not is_denied(text, *span) for span in spans) else 0.0
    if not target:
        return _symbols(text, name)
    if len(target) == 1 and target[0].text in _YES | _NO:
        return _yes_or_no(text, target[0].text)
    answer = _Answer(text, target)
    values = [token for token in target if token.kind not in ("word", "roman")]
    if values and (len(target) == 1 or _is_comparison(target, values)):
        return answer.value(values[0])
    scores = (answer.runs(), answer.number_first(), answer.initials(name), answer.surname_first())
    if max(scores) >= _BY_RULE:
        return max(scores)
    return max((*scores, *(answer.exactly(alias) for alias in aliases(name))))


def _is_comparison(target: Sequence[Token], values: Sequence[Token]) -> bool:
    """Whether ``target`` is like *x >= 3*: the answer *at least 3* is right without the letter."""
    return (
        len(target) == 2
        and len(values) == 1
        and values[0].kind == "comparison"
        and len(target[0].text) == 1
    )


class _Answer:
    """The tokens of an answer, among which the tokens of ``target`` are searched."""

    def __init__(self, text: str, target: tuple[Token, ...]) -> None:
        self.text = in_digits(text)
        self.target = target
        self.words = [token.text for token in target]
        keep_articles = self.words[-1] == "a"  # the letter of Vitamin A
        words = [token for token in tokens(text) if keep_articles or not self._is_article(token)]
        self.tokens = words[: max(_READ, 2 * len(target))]

    def _is_article(self, token: Token) -> bool:
        """Whether ``token`` is an article, which the A of *A-320* is not."""
        return token.text in _ARTICLES and self.text[token.end : token.end + 1] != "-"

    def value(self, wanted: Token) -> float:
        """100 where a token of the answer states the value ``wanted``, else 0."""
        content = [t for t in self.tokens if t.kind != "word" or not CHATTER.fullmatch(t.text)]
        for token in self.tokens:
            if same_value(wanted, token, len(content) == 1) and not self._denies_value(token):
                return 100.0
        if wanted.kind == "sign" and wanted.text.endswith("#"):  # a note: C# is C sharp
            return self.exactly(f"{wanted.text[:-1]} sharp")
        return 100.0 if wanted.kind == "code" and self._has_code(wanted.text) else 0.0

    def _has_code(self, code: str) -> bool:
        """Whether ``code`` is in the answer, as one word or as two (*KL 1023*)."""
        words = [token.text for token in self.tokens]
        pairs = [first + second for first, second in pairwise(words)]
        return code in words or re.sub(r"\W", "", code) in pairs

    def _denies_value(self, token: Token) -> bool:
        """Whether the answer denies ``token``; *not more than 5* is a comparison, not a denial."""
        return token.kind != "comparison" and is_denied(self.text, token.start, token.end)

    def runs(self) -> float:
        """Best similarity of ``target`` to a run of tokens, up to one shorter or two longer."""
        best = 0.0
        size = len(self.target)
        for length in sorted({size, max(1, size - 1), size + 1, size + 2}):
            for left in range(max(0, len(self.tokens) - length + 1)):
                best = max(best, self._run(left, length))
        return best

    def _run(self, left: int, length: int) -> float:
        run = self.tokens[left : left + length]
        if length > len(self.target) and not self._may_be_longer(run):
            return 0.0
        score = similarity(self.target, run)
        if not score or self._is_cut(self.target, left, length) or self._denies(run):
            return 0.0
        return score

    def _may_be_longer(self, run: Sequence[Token]) -> bool:
        """Whether a run longer than ``target`` can match: initials, or one word written as two."""
        short = any(len(token.text) == 1 or token.kind != "word" for token in run)
        return short or len(self.target) <= 2

    def _denies(self, run: Sequence[Token]) -> bool:
        return is_denied(self.text, run[0].start, run[-1].end)

    def _is_cut(self, target: Sequence[Token], left: int, length: int) -> bool:
        run = self.tokens[left : left + length]
        near = (self._neighbour(left, -1), self._neighbour(left + length - 1, +1))
        return is_part_of_name(self.text, target, run, near)

    def _neighbour(self, i: int, step: int) -> Token | None:
        """The token next to token ``i``, where only spaces are between them."""
        if not 0 <= i + step < len(self.tokens):
            return None
        first, second = sorted((self.tokens[i], self.tokens[i + step]), key=lambda t: t.start)
        return None if self.text[first.end : second.start].strip() else self.tokens[i + step]

    def exactly(self, alias: str) -> float:
        """95 where ``alias`` is in the answer letter for letter, else 0."""
        target = [token for token in tokens(alias) if token.text not in _ARTICLES]
        words = [token.text for token in target]
        for left in range(len(self.tokens) - len(words) + 1 if words else 0):
            run = self.tokens[left : left + len(words)]
            if [token.text for token in run] != words or self._denies(run):
                continue
            if not self._is_cut(target, left, len(words)):
                return _BY_RULE
        return 0.0

    def number_first(self) -> float:
        """95 for *the third act*, where *Act III* is accepted, else 0."""
        number, words = self.target[-1], self.words[:-1]
        if not words or number.kind not in ("roman", "number"):
            return 0.0
        for left, token in enumerate(self.tokens[: -len(words)]):
            run = self.tokens[left : left + len(self.target)]
            same_number = token.kind == "ordinal" and token.value == number.value
            if same_number and [word.text for word in run[1:]] == words:
                return 0.0 if self._denies(run) else _BY_RULE
        return 0.0

    def initials(self, name: str) -> float:
        """95 for a two-letter acronym as the whole answer, or a full name for an acronym, else 0.

        Longer acronyms are aliases (``aliases``) and may stand anywhere in the answer.
        """
        whole = re.sub(r"^[Tt]he ", "", self.text.strip().strip("."))
        short = acronym(name)
        if len(short) == 2 and whole == short and all(len(word) > 2 for word in name.split()):
            return _BY_RULE
        in_full = name.isupper() and len(name) > 1 and len(self.tokens) <= 8
        return _BY_RULE if in_full and acronym(whole) == name else 0.0

    def surname_first(self) -> float:
        """95 where the whole answer is like *Finch, Edda*, else 0."""
        if "," not in self.text or len(self.words) < 2:
            return 0.0
        return _BY_RULE if sorted(self.words) == sorted(t.text for t in self.tokens) else 0.0


def similarity(target: Sequence[Token], run: Sequence[Token]) -> float:
    """Similarity of a whole name to ``run``, 0 to 100.

    It is 0 where a value differs, or a word is another word and not a misspelling.
    """
    words = [token.text for token in target]
    run_words = [token.text for token in run]
    if "".join(words) == "".join(run_words):
        return 100.0 if len(words) == len(run_words) else _BY_RULE
    if len(words) != len(run_words):
        return _without_initials(target, run) if any(map(_is_optional, (*target, *run))) else 0.0
    scores = [
        _word_similarity(a, b, len(words) > 1 and a.capital and b.capital)
        for a, b in zip(target, run, strict=True)
    ]
    if min(scores) >= 100:
        return 100.0
    whole = fuzz.ratio(" ".join(words), " ".join(run_words))
    # In a long name the ratio of the whole hides one wrong word, so a bad word decides.
    return min(whole, *scores) if min(scores) < 60 else whole


def _word_similarity(target: Token, token: Token, in_name: bool = True) -> float:
    """Similarity of two tokens; 0 where they are different values or different words.

    ``in_name``: both are parts of a name, where a plural is another name (*Adam*, *Adams*).
    """
    if target.kind != "word" or token.kind != "word":
        equal = target.text == token.text
        valued = target.value is not None and token.value is not None
        return 100.0 if equal or (valued and same_value(target, token)) else 0.0
    return _spelling_similarity(target.text, token.text, in_name)


@lru_cache(maxsize=65536)
def _spelling_similarity(word: str, other: str, in_name: bool) -> float:
    if same_word(word, other) or (not in_name and is_plural(word, other)):
        return 100.0
    return 0.0 if is_another_word(word, other) else fuzz.ratio(word, other)


def _without_initials(target: Sequence[Token], run: Sequence[Token]) -> float:
    """95 for *Robert Downey*, where *Robert J. Downey* is accepted, else 0.

    At least two words must be left without initials and titles.
    """
    words = list(_without_optional(target))
    run_words = list(_without_optional(run))
    if len(words) != len(run_words) or len(words) < 2:
        return 0.0
    same = all(_word_similarity(a, b) >= 100 for a, b in zip(words, run_words, strict=True))
    return _BY_RULE if same else 0.0


def _without_optional(run: Sequence[Token]) -> Iterator[Token]:
    """``run`` without initials and titles; the last letter stays (*Vitamin C*)."""
    for token in run[:-1]:
        if not _is_optional(token):
            yield token
    yield run[-1]


def _is_optional(token: Token) -> bool:
    """Whether ``token`` is an initial or a title."""
    return (len(token.text) == 1 and token.kind == "word") or token.text in TITLES


def _yes_or_no(text: str, word: str) -> float:
    """100 where the first *yes* or *no* of the answer agrees with ``word``, else 0."""
    for token in tokens(text):
        if token.text in _YES | _NO:
            return 100.0 if (token.text in _YES) == (word in _YES) else 0.0
    return 0.0


def _symbols(text: str, name: str) -> float:
    """100 where the answer has exactly the signs of ``name`` (``+``, an emoji), else 0."""
    wanted = "".join(unmarked(name).split()) or "".join(name.split())
    signs = "".join(c for c in text if not (c.isalnum() or c.isspace() or c in ".,:;!?'\""))
    return 100.0 if wanted and wanted in (signs, text.strip()) else 0.0
