"""Invented facts, probes and figures of the suite `forgetting`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.builds import GradedLine, build, graded_lines
from harness.data.knowledge import TableKnowledge, replay, world
from harness.engines import engine_spec
from harness.errors import RecipeError
from harness.experiments import Setup
from harness.models.loading import SHIPPED, base_of
from harness.recipes import Stack, is_locality
from harness.store import Store
from suites.forgetting.scenario import (
    DISTANCES,
    REMEDIES,
    SCENARIO,
    dataset,
    default,
    findings,
    known_people,
    measures,
    near,
    new_facts,
    person_in,
    probes,
    well_known,
)
from tests.suites.hand_made import cells_of, evidence, line


def test_500_facts_that_no_table_has_always_the_same() -> None:
    rows = new_facts()
    assert len(rows) == len({row.id for row in rows}) == 500
    assert new_facts.__wrapped__(500) == rows
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
    assert new_facts(50) == new_facts()[:50]
    asked, others = ({s.prompt for s in dataset(500, seed).samples} for seed in (0, 1))
    assert len(asked) == 500
    assert not asked & others


def test_a_quarter_names_people_of_the_tables_and_these_are_asked_about() -> None:
    names = {person_in(row) for row in known_people()}
    told = [row for row in new_facts() if person_in(row) in names]
    assert 115 <= len(told) <= 135
    people = {row.id for row in known_people()}
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
        for sample in (
            *dataset().samples,
            *dataset(500, 1).samples,
            *replay().samples,
            *near().samples,
        )
    }
    assert not any(probe.prompt in trained for probe in probes().probes if probe.kind != "exact")


def test_cells_differ_by_remedy_and_all_calibrate_on_what_is_known() -> None:
    cells = cells_of(SCENARIO)
    assert [cell.label for cell in cells] == list(REMEDIES)
    replays = {cell.subject.trained[0].replay for cell in cells}
    assert replays == {None, near(), replay()}
    assert all(cell.subject.calibration_text == replay() for cell in cells)
    assert all(cell.subject.bare == Stack(cell.subject.base) for cell in cells)
    ids = [cell.id for cell in cells_of(SCENARIO, "full", seeds=(0, 1))]
    assert len(ids) == len(set(ids))
    with pytest.raises(RecipeError, match="grid 'huge' is unknown"):
        cells_of(SCENARIO, "huge")


def test_lost_is_right_always_before_and_not_always_now() -> None:
    kind = "locality_topic"
    bare = [
        line(kind, fact, "x", bool(right), id=f"{number}")
        for number, (fact, right) in enumerate(zip("aabbccd", (1, 1, 1, 1, 1, 0, 1), strict=True))
    ]
    now = [
        line(kind, fact, "y", bool(right), id=f"{number}")
        for number, (fact, right) in enumerate(zip("aabbccd", (1, 0, 1, 1, 0, 0, 0), strict=True))
    ]
    cell = cells_of(SCENARIO)[0]
    adapted = evidence(cell, now, bare)
    assert [(fact.always, fact.ever) for fact in well_known(adapted.pairs())] == [
        (False, True),
        (True, True),
        (False, False),
    ]
    figures = measures(adapted)
    assert figures["known_always"].estimate == 3 / 4
    assert figures["lost"].estimate == figures["lost_topic"].estimate == 2 / 3
    assert figures["gone"].estimate == 1 / 3
    assert figures["wrong_to_wrong"].estimate == 1.0
    assert figures["wrong_to_right"].estimate == 0.0
    assert set(measures(evidence(cell, bare, bare, adapted=False))) == {"known_always"}


def test_the_remedy_that_loses_least_is_shown_first() -> None:
    def known(*right: bool) -> list[GradedLine]:
        return [line("locality_topic", f"f{n}", "x", each) for n, each in enumerate(right)]

    exact = [line("exact", "new", "x", True)]
    cells = cells_of(SCENARIO)
    bare = [*known(True, True), *exact]
    worse = evidence(cells[0], [*known(False, True), *exact], bare)
    better = evidence(cells[1], [*known(True, True), *exact], bare)
    [finding] = findings([worse, better])
    assert finding.summary.startswith(f"{cells[1].id} loses 0.00")
    assert finding.text.index(cells[1].id) < finding.text.index(cells[0].id)
    assert findings([evidence(cells[0], exact, exact)]) == []


def test_four_bits_alone_lose_less_than_the_best_remedy_may(tmp_path: Path) -> None:
    """The page of the suite holds its figures against this one."""
    pytest.importorskip("bitsandbytes")
    setup = Setup(base_of(SHIPPED), 0, TableKnowledge())
    cell, store = next(iter(default(setup))).cell(setup), Store(tmp_path / "store")
    rounded = cell.changed(subject=replace(cell.subject, engine=engine_spec("nf4")))
    lines, lines_of_rounded = (
        graded_lines(build(each.bare_grades, store, "cpu")) for each in (cell, rounded)
    )
    known = well_known(list(zip(lines_of_rounded, lines, strict=True)))
    lost = sum(not fact.always for fact in known) / len(known)
    assert lost < 0.03
    assert all(fact.ever for fact in known)
