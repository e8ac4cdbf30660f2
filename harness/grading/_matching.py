"""How well the best part of an answer matches one accepted name or value, 0 to 100."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import pairwise

from rapidfuzz import fuzz

from harness.grading._claims import is_denied
from harness.grading._comparison import same_value
from harness.grading._names import acronym, aliases, is_part_of_name
from harness.grading._scripts import in_digits, is_in_script, places
from harness.grading._text import RULERS, TITLES, is_another_word, is_plural, same_word, unmarked
from harness.grading._values import Token, tokens

_READ = 60
"""Words of an answer that are read: what follows is rambling."""
_ARTICLES = {"the", "a", "an"}
_YES = {"yes", "yeah", "yep", "yup", "true", "correct", "indeed", "affirmative"}
_NO = {"no", "nope", "nah", "false", "incorrect", "negative"}
_APPROXIMATE = re.compile(r"^\s*(?:circa|ca?\.|about|around|approximately|~)\s*(?=\d)", re.I)
"""*c. 1500* is asked for, *around 1500* will do."""
_BY_RULE = 95.0
"""Score of a match that a rule makes, such as an acronym, and not the letters."""
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
    """Tokens of an accepted name: without articles, and without a title before it."""
    every = tokens(_APPROXIMATE.sub("", unmarked(name)))
    names = [token for i, token in enumerate(every) if not _is_article(every, i)] or list(every)
    while len(names) > 2 and _is_title(names[0], names[1]):
        names = names[1:]
    return tuple(names)


def _is_title(token: Token, after: Token) -> bool:
    """*King Louis XIV* may be without it, *Prince of Wales* may not."""
    return token.text in TITLES or (token.text in RULERS and after.capital)


def _is_article(every: Sequence[Token], i: int) -> bool:
    """A letter at the end is none: *Vitamin A*."""
    letter = every[i].text == "a" and 0 < i == len(every) - 1
    return every[i].text in _ARTICLES and not letter


def match(text: str, name: str) -> float:
    """Best similarity of ``name`` to a part of ``text`` that is not denied."""
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
    best = max(scores)
    if best < _BY_RULE:
        best = max(best, max((answer.exactly(other) for other in aliases(name)), default=0.0))
    return best


def _is_comparison(target: Sequence[Token], values: Sequence[Token]) -> bool:
    """*x >= 3*: the comparison counts, and the letter need not be there."""
    return (
        len(target) == 2
        and len(values) == 1
        and values[0].kind == "comparison"
        and len(target[0].text) == 1
    )


class _Answer:
    """The tokens of an answer, in which those of ``target`` are looked for."""

    def __init__(self, text: str, target: tuple[Token, ...]) -> None:
        self.text = in_digits(text)
        self.target = target
        self.words = [token.text for token in target]
        letter = self.words[-1] == "a"
        every = [token for token in tokens(text) if letter or not self._is_article(token)]
        self.tokens = every[: max(_READ, 2 * len(target))]

    def _is_article(self, token: Token) -> bool:
        """The A of *A-320* is none."""
        return token.text in _ARTICLES and self.text[token.end : token.end + 1] != "-"

    def value(self, wanted: Token) -> float:
        """A value is there or not."""
        meant = [t for t in self.tokens if t.kind != "word" or not CHATTER.fullmatch(t.text)]
        for token in self.tokens:
            if same_value(wanted, token, len(meant) == 1) and not self._denies_value(token):
                return 100.0
        if wanted.kind == "sign" and wanted.text.endswith("#"):  # of music
            return self.exactly(f"{wanted.text[:-1]} sharp")
        return 100.0 if wanted.kind == "code" and self._has_code(wanted.text) else 0.0

    def _has_code(self, code: str) -> bool:
        """In one word or in two: *KL 1023*."""
        words = [token.text for token in self.tokens]
        pairs = [first + second for first, second in pairwise(words)]
        return code in words or re.sub(r"\W", "", code) in pairs

    def _denies_value(self, token: Token) -> bool:
        """*not more than 5* is no denial of it."""
        return token.kind != "comparison" and is_denied(self.text, token.start, token.end)

    def runs(self) -> float:
        """Best similarity of ``target`` to as many tokens, or to one or two more or less."""
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
        """Initials, and parts of a word that is written in one."""
        short = any(len(token.text) == 1 or token.kind != "word" for token in run)
        return short or len(self.target) <= 2

    def _denies(self, run: Sequence[Token]) -> bool:
        return is_denied(self.text, run[0].start, run[-1].end)

    def _is_cut(self, target: Sequence[Token], left: int, length: int) -> bool:
        run = self.tokens[left : left + length]
        near = (self._neighbour(left, -1), self._neighbour(left + length - 1, +1))
        return is_part_of_name(self.text, target, run, near)

    def _neighbour(self, i: int, step: int) -> Token | None:
        """The token beside token ``i`` with nothing but blanks between."""
        if not 0 <= i + step < len(self.tokens):
            return None
        first, second = sorted((self.tokens[i], self.tokens[i + step]), key=lambda t: t.start)
        return None if self.text[first.end : second.start].strip() else self.tokens[i + step]

    def exactly(self, alias: str) -> float:
        """An abbreviation or another name, letter by letter."""
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
        """*the third act* for *Act III*."""
        number, words = self.target[-1], self.words[:-1]
        if not words or number.kind not in ("roman", "number"):
            return 0.0
        for left, token in enumerate(self.tokens[: -len(words)]):
            run = self.tokens[left : left + len(self.target)]
            same_number = token.kind == "ordinal" and token.value == number.value
            if same_number and [after.text for after in run[1:]] == words:
                return 0.0 if self._denies(run) else _BY_RULE
        return 0.0

    def initials(self, name: str) -> float:
        """An acronym as the whole answer, and a name in full for an acronym."""
        whole = re.sub(r"^[Tt]he ", "", self.text.strip().strip("."))
        short = acronym(name)
        if len(short) == 2 and whole == short and all(len(word) > 2 for word in name.split()):
            return _BY_RULE
        in_full = name.isupper() and len(name) > 1 and len(self.tokens) <= 8
        return _BY_RULE if in_full and acronym(whole) == name else 0.0

    def surname_first(self) -> float:
        """*Finch, Edda* as the whole answer."""
        if "," not in self.text or len(self.words) < 2:
            return 0.0
        return _BY_RULE if sorted(self.words) == sorted(t.text for t in self.tokens) else 0.0


def similarity(target: Sequence[Token], run: Sequence[Token]) -> float:
    """Of a whole name: values must agree, and no word may be another one."""
    one, other = [token.text for token in target], [token.text for token in run]
    if "".join(one) == "".join(other):
        return 100.0 if len(one) == len(other) else _BY_RULE
    if len(one) != len(other):
        return _without_initials(target, run) if any(map(_is_left_out, (*target, *run))) else 0.0
    scores = [
        _word_similarity(a, b, len(one) > 1 and a.capital and b.capital)
        for a, b in zip(target, run, strict=True)
    ]
    if min(scores) >= 100:
        return 100.0
    whole = fuzz.ratio(" ".join(one), " ".join(other))
    return min(whole, *scores) if min(scores) < 60 else whole


def _word_similarity(target: Token, token: Token, in_name: bool = True) -> float:
    """Of two tokens; 0 where they are two values, or two different words.

    ``in_name``: a plural is another name (*Adam*, *Adams*).
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
    """*Robert Downey* for *Robert J. Downey*; two words at least must be left."""
    one, other = list(_bare(target)), list(_bare(run))
    if len(one) != len(other) or len(one) < 2:
        return 0.0
    same = all(_word_similarity(a, b) >= 100 for a, b in zip(one, other, strict=True))
    return _BY_RULE if same else 0.0


def _bare(run: Sequence[Token]) -> Iterator[Token]:
    """Without initials and titles; a letter at the end is none (*Vitamin C*)."""
    for token in run[:-1]:
        if not _is_left_out(token):
            yield token
    yield run[-1]


def _is_left_out(token: Token) -> bool:
    return (len(token.text) == 1 and token.kind == "word") or token.text in TITLES


def _yes_or_no(text: str, word: str) -> float:
    """The first such word of the answer counts."""
    for token in tokens(text):
        if token.text in _YES | _NO:
            return 100.0 if (token.text in _YES) == (word in _YES) else 0.0
    return 0.0


def _symbols(text: str, name: str) -> float:
    """A name of signs alone, such as ``+`` or an emoji, must be all the signs of the answer."""
    wanted = "".join(unmarked(name).split()) or "".join(name.split())
    signs = "".join(c for c in text if not (c.isalnum() or c.isspace() or c in ".,:;!?'\""))
    return 100.0 if wanted and wanted in (signs, text.strip()) else 0.0
