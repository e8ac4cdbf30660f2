"""The simulation of docs/scale.md: bounds that every schedule keeps, and what chains change."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.scale import Build, Costs, chained, simulate


@st.composite
def plans(draw: st.DrawFn) -> list[Build]:
    """Builds, each of which may need earlier ones."""
    count = draw(st.integers(1, 30))
    builds = []
    for number in range(count):
        needs = draw(st.sets(st.integers(0, number - 1), max_size=2)) if number else set()
        seconds = draw(st.floats(0.1, 100))
        builds.append(Build(str(number), tuple(map(str, sorted(needs))), seconds, 10.0))
    return builds


@settings(max_examples=200, deadline=None)
@given(plans(), st.integers(1, 8))
def test_a_schedule_keeps_the_bounds_of_list_scheduling(plan: list[Build], slots: int) -> None:
    """Graham 1969: between the longest chain or the mean load, and their sum."""
    ends: dict[str, float] = {}
    for build in plan:
        ends[build.name] = build.seconds + max((ends[need] for need in build.needs), default=0.0)
    longest, total = max(ends.values()), sum(build.seconds for build in plan)
    found = simulate(plan, slots, 1, Costs())
    assert max(longest, total / slots) <= found.makespan * (1 + 1e-9)
    assert found.makespan <= (longest + total / slots) * (1 + 1e-9)
    assert abs(found.busy - total) < 1e-6


def test_chains_load_once_and_fetch_nothing() -> None:
    cells = [
        build
        for i in range(8)
        for build in (
            Build(f"a{i}", (), 10.0, 1e9),
            Build(f"b{i}", (f"a{i}",), 2.0),
            Build(f"c{i}", (f"a{i}",), 2.0),
        )
    ]
    costs = Costs(load=5.0, reloads=True)
    single, chains = (simulate(plan, 4, 2, costs) for plan in (cells, chained(cells)))
    assert (single.loads, chains.loads) == (24, 8)
    assert chains.fetched == 0
    assert single.fetched > 0
    assert chains.makespan < single.makespan
    assert chains.busy == single.busy
