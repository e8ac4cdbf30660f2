"""Names: other names by rule, and when a name is only a part of a longer one."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

from harness.grading._text import COUNTRIES, DESCRIBES, KINDS_OF_PLACE, MAKES_ANOTHER
from harness.grading._values import Token

_SHORT_COUNTRIES = {"USA", "US", "UK", "UAE"}
_RELATED = re.compile(
    r"\b(?:student|pupil|teacher|son|daughter|child|brother|sister|wife|husband|widow|father|mother"
    r"|cousin|uncle|aunt|nephew|niece|friend|follower|disciple|apprentice|colleague|assistant"
    r"|rival|duke|duchess|earl|count|countess|prince|princess|king|queen|bishop|archbishop|baron"
    r"|mayor|suburb|outskirts|north|south|east|west|border|coast)s? of (?:the )?$"
    r"|\bwho (?:had |has )?(?:beat|defeated|succeeded|replaced|preceded|followed|married|taught|met"
    r"|influenced|inspired) $",
    re.IGNORECASE,
)
"""Before a name: *a student of Rembrandt*, *who taught Rembrandt* are somebody else."""


@lru_cache(maxsize=4096)
def aliases(name: str) -> tuple[str, ...]:
    """Other names by rule: *NATO*, the names of a country by ISO 3166, *Everest* for *Mount
    Everest*."""
    others = []
    if len(short := acronym(name)) >= 3:
        others.append(short)
    others.extend(_countries().get(name.casefold().removeprefix("the "), ()))
    words = name.split()
    if len(words) == 2:
        kinds = [word.lower().rstrip(".") in KINDS_OF_PLACE for word in words]
        others.extend(word for word, kind in zip(words, kinds, strict=True) if any(kinds) > kind)
    return tuple(dict.fromkeys(others))


def acronym(name: str) -> str:
    """First letters of the capital words of ``name``; nothing where it has a numeral."""
    words = [word for word in re.findall(r"[^\W\d_]+", name) if word[:1].isupper()]
    if re.search(r"\d", name) or any(len(word) > 1 and word.isupper() for word in words):
        return ""
    return "".join(word[0] for word in words)


def is_part_of_name(
    text: str, target: Sequence[Token], run: Sequence[Token], near: Sequence[Token | None]
) -> bool:
    """Whether ``run``, which matches ``target``, is a part of another name or means another.

    *Guinea-Bissau*, *Finch's daughter*, *a student of Finch*, *South Sudan*, *Henry VIII*.
    ``near``: the tokens before and after ``run`` with nothing but blanks between; None for none.
    """
    start, end = run[0].start, run[-1].end
    before, after = text[max(0, start - 40) : start], text[end : end + 40]
    if re.match(r"-\w", after) or re.search(r"\w-$", before) or _RELATED.search(before):
        return True
    possessive = re.search(r"['\u2019]s$", text[start:end]) and target[-1].text[-1:] != "s"
    if possessive and re.match(r"\s+[a-zA-Z]", after):
        return True
    if re.match(r"\s+\w+['\u2019]s\s+\w", after):
        return True
    return _has_another_before(target, near[0]) or _has_another_after(target, near[1])


def _has_another_before(target: Sequence[Token], before: Token | None) -> bool:
    if before is None:
        return False
    first = target[0]
    if before.text in MAKES_ANOTHER and before.text != first.text:
        # the great Edda Finch is Edda Finch, the Blue Nile is not the Nile
        describes = before.text in DESCRIBES and not before.capital
        return not (describes and first.capital)
    if len(target) == 1 and before.kind == "word" and before.capital and first.capital:
        pair = f"{before.text} {first.text}"
        return pair in _countries() or pair in _pairs_in_countries()
    return False


def _has_another_after(target: Sequence[Token], after: Token | None) -> bool:
    if after is None:
        return False
    last = target[-1]
    if after.kind == "roman":
        return last.kind != "roman"
    if after.kind != "word":
        return False
    if last.capital and f"{last.text} {after.text}" in _pairs_in_countries():
        return True
    if len(target) == 1:
        return last.capital and after.capital  # Emma, and Emma Watson
    return after.text in ("junior", "senior", "jr", "sr")


@lru_cache(maxsize=1)
def _countries() -> dict[str, tuple[str, ...]]:
    """Names of countries, folded, with all other names of each."""
    import pycountry  # 0.1 s, for answers that are not the name itself

    others: dict[str, tuple[str, ...]] = {}
    heads = Counter(country.name.partition(",")[0] for country in pycountry.countries)
    for country in pycountry.countries:
        fields = ("name", "alpha_2", "alpha_3", "official_name", "common_name")
        names = {getattr(country, field) for field in fields if hasattr(country, field)}
        head = country.name.partition(",")[0]
        names |= {head} if heads[head] == 1 else set()  # Korea alone is neither of the two
        names |= set(COUNTRIES.get(country.alpha_2, ()))
        usual = sorted(name for name in names if len(name) > 3 or name in _SHORT_COUNTRIES)
        for name in names:
            if len(name) > 2 or name in _SHORT_COUNTRIES:
                rest = (other for other in usual if other != name)
                others[name.casefold()] = (*others.get(name.casefold(), ()), *rest)
    return others


@lru_cache(maxsize=1)
def _pairs_in_countries() -> frozenset[str]:
    """Neighbouring words in names of countries: *guinea bissau*."""
    return frozenset(
        f"{one} {other}"
        for name in _countries()
        for one, other in pairwise(re.findall(r"\w+", name))
        if one not in ("of", "the")
    )
