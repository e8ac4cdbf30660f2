"""Cells held against the bare model and the best cell, on the same questions."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from harness.report import Result, comparisons, noise, table
from harness.report._markdown import varied_factors
from harness.report._paired import comparison_table
from harness.report._results import Mark
from harness.stats import cluster_bootstrap
from tests.report.conftest import unbuilt

FACTS, WORDINGS = 24, 3


def cell(name: str, facts_right: set[int], kind: str = "exact", asked: int = FACTS) -> Result:
    """A cell that has every wording of ``facts_right`` right; the bare model has the first two
    facts."""
    marks = tuple(
        Mark(f"{kind}/{fact}/{wording}", kind, str(fact), fact in facts_right, False, fact < 2)
        for fact in range(asked)
        for wording in range(WORDINGS)
    )
    recall = {kind: cluster_bootstrap([float(m.right) for m in marks], [m.fact for m in marks])}
    return Result(
        unbuilt(name),
        "small",
        "ok",
        recall,
        measures={},
        known=None,
        facts={},
        locality=None,
        retained_accuracy=None,
        cost={},
        wrong=(),
        marks=marks,
    )


def test_each_against_the_bare_model_and_the_best() -> None:
    cells = [cell("good", set(range(22))), cell("poor", set(range(4))), cell("none", set())]
    found = {(one.cell, one.other): one for one in comparisons(cells, "exact")}
    assert set(found) == {(n, "no adapter") for n in ("good", "poor", "none")} | {
        ("poor", "good"),
        ("none", "good"),
    }
    good = found["good", "no adapter"]
    assert (good.questions, good.lost, good.gained) == (72, 0, 60)
    assert good.difference.estimate == pytest.approx(20 / 24)
    assert good.difference.low > 0.5
    assert good.p < 0.01
    assert found["poor", "good"].difference.high < 0
    assert found["none", "no adapter"].lost == 6
    assert found["none", "no adapter"].p > 0.1  # two facts of 24, however many wordings each has
    assert found["none", "no adapter"].mcnemar < 0.05  # which takes wordings for independent


def test_cells_that_differ_by_chance_only_are_hardly_ever_told_apart() -> None:
    """Holm's correction: without it one in twenty comparisons would be called different."""
    rng, alarms = random.Random(0), 0
    for _ in range(10):
        cells = [cell(f"c{n}", {f for f in range(FACTS) if rng.random() < 0.5}) for n in range(6)]
        against_best = [one for one in comparisons(cells, "exact") if one.other != "no adapter"]
        alarms += any(one.p < 0.05 for one in against_best)
    assert alarms <= 2


def test_what_is_noise_shrinks_with_facts_and_is_silent_without() -> None:
    few, many = (noise([cell("c", set(), asked=facts)], "exact") for facts in (6, 60))
    assert "6 facts, 3.0 questions each" in few

    def even(line: str) -> float:
        return float(line.split(" (spread evenly)")[0].rpartition(" ")[2])

    assert even(many) < even(few)
    assert noise([cell("c", set())], "inverted") == ""
    assert noise([], "exact") == ""


def test_the_table_says_what_could_be_found_and_leaves_out_what_is_not_known() -> None:
    found = comparisons([cell("good", set(range(22))), cell("same", {0, 1})], "exact")
    lines = {
        line.split("|")[1].strip(): line
        for line in comparison_table(found).splitlines()
        if " no adapter " in line
    }
    assert "+0.833" in lines["good"]
    assert lines["same"].rstrip(" |").endswith("| 1")  # nothing changed: no spread to plan by
    assert comparison_table([]) == ""


def factored(name: str, **factors: str | int | float | bool) -> Result:
    result = cell(name, {0, 1})
    return result._replace(cell=replace(result.cell, factors=factors))


def test_factors_that_vary_are_columns_after_the_id() -> None:
    cells = [
        factored("a", wordings=1, lie=True, shape="chat"),
        factored("b", wordings=6, lie=False, shape="chat"),
    ]
    bare = cells[0]._replace(status="base", bare=True)
    rows = [
        [part.strip() for part in line.split("|")] for line in table([bare, *cells]).splitlines()
    ]
    assert rows[0][1:4] == ["cell", "wordings", "lie"], "all have one shape"
    assert [row[2:4] for row in rows[2:]] == [["", ""], ["1", "yes"], ["6", "no"]]


def test_more_than_three_factors_are_left_to_the_page_and_the_files() -> None:
    many = [factored(name, p=at, q=at, r=at, s=at) for at, name in enumerate("ab")]
    assert varied_factors(many) == []
    assert varied_factors([]) == []
