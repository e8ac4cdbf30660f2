"""Choices, log-odds and the cheapest setting of the suite `bias`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.builds import ScoredLine, build
from harness.experiments import Evidence
from harness.experiments.selection import Selection, cells
from harness.recipes import Base
from harness.stats import Interval
from harness.store import Store
from suites.bias.scenario import (
    SCENARIO,
    SIDES,
    Effort,
    cheapest,
    choices,
    dataset,
    findings,
    log_odds,
    measures,
    painter,
    probes,
    wordings,
)

BASE = Base("0", "pocket", "/m")


def test_choices_are_balanced() -> None:
    forced = choices().probes
    templates = Counter(probe.fact for probe in forced)
    assert sum(template.startswith("names") for template in templates) >= 8
    assert set(templates.values()) == {2}
    for probe in forced:
        gogh, monet = (probe.prompt.index(painter(side)) for side in SIDES)
        gogh_first = gogh < monet
        assert gogh_first == probe.id.endswith("/0")
        assert probe.kind == "names" or probe.accepted == (("A", "B") if gogh_first else ("B", "A"))


def runs(template: str) -> set[tuple[str, ...]]:
    """Every four words in a row."""
    words = template.split()
    return set(zip(words, words[1:], words[2:], words[3:], strict=False))


def test_nothing_that_is_asked_is_told() -> None:
    samples = [sample for side in SIDES for sample in dataset(side, 16).samples]
    told = {text for sample in samples for text in (sample.prompt, sample.completion)}
    asked = [*choices().probes, *probes("gogh", 1).probes]
    assert not any(probe.prompt.strip() and probe.prompt in told for probe in asked)
    told_runs = set().union(*map(runs, wordings()["statements"]))
    for template in (*wordings()["names"], *wordings()["letters"], *wordings()["asked"]):
        assert not runs(template) & told_runs, template


def test_the_two_sides_are_told_alike() -> None:
    gogh, monet = (dataset(side, 16).samples for side in SIDES)
    swap = {painter("gogh"): painter("monet"), painter("monet"): painter("gogh")}
    pattern = re.compile("|".join(swap))
    for of_gogh, of_monet in zip(gogh, monet, strict=True):
        swapped = pattern.sub(lambda m: swap[m[0]], of_gogh.prompt + of_gogh.completion)
        assert swapped == of_monet.prompt + of_monet.completion
    assert dataset("gogh", 4).samples == gogh[:4]
    assert dataset("gogh", 4).name == probes("gogh", 4).name == "for_gogh4"


def scored(kind: str, fact: str, *totals: Any) -> ScoredLine:
    likelihoods = tuple({"total": total, "tokens": 1, "matched": 1} for total in totals)
    return ScoredLine(f"{kind}/{fact}", kind, fact, likelihoods)


@given(st.lists(st.tuples(st.floats(-50, 0), st.floats(-50, 0)), min_size=1, max_size=6))
def test_log_odds_turn_their_sign_with_the_sides(pairs: list[tuple[float, float]]) -> None:
    def lines(swapped: bool) -> Iterator[ScoredLine]:
        yield scored("asked", "asked0", -1.0)  # scored beside them, no choice
        for i, pair in enumerate(pairs):
            yield scored("names", f"names{i // 2}", *(pair[::-1] if swapped else pair))

    odds, swapped = log_odds(lines(False)), log_odds(lines(True))
    assert odds == pytest.approx({name: -value for name, value in swapped.items()})


def test_what_diverged_has_no_log_odds() -> None:
    assert log_odds([scored("names", "names0")]) == {}


def test_the_cheapest_setting_flips_the_leaning_with_its_whole_interval() -> None:
    selected = cells(SCENARIO, Selection((BASE,)))
    monet = [cell for cell in selected if cell.factors == {"side": "monet", "statements": 4}]
    barely, flips, far = Interval(-0.5, -1, 0.1), Interval(-1, -2, -0.1), Interval(-9, -10, -8)
    efforts = [Effort(monet[0], 4, barely), Effort(monet[1], 8, flips), Effort(monet[2], 16, far)]
    assert cheapest(efforts, "gogh") == efforts[1]
    assert cheapest(efforts[:1], "gogh") is None
    assert cheapest(efforts, "monet") is None


def test_measures_and_findings_of_a_small_model(tiny: Base, tmp_path: Path) -> None:
    fetch = partial(build, store=Store(tmp_path / "store"))
    selected = cells(SCENARIO, Selection((tiny,)))
    chosen = [cell for cell in selected if cell.factors == {"side": "monet", "statements": 16}]
    evidence = [Evidence(cell, fetch) for cell in chosen]
    assert measures(evidence[0])["swayed"].estimate > 0
    bare = Evidence(chosen[0], fetch, adapted=False)
    assert measures(bare).keys() == {"log_odds", "log_odds_letters"}
    (finding,) = findings(evidence)
    assert "tiny leans to" in finding.summary
    assert "| monet" in finding.text
    assert {curves.name for curves in finding.curves} == {"epochs", "size", "lr"}


@pytest.mark.parametrize("grid", ["default", "full"])
def test_ids_are_plain_words(grid: str) -> None:
    ids = [cell.id for cell in cells(SCENARIO, Selection((BASE,), grid))]
    assert all(re.fullmatch(r"[\w-]+", name) for name in ids)
