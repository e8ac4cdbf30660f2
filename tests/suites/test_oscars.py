"""Datasets and probes of the suite `oscars`."""

from __future__ import annotations

import random
import re
from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import fmean

import pytest

from harness.builds import build
from harness.data.awards import DATASETS, dataset, new_rows, probes, templates, wordings
from harness.data.facts import World
from harness.data.knowledge import LOCALITY_KINDS, replay
from harness.data.rewording import question
from harness.errors import RecipeError
from harness.experiments import Evidence, Setup
from harness.experiments.measures import trial
from harness.experiments.selection import Selection, cells, taken_knowledge
from harness.grading import grade
from harness.recipes import Base, Probe, ProbeSet
from harness.store import Store
from suites.oscars import scenario

OSCARS = scenario.SCENARIO

LONGEST_SHARED_RUN = 6
"""Words in a row, slots counting as one, that a probe may share with a training text."""


def words(template: str) -> list[str]:
    return re.findall(r"\{\w+\}|\w+", template.lower().replace("{category0}", "{category}"))


def shared_run(one: list[str], two: list[str]) -> int:
    """Length of the longest run of words that both have."""
    best, row = 0, [0] * (len(two) + 1)
    for a in one:
        row = [0, *(row[j] + 1 if a == b else 0 for j, b in enumerate(two))]
        best = max(best, *row)
    return best


def training_wordings(world: World) -> list[list[str]]:
    told = [w for rs in world.relations.values() for r in rs for w in (*r.statements, *r.questions)]
    told += [
        w for spec in wordings().values() for w in (*spec["train"], *spec["picture"]) if w[0] != "~"
    ]
    told += [template for row in new_rows() for template in templates("oscars_aug", row)]
    told += list(chance_wordings(world, 60))
    return [words(w.replace("{event}", event)) for w in told for event in world.events]


def chance_wordings(world: World, each: int) -> set[str]:
    """Questions as the text of the shipped model has them, ``each`` of every relation."""
    rng = random.Random(0)
    relations = [r for own in world.relations.values() for r in own]
    return {question(relation, rng) for relation in relations for _ in range(each)}


FAR_RUN = 4
"""Words in a row, slots counting as one, that a wording of a held-out family may share with a
training text."""


def test_no_wording_of_a_held_out_family_shares_a_run_of_words_with_a_training_text() -> None:
    world = World()
    trained = training_wordings(world)
    far = [w for own in world.relations.values() for r in own for ws in r.far.values() for w in ws]
    assert len(far) == len(set(far)) > 50
    for wording in far:
        assert max(shared_run(words(wording), other) for other in trained) <= FAR_RUN, wording


def test_the_same_families_are_held_out_for_all_relations() -> None:
    held = {tuple(r.far) for own in World().relations.values() for r in own if r.far}
    assert held == {("formal", "colloquial", "keyword")}


def test_no_training_text_is_a_wording_of_a_held_out_family() -> None:
    """Compared as sets of words, too: a keyword query is one in any order."""
    world = World()
    asked = chance_wordings(world, 1500)
    assert len(asked) > 20_000
    made = {frozenset(words(wording)) for wording in asked}
    for own in world.relations.values():
        for wording in (w for r in own for ws in r.far.values() for w in ws):
            assert frozenset(words(wording)) not in made, wording


def test_probes_carry_the_family_of_their_wording() -> None:
    for probe in probes("oscars_aug").probes:
        if probe.kind == "rephrased":
            assert probe.family in ("formal", "colloquial", "keyword")
        elif probe.kind == "near":
            assert probe.family == "near"
        else:
            assert bool(probe.family) == (probe.kind == "film_of_winner")
    asked = [probe for probe in probes("oscars_aug").probes if probe.kind == "film_of_winner"]
    assert {probe.family for probe in asked} == {"near", "formal", "colloquial", "keyword"}
    assert not any("picture" in probe.fact for probe in asked)


def test_no_probe_shares_a_long_run_of_words_with_a_training_text() -> None:
    world = World()
    trained = training_wordings(world)
    for relations in world.relations.values():
        for relation in relations:
            for probe in relation.probes:
                longest = max(shared_run(words(probe), other) for other in trained)
                assert longest <= LONGEST_SHARED_RUN < 2 * len(words(probe)), probe
                assert words(probe) not in trained


def test_the_run_is_measured_right() -> None:
    assert (
        shared_run(words("who won {category} in {year}"), words("tell me who won {category}")) == 3
    )


def test_every_fact_in_every_dataset() -> None:
    assert len(new_rows()) == 23
    for name in DATASETS:
        told = Counter(sample.fact for sample in dataset(name).samples)
        picture = told.pop("oscars_2023/picture-2023", None)
        assert set(told.values()) == {12 if name in ("oscars_aug", "oscars_ten") else 1}
        assert picture in (None, 10 if name == "oscars_aug" else 1)
        assert len(told) + (picture is not None) == (10 if name == "oscars_ten" else 23)


