"""Shards of real plans: nothing is lost, nothing is done twice without need, all do as much."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.builds import BALANCED, Job, Shard, divided
from harness.builds._launch import ordered
from harness.builds._shards import _balanced, _needed
from harness.errors import RecipeError
from harness.experiments.selection import Selection, cells, load, shipped
from harness.models.loading import SHIPPED, base_of

ROOT = Path(__file__).resolve().parents[2]
SUITES = ("oscars", "stacking", "resume", "grid", "lies", "size", "transfer", "book")
"""With single adapters, stacks, chains of adapters, siblings, timings."""


@cache
def plan(suite: str) -> tuple[tuple[Job, ...], ...]:
    """The jobs of each cell of the full grid of a shipped suite."""
    selection = Selection((base_of(SHIPPED),), grid="full")
    found = cells(load(shipped()[suite]), selection)
    return tuple(tuple(ordered(cell.jobs())) for cell in found)


class Costs(NamedTuple):
    """What dividing a suite needs to know of it."""

    seconds: tuple[dict[str, float], ...]
    """For each cell the seconds of its builds by digest, on a usual machine."""
    adapters: tuple[frozenset[str], ...]


@cache
def costs(suite: str) -> Costs:
    """Computed once: hypothesis divides many selections of the same cells."""
    weights: dict[str, float | None] = {}
    needs = [_needed(jobs, weights) for jobs in plan(suite)]
    assert None not in weights.values()
    seconds = tuple({name: weights[name] or 0.0 for name in names} for names, _ in needs)
    return Costs(seconds, tuple(frozenset(names) for _, names in needs))


@st.composite
def selections(draw: st.DrawFn) -> tuple[str, list[int], int]:
    """A suite, some of its cells, as ``-k`` may select them, and a number of shards."""
    suite = draw(st.sampled_from(SUITES))
    last = len(plan(suite)) - 1
    picked = draw(st.sets(st.integers(0, last), min_size=1, max_size=last + 1))
    whole = draw(st.booleans())
    places = list(range(last + 1)) if whole else sorted(picked)
    return suite, places, draw(st.integers(1, 16))


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(selections())
def test_shards_are_the_plan_disjoint_and_balanced(selected: tuple[str, list[int], int]) -> None:
    suite, places, count = selected
    seconds = [costs(suite).seconds[place] for place in places]
    adapters = [set(costs(suite).adapters[place]) for place in places]
    division = _balanced(seconds, adapters, count)
    assert len(division.parts) == count
    assert sorted(place for part in division.parts for place in part) == list(range(len(places)))
    for part, load_ in zip(division.parts, division.loads, strict=True):
        assert load_ == pytest.approx(sum(merged(seconds, part).values()))
    pieces = [piece for part in division.parts for piece in tied(part, adapters)]
    # no shard is above the mean by more than the heaviest piece that stays together: within a tenth
    # of it, as soon as there are some ten such pieces a shard
    heaviest = max(sum(merged(seconds, piece).values()) for piece in pieces)
    assert max(division.loads) <= sum(division.loads) / count + heaviest + 1e-9


def merged(seconds: Sequence[dict[str, float]], places: Iterable[int]) -> dict[str, float]:
    """What several cells build, each build once."""
    return {name: cost for place in places for name, cost in seconds[place].items()}


def tied(part: tuple[int, ...], adapters: Sequence[set[str]]) -> list[list[int]]:
    """The cells of a shard in groups that share adapters."""
    groups: list[tuple[set[str], list[int]]] = []
    for place in part:
        names, group = set(adapters[place]), [place]
        for other in [each for each in groups if each[0] & names]:
            groups.remove(other)
            names, group = names | other[0], group + other[1]
        groups.append((names, group))
    return [group for _, group in groups]


@pytest.mark.parametrize("suite", ["oscars", "grid", "lies"])
@pytest.mark.parametrize("count", [2, 5, 7])
def test_a_whole_suite_is_balanced_within_a_tenth(suite: str, count: int) -> None:
    """Where there are many cells, each of about the same work."""
    assert divided(plan(suite), count).imbalance <= BALANCED


@pytest.mark.parametrize("suite", ["stacking", "resume"])
def test_cells_that_share_an_adapter_stay_together_where_balance_allows(suite: str) -> None:
    adapters = costs(suite).adapters

    def apart(parts: Iterable[Iterable[int]]) -> int:
        """Adapters that two shards need."""
        one, two = (set().union(*(adapters[place] for place in part)) for part in parts)
        return len(one & two)

    dealt = [range(first, len(adapters), 2) for first in (0, 1)]  # as by dealing them in turn
    assert apart(divided(plan(suite), 2).parts) < apart(dealt)


def fingerprints(seed: str) -> Iterator[str]:
    code = (
        "from tests.builds.test_shards import plan, divided\n"
        "for suite in ('oscars', 'stacking'):\n"
        "    cells = plan(suite)\n"
        "    print(divided(cells, 7).fingerprint([str(i) for i in range(len(cells))]))\n"
    )
    own = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=own, capture_output=True, text=True, check=True
    )
    yield from done.stdout.split()


def test_processes_that_never_talk_divide_alike() -> None:
    """Sets are walked in another order under each hash seed."""
    first, second = (list(fingerprints(seed)) for seed in ("1", "2"))
    assert first == second
    assert len(first) == 2


@pytest.mark.parametrize("text", ["0/3", "4/3", "2", "a/b", "1/0", "-1/3"])
def test_a_share_that_is_none_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(RecipeError, match="give I/N with I from 1 to N"):
        Shard.of(text)
