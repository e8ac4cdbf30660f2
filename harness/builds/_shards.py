"""Cells divided into shards of about equal work, in the same way by every process that asks.

The weights are the arithmetic of the recipes alone. Neither the store nor the machine counts, so
shards that start at different times on different machines agree without talking.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from harness.builds._estimates import task_of
from harness.builds._launch import Job, ordered
from harness.errors import RecipeError
from harness.recipes import Adapter, Grades, Merged, Recipe, digest, sha256

BALANCED = 1.1
"""The heaviest shard over the mean one, up to which nothing is moved any more."""
_WORTH = 0.95
"""Cells that share an adapter are parted where that lowers the heaviest shard to this share."""
_PARTINGS = 200
"""Of groups of such cells, at most."""
_FINGERPRINT = 8
"""Digits of a division's digest that are shown."""


class Shard(NamedTuple):
    """One of several shards."""

    number: int
    """From 1."""
    total: int

    @classmethod
    def of(cls, text: str) -> Shard:
        """``2/8`` as the second of eight shards. Raises RecipeError."""
        found = re.fullmatch(r"\s*(\d+)\s*/\s*(\d+)\s*", text)
        shard = cls(int(found[1]), int(found[2])) if found else cls(0, 0)
        if not 1 <= shard.number <= shard.total:
            raise RecipeError(
                f"--shard {text!r}: give I/N with I from 1 to N, such as 2/8 for the second of 8"
            )
        return shard

    def __str__(self) -> str:
        return f"{self.number}/{self.total}"


class Division(NamedTuple):
    """The cells of a plan, divided."""

    parts: tuple[tuple[int, ...], ...]
    """For each shard the places of its cells, in their order."""
    loads: tuple[float, ...]
    """For each shard the seconds of its builds on a usual machine: only their ratios count."""

    def fingerprint(self, names: Sequence[str]) -> str:
        """Equal in all processes that divided the same cells; ``names``: a name for each cell."""
        text = "\n".join(" ".join(names[place] for place in part) for part in self.parts)
        return sha256(text)[:_FINGERPRINT]

    @property
    def imbalance(self) -> float:
        """The heaviest shard over the mean one."""
        total = sum(self.loads)
        return max(self.loads) * len(self.loads) / total if total else 1.0


def divided(cells: Sequence[Iterable[Job]], count: int) -> Division:
    """``cells``, each given by its jobs, as ``count`` shards.

    A cell is in one shard. Cells that share an adapter stay together, unless that would leave the
    shards unbalanced. A build that cells of several shards need is part of each of them.
    """
    weights: dict[str, float | None] = {}
    needs = [_needed(jobs, weights) for jobs in cells]
    known = [weight for weight in weights.values() if weight is not None]
    # without an estimate: as long as others take on average
    mean = sum(known) / len(known) if known else 1.0
    costs = [
        {name: mean if weights[name] is None else weights[name] or 0.0 for name in names}
        for names, _ in needs
    ]
    return _balanced(costs, [adapters for _, adapters in needs], count)


def _needed(jobs: Iterable[Job], weights: dict[str, float | None]) -> tuple[list[str], set[str]]:
    """Digests of all that ``jobs`` build, and of the adapters among it; fills ``weights``."""
    names: dict[str, None] = {}
    adapters: set[str] = set()
    for job in ordered(jobs):
        for recipe in _built(job.recipe):
            name = digest(recipe)
            names[name] = None
            if isinstance(recipe, Adapter | Merged):
                adapters.add(name)
            if name not in weights:
                task = task_of(recipe, None)
                weights[name] = task.units if task else None
    return list(names), adapters


def _built(recipe: Recipe) -> Iterator[Recipe]:
    """A plan has no line for the answers of a grading."""
    if isinstance(recipe, Grades):
        yield recipe.answers
    yield recipe


def _together(adapters: Sequence[set[str]]) -> list[list[int]]:
    """Places of cells in groups that share adapters, directly or through other cells."""
    first: dict[str, int] = {}
    parent = list(range(len(adapters)))

    def root(place: int) -> int:
        while parent[place] != place:
            parent[place] = parent[parent[place]]
            place = parent[place]
        return place

    for place, names in enumerate(adapters):
        for name in sorted(names):
            other = root(first.setdefault(name, place))
            own = root(place)
            parent[max(own, other)] = min(own, other)
    groups: dict[int, list[int]] = {}
    for place in range(len(adapters)):
        groups.setdefault(root(place), []).append(place)
    return list(groups.values())