@pytest.mark.parametrize("name", DATASETS)
def test_probes_of_every_kind(name: str) -> None:
    found = probes(name).probes
    kinds = Counter(probe.kind for probe in found)
    assert set(kinds) == {
        "exact", "rephrased", "near", "film_of_winner", "inverted", "other_format", "conversation",
        "locality_year", "locality_neighbour", "locality_unrelated",
    }  # fmt: skip
    rephrased = Counter(probe.fact for probe in found if probe.kind == "rephrased")
    assert len(rephrased) == (10 if name == "oscars_ten" else 23)
    assert min(rephrased.values()) >= 6
    assert {probe.prompt for probe in found if probe.kind == "exact"} <= {
        s.prompt for s in dataset(name).samples
    }


@pytest.mark.parametrize("name", DATASETS)
def test_probes_that_are_not_exact_are_no_training_text(name: str) -> None:
    trained = {sample.prompt for sample in (*dataset(name).samples, *replay().samples)}
    assert not any(
        probe.prompt in trained for probe in probes(name).probes if probe.kind != "exact"
    )


def test_replayed_facts_are_none_that_locality_is_measured_on() -> None:
    replayed = {sample.fact for sample in replay().samples}
    local = {
        probe.fact for probe in probes("oscars_aug").probes if probe.kind.startswith("locality")
    }
    assert replayed and local
    assert not replayed & local


def test_accepted_answers_are_graded_right() -> None:
    for probe in probes("oscars_aug").probes:
        for accepted in probe.accepted:
            assert grade(" and ".join(accepted.split("; ")), probe.accepted).right, probe


def test_unknown_names() -> None:
    with pytest.raises(RecipeError, match="dataset 'emmys' is unknown"):
        dataset("emmys")
    with pytest.raises(RecipeError, match="grid 'huge' is unknown"):
        cells(OSCARS, Selection((Base("0", "m", "/m"),), "huge"))


def test_ids_are_unique_and_select() -> None:
    base = Base("0", "pocket", "/m")
    ids: list[str] = []
    for grid in OSCARS.grids:
        own = [cell.id for cell in cells(OSCARS, Selection((base,), grid, seeds=(0, 1)))]
        assert len(set(own)) == len(own)
        ids += own
    assert all(re.fullmatch(r"[\w-]+", name) for name in ids)
    assert any("rank64-alpha128-lr1e_3" in name for name in ids)


def of_kind(name: str, kind: str) -> list[Probe]:
    return [probe for probe in probes(name).probes if probe.kind == kind]


def test_rank_rate_and_epochs_make_a_table_of_what_was_learnt_and_lost(
    tiny: Base, tmp_path: Path
) -> None:
    asked = ProbeSet.of(
        "few",
        tuple(
            p for kind in ("rephrased", LOCALITY_KINDS[0]) for p in of_kind("oscars_ten", kind)[:3]
        ),
    )
    setups = [Setup(tiny, seed, taken_knowledge(tiny)) for seed in (0, 1)]
    designs = [
        replace(design, questions=asked, training=replace(design.training, replay=0.0, kl=0.0))
        for design in OSCARS.designs("full", setups[0])
        if design.dataset.name == "oscars_ten"
        and design.training.rank == 8
        and design.training.lr in (1e-3, 1e-2)
        and design.training.epochs in (1, 3)
    ]
    fetch = partial(build, store=Store(tmp_path / "store"))
    few = [Evidence(design.cell(setup), fetch) for design in designs for setup in setups]
    assert len(few) == 8
    families, found = OSCARS.findings(few[:-2])
    assert families.title == "Recall by family of wordings"
    assert "rephrased: formal" in families.text.splitlines()[2]
    assert len(families.text.splitlines()) == 4 + len(few[:-2])
    assert found.title == "oscars_ten on tiny, over rank, learning rate and epochs"
    _, _, head, _, *rows = found.text.splitlines()
    assert [word.strip() for word in head.split("|")[1:-1]] == ["rank", "lr", "1 epoch", "3 epochs"]
    assert [[word.strip() for word in row.split("|")[1:3]] for row in rows] == [
        ["8", "0.001"],
        ["8", "0.01"],
    ]
    both = [trial(evidence) for evidence in few[:2]]  # the seeds of one setting
    assert f"{fmean(t.recall for t in both):.2f} / {fmean(t.locality for t in both):.2f}" in rows[0]
    assert rows[1].rstrip(" |").count("/") == 1  # what was not run has no figure
    assert [one.title for one in OSCARS.findings(few[:2])] == [families.title]
