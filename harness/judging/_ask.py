"""Asking a judge whether two answers mean the same, in four ways, so that its leanings cancel out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from harness.engines import Engine
from harness.facts import spoken
from harness.formats import VERDICTS, Verdict, fold
from harness.recipes import Decoding

FOUR = "four-1"
"""Name and version of what is asked here and of how replies are read, part of the recipe of every judge."""

_READ = 60  # words of an answer that are judged, as many as the fuzzy grader reads: what follows is rambling
_WAYS = len(VERDICTS)
_FIRM = " Answer with one word, yes or no:"
_TRIES = (
    ("", Decoding(max_new_tokens=8)),
    (_FIRM, Decoding(max_new_tokens=8)),
    (_FIRM, Decoding(max_new_tokens=8, do_sample=True, temperature=0.7, seed=1)),
)
"""What is put behind the prompt, and how it is answered: firmer where the reply before was neither yes nor no."""


class Case(NamedTuple):
    """What is judged: does ``given`` say what ``expected`` says?"""

    question: str
    expected: str
    """One accepted answer; names of a list are joined by ``"; "``."""
    given: str


class Judgement(NamedTuple):
    """What a judge said of a case, asked in every way."""

    odds: float
    """Log-likelihood of *same* against *differ* in nats, summed over all ways; or votes for *same* less the others."""
    asked: tuple[dict[str, Any], ...]
    """Each prompt, the words for *same* and *differ*, and their ``log_likelihoods``; or the raw ``replies``, and how
    they were read (``vote``: 1 same, -1 differ, 0 neither)."""


def prompts(case: Case) -> list[str]:
    """``case`` in every way of ``VERDICTS``: the question as it is, both answers folded (see ``fold``)."""
    expected, given = fold(spoken(case.expected)), fold(" ".join(case.given.split()[:_READ]))
    return [way.prompt.format(question=case.question, expected=expected, given=given) for way in VERDICTS]


def ask(engine: Engine, cases: Sequence[Case]) -> list[Judgement]:
    """What the judge says of each case: by log-likelihood where its engine tells, else by its replies.

    Each word is *same* in two ways and *differ* in two, and each answer stands first in two, so whatever a judge
    leans to by itself, a word or a place, is added as often as it is taken away.
    """
    by = _by_likelihood if engine.capabilities.log_likelihood else _by_reply
    put = [prompt for case in cases for prompt in prompts(case)]
    found = by(engine, put, VERDICTS * len(cases))
    each = [found[left : left + _WAYS] for left in range(0, len(found), _WAYS)]
    return [Judgement(round(sum(odds for odds, _ in own), 6), tuple(record for _, record in own)) for own in each]


def _by_likelihood(engine: Engine, put: Sequence[str], ways: Sequence[Verdict]) -> list[tuple[float, dict[str, Any]]]:
    pairs = [(p, word) for p, way in zip(put, ways, strict=True) for word in (way.same, way.differ)]
    totals = [likelihood.total for likelihood in engine.log_likelihood(pairs)]
    found = []
    for prompt, way, same, differ in zip(put, ways, totals[::2], totals[1::2], strict=True):
        record = {"prompt": prompt, "same": way.same, "differ": way.differ, "log_likelihoods": [same, differ]}
        found.append((same - differ, record))
    return found


def _by_reply(engine: Engine, put: Sequence[str], ways: Sequence[Verdict]) -> list[tuple[float, dict[str, Any]]]:
    """Prompts whose reply is neither yes nor no are asked again, more firmly."""
    replies: list[list[str]] = [[] for _ in put]
    open_ = list(range(len(put)))
    for behind, decoding in _TRIES:
        said = engine.answer([put[i] + behind for i in open_], decoding) if open_ else []
        for i, texts in zip(open_, said, strict=True):
            replies[i].append(texts[0])
        open_ = [i for i in open_ if not read(replies[i][-1])]
    found = []
    for prompt, way, texts in zip(put, ways, replies, strict=True):
        vote = {way.same.strip(): 1, way.differ.strip(): -1}.get(read(texts[-1]), 0)
        record = {"prompt": prompt, "same": way.same, "differ": way.differ, "replies": texts, "vote": vote}
        found.append((float(vote), record))
    return found


def read(reply: str) -> str:
    """``yes`` or ``no`` where ``reply`` begins with one and does not hold the other; else nothing."""
    words = re.findall(r"[^\W_]+", reply.lower())
    said = {"yes", "no"} & set(words)
    return words[0] if len(said) == 1 and words[0] in said else ""
