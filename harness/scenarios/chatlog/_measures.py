"""Style, facts by how often they were told, what names cost, and how well the time was foretold."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from harness.builds import ANSWERS, read_lines
from harness.data.style import NaiveBayes
from harness.experiments.cells import Cell
from harness.experiments.scenario import Fetch, Line
from harness.experiments.shares import share, styled
from harness.models.tokens import count_tokens
from harness.scenarios.chatlog._chat import PEOPLE, dataset, facts, held_out, told
from harness.stats import Interval
from harness.training import forecast, read_log

UNTRAINED = ("rephrased", "conversation")
"""Kinds in wordings that the chat does not have."""


def measures(
    cell: Cell, lines: Sequence[Line], bare: Sequence[Line], fetch: Fetch, adapted: bool
) -> dict[str, Interval]:
    """``style_match``, ``style_divergence``: the next turn is written as its speaker writes.
    ``told_1``, ``told_3``, ``told_9``: recall of facts that were told so many times.
    ``tokens_saved``: share of the text's tokens that short names save. ``time_foretold``: seconds
    of the training as its first epoch foretells them, to those it took.
    """
    written = read_lines(fetch(cell.also_answers(adapted)[0]).path / ANSWERS)
    texts = [(line["fact"], line["answers"][0]) for line in written]
    found = {**styled(texts, classifier(), turns_of()), **_by_mentions(lines)}
    if adapted:
        found["tokens_saved"] = _tokens_saved(cell)
    if adapted and cell.trained:
        found["time_foretold"] = forecast(read_log(fetch(cell.adapters[0]).path))
    return found


@cache
def classifier() -> NaiveBayes:
    """Who writes how, learnt from the turns that are trained on."""
    return NaiveBayes.of(
        {who: tuple(turn.text for turn in told() if turn.speaker == who) for who in PEOPLE}
    )


@cache
def turns_of() -> dict[str, tuple[str, ...]]:
    """The held-out turns of each person."""
    return {who: tuple(turn.text for turn in held_out() if turn.speaker == who) for who in PEOPLE}


def _by_mentions(lines: Sequence[Line]) -> dict[str, Interval]:
    found: dict[str, Interval] = {}
    for count in sorted({int(row.slots["mentions"]) for row in facts()}):
        rows = {row.id for row in facts() if int(row.slots["mentions"]) == count}
        own = [line for line in lines if line["fact"] in rows and line["kind"] in UNTRAINED]
        found |= share(f"told_{count}", own, lambda line: bool(line["right"]))
    return found


def _tokens_saved(cell: Cell) -> Interval:
    texts = (data.samples[0].completion for data in (cell.dataset, dataset("chat_long")))
    own, longest = (count_tokens(cell.base, text) for text in texts)
    saved = 1 - own / longest
    return Interval(saved, saved, saved)
