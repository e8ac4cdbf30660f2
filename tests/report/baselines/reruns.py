"""Reruns of a cell, made from real verdicts: one cell of a shipped model, trained with seeds 0, 1
and 2.

``verdicts.json``: kind -> fact -> the verdicts on the fact's questions, a word a seed.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from harness.builds import GradedLine
from harness.report.baselines import BaselineCell

Lines = list[GradedLine]
REAL = json.loads((Path(__file__).parent / "verdicts.json").read_text(encoding="utf-8"))
RECALL = tuple(kind for kind in REAL if kind != "known")


def facts(times: int = 1, copies: dict[str, Any] = REAL) -> dict[str, dict[str, list[str]]]:
    """The verdicts by kind and fact; more facts are copies of the real ones."""
    return {
        kind: {
            f"{fact}#{copy}": words.split() for copy in range(times) for fact, words in own.items()
        }
        for kind, own in copies.items()
    }


def one(seed: int, times: int = 1) -> Lines:
    """What training with ``seed`` gave."""
    return _lines(facts(times), lambda words: words[seed])


def facts_redrawn(rng: np.random.Generator, times: int = 1) -> Lines:
    """Each fact answers as in one of the three trainings, drawn anew: its questions stay as alike
    as they were."""
    return _lines(facts(times), lambda words: words[rng.integers(3)])


def questions_redrawn(rng: np.random.Generator, times: int = 1) -> Lines:
    """Each question is right as often as it was in the three trainings, as with sampled answers."""

    def draw(words: list[str]) -> str:
        return "".join(column[rng.integers(3)] for column in zip(*words, strict=True))

    return _lines(facts(times), draw)


def lose_questions(lines: Lines, share: float, rng: np.random.Generator) -> Lines:
    """``share`` of all questions on the facts turn from right to wrong, wherever they stand."""
    rights = {kind: [ln.right for ln in lines if ln.kind == kind] for kind in RECALL}
    chance = {
        kind: share * len(own) / max(1, sum(own)) for kind, own in rights.items()
    }  # only right ones can be lost
    return [
        ln._replace(right=ln.right and rng.random() >= chance.get(ln.kind, 0.0)) for ln in lines
    ]


def lose_facts(lines: Lines, share: float, rng: np.random.Generator) -> Lines:
    """``share`` of the facts are lost in every wording."""
    names = sorted({ln.fact for ln in lines if ln.kind in RECALL})
    lost = set(rng.choice(names, round(share * len(names)), replace=False))
    return [ln._replace(right=ln.right and ln.fact not in lost) for ln in lines]


def kept(lines: Lines) -> BaselineCell:
    """The baseline of ``lines``."""
    return BaselineCell("ok", {ln.id: ln.right for ln in lines}, {})


def _lines(by_kind: dict[str, dict[str, list[str]]], pick: Callable[[list[str]], str]) -> Lines:
    return [
        _line(f"{kind}/{fact}/{i}", "locality" if kind == "known" else kind, fact, bit == "1")
        for kind, own in by_kind.items()
        for fact, words in own.items()
        for i, bit in enumerate(pick(words))
    ]


def _line(probe: str, kind: str, fact: str, right: bool) -> GradedLine:
    answered: dict[str, Any] = {"prompt": "who?", "accepted": ("Somebody",), "answers": ("Nobody",)}
    verdict: dict[str, Any] = {"verdicts": (right,), "scores": (0.0,), "read_as": ("text",)}
    return GradedLine(probe, kind, fact, right=right, **answered, **verdict)