def _balanced(
    costs: Sequence[Mapping[str, float]], adapters: Sequence[set[str]], count: int
) -> Division:
    """Groups that share adapters are parted, a heavy one first, until the shards are balanced.

    Of all divisions on the way the first is taken that is about as good as the best: it parts the
    fewest cells.
    """
    groups = _together(adapters)
    found = [_assigned(costs, groups, count)]
    while found[-1].imbalance > BALANCED and len(found) <= _PARTINGS:
        last = found[-1]
        heaviest = set(last.parts[last.loads.index(max(last.loads))])
        parted = [group for group in groups if len(group) > 1 and group[0] in heaviest]
        if not parted:
            break
        group = max(parted, key=lambda group: _load(costs, group))
        at = groups.index(group)
        groups = [*groups[:at], *_parted(group, adapters), *groups[at + 1 :]]
        found.append(_assigned(costs, groups, count))
    least = min(max(division.loads) for division in found)
    return next(division for division in found if max(division.loads) * _WORTH <= least)


def _parted(group: list[int], adapters: Sequence[set[str]]) -> list[list[int]]:
    """The parts into which ``group`` falls without the adapters that most of its cells share."""
    users = Counter(name for place in group for name in sorted(adapters[place]))
    ignored: set[str] = set()
    for name, _ in users.most_common():
        ignored.add(name)
        parts = _together([adapters[place] - ignored for place in group])
        if len(parts) > 1:
            break
    return [[group[place] for place in part] for part in parts]


def _load(costs: Sequence[Mapping[str, float]], group: Iterable[int]) -> float:
    return sum({name: cost for place in group for name, cost in costs[place].items()}.values())


class _Bin:
    """One shard while it is filled: what several of its groups need counts once."""

    def __init__(self) -> None:
        self.groups: list[int] = []
        self.load = 0.0
        self._users: Counter[str] = Counter()

    def with_(self, need: Mapping[str, float]) -> float:
        """The load with ``need``, too."""
        return self.load + sum(cost for name, cost in need.items() if not self._users[name])

    def without(self, need: Mapping[str, float]) -> float:
        """The load without the group that has ``need``."""
        return self.load - sum(cost for name, cost in need.items() if self._users[name] == 1)

    def add(self, group: int, need: Mapping[str, float]) -> None:
        self.load = self.with_(need)
        self.groups.append(group)
        self._users.update(need.keys())

    def remove(self, group: int, need: Mapping[str, float]) -> None:
        self.load = self.without(need)
        self.groups.remove(group)
        self._users.subtract(need.keys())


def _assigned(
    costs: Sequence[Mapping[str, float]], groups: Sequence[Sequence[int]], count: int
) -> Division:
    """The heaviest group first, each to the shard that is then the lightest; then improved."""
    needs = [
        {name: cost for place in group for name, cost in costs[place].items()} for group in groups
    ]
    bins = [_Bin() for _ in range(count)]
    for group in sorted(range(len(groups)), key=lambda group: -sum(needs[group].values())):
        lightest = min(bins, key=lambda shard: shard.with_(needs[group]))
        lightest.add(group, needs[group])
    while _improved(bins, needs):
        pass
    parts = (sorted(place for group in shard.groups for place in groups[group]) for shard in bins)
    return Division(tuple(map(tuple, parts)), tuple(shard.load for shard in bins))


def _improved(bins: Sequence[_Bin], needs: Sequence[Mapping[str, float]]) -> bool:
    """Move a group out of the heaviest shard, or exchange two; False where that helps no more."""
    heavy = max(bins, key=lambda shard: shard.load)
    mean = sum(shard.load for shard in bins) / len(bins)
    if heavy.load <= BALANCED * mean:
        return False
    aim = heavy.load * (1 - 1e-9)  # rounding must not make it go round in a circle
    for light in sorted(bins, key=lambda shard: shard.load):
        if light is heavy:
            continue
        for group in heavy.groups:
            if max(heavy.without(needs[group]), light.with_(needs[group])) < aim:
                heavy.remove(group, needs[group])
                light.add(group, needs[group])
                return True
        if _exchanged(heavy, light, needs, aim):
            return True
    return False


def _exchanged(heavy: _Bin, light: _Bin, needs: Sequence[Mapping[str, float]], aim: float) -> bool:
    """Exchange a group of each, where both loads are then below ``aim``."""
    for out in list(heavy.groups):
        heavy.remove(out, needs[out])
        for back in list(light.groups):
            light.remove(back, needs[back])
            if max(heavy.with_(needs[back]), light.with_(needs[out])) < aim:
                heavy.add(back, needs[back])
                light.add(out, needs[out])
                return True
            light.add(back, needs[back])
        heavy.add(out, needs[out])
    return False
