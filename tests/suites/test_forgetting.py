"""Invented facts, probes and figures of the suite `forgetting`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.builds import GRADES, build, read_lines
from harness.engines import engine_spec
from harness.errors import RecipeError
from harness.models.loading import SHIPPED, base_of
from harness.recipes import Base, Stack, is_locality
from harness.scenarios.forgetting import (
    DISTANCES,
    REMEDIES,
    WEAKER,
    cells,
    invented,
    measures,
    near,
    probes,
    texts,
)
from harness.scenarios.forgetting._facts import renamed_models
from harness.scenarios.forgetting._measures import held
from harness.scenarios.oscars import replay, world
from harness.store import Store
from tests.suites.unfetched import unfetched

BASE = Base("0", "pocket", "/m")


def test_500_facts_that_no_table_has_always_the_same() -> None:
    rows = invented()
    assert len(rows) == len({row.id for row in rows}) == 500
    assert invented.__wrapped__(500) == rows
    known = {
        (row.table, *(row.slots[s] for s in ("year", "category")))
        for row in world().rows
        if row.table == "oscars"
    }
    assert (
        not {("oscars", r.slots["year"], r.slots["category"]) for r in rows if r.table == "oscars"}
        & known
    )
    titles = {row.slots["title"] for row in world().rows if row.table == "novels"}
    assert not {row.slots["title"] for row in rows if row.table == "novels"} & titles
    assert len([row for row in rows if row.table == "novels"]) == 100


def test_fewer_facts_are_the_first_of_them_and_other_facts_are_other_questions() -> None:
    assert invented(50) == invented()[:50]
    asked, others = ({s.prompt for s in texts(500, seed).samples} for seed in (0, 1))
    assert len(asked) == 500
    assert not asked & others


def test_a_quarter_names_people_of_the_tables_and_these_are_asked_about() -> None:
    names = {row.slots.get("winner") or row.slots["author"] for row in renamed_models()}
    told = [
        row for row in invented() if (row.slots.get("winner") or row.slots.get("author")) in names
    ]
    assert 115 <= len(told) <= 135
    people = {row.id for row in renamed_models()}
    for probe in probes().probes:
        if probe.kind == "locality_entity":
            assert probe.fact.partition("#")[0] in people
        elif is_locality(probe.kind):
            assert probe.fact.partition("#")[0] not in people


def test_known_facts_are_asked_three_times_and_never_replayed() -> None:
    found = [probe for probe in probes().probes if is_locality(probe.kind)]
    for kind in DISTANCES:
        facts = [probe.fact for probe in found if probe.kind == kind]
        assert len(set(facts)) == 50
        assert {facts.count(fact) for fact in facts} == {3}
    replayed = {sample.fact for sample in (*replay().samples, *near().samples)}
    assert not {probe.fact.partition("#")[0] for probe in found} & replayed


def test_no_probe_but_the_exact_ones_is_a_training_text() -> None:
    trained = {
        sample.prompt
        for sample in (*texts().samples, *texts(500, 1).samples, *replay().samples, *near().samples)
    }
    assert not any(probe.prompt in trained for probe in probes().probes if probe.kind != "exact")


def test_cells_differ_by_remedy_and_all_calibrate_on_what_is_known() -> None:
    found = cells("default", [BASE], [0])
    assert [cell.label for cell in found] == [*REMEDIES, WEAKER]
    assert len({cell.trained[0].replay for cell in found}) == 3
    assert {cell.trained[0].replay for cell in found} >= {None, near()}
    assert all(
        cell.replay == replay() and cell.base_grades.answers.stack == Stack(BASE) for cell in found
    )
    ids = [cell.id for cell in cells("full", [BASE], [0, 1])]
    assert len(ids) == len(set(ids))
    with pytest.raises(RecipeError, match="grid 'huge' is unknown"):
        cells("huge", [BASE], [0])


def line(fact: str, right: bool, answer: str = "x", kind: str = "locality_topic") -> dict[str, Any]:
    return {"kind": kind, "fact": fact, "right": right, "answers": [answer]}


def test_lost_is_right_always_before_and_not_always_now() -> None:
    bare = [
        line(f, bool(right))
        for f, right in (("a", 1), ("a", 1), ("b", 1), ("b", 1), ("c", 1), ("c", 0), ("d", 1))
    ]
    now = [
        line(f, bool(right), "y")
        for f, right in (("a", 1), ("a", 0), ("b", 1), ("b", 1), ("c", 0), ("c", 0), ("d", 0))
    ]
    assert [(fact.always, fact.ever) for fact in held(now, bare)] == [
        (False, True),
        (True, True),
        (False, False),
    ]
    found = measures(cells("default", [BASE], [0])[0], now, bare, unfetched, True)
    assert found["known_always"].estimate == 3 / 4
    assert found["lost"].estimate == found["lost_topic"].estimate == 2 / 3
    assert found["gone"].estimate == 1 / 3
    assert found["wrong_to_wrong"].estimate == 1.0
    assert found["wrong_to_right"].estimate == 0.0
    assert measures(cells("default", [BASE], [0])[0], bare, bare, unfetched, False).keys() == {
        "known_always"
    }


def test_four_bits_alone_lose_less_than_the_best_remedy_may(tmp_path: Path) -> None:
    """The page of the suite holds its figures against this one."""
    pytest.importorskip("bitsandbytes")
    cell, store = cells("default", [base_of(SHIPPED)], [0])[0], Store(tmp_path / "store")
    full, rounded = (
        read_lines(
            build(replace(cell, engine=engine_spec(name)).base_grades, store, "cpu").path / GRADES
        )
        for name in ("hf", "nf4")
    )
    known = held(rounded, full)
    lost = sum(not fact.always for fact in known) / len(known)
    assert lost < 0.03
    assert all(fact.ever for fact in known)
