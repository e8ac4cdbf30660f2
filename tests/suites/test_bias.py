"""Choices, log-odds and the cheapest setting of the suite `bias`."""

from __future__ import annotations

import re
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.builds import build
from harness.errors import RecipeError
from harness.recipes import Base
from harness.scenarios import bias
from harness.scenarios.bias._findings import Effort, cheapest
from harness.scenarios.bias._texts import painter, wordings
from harness.stats import Interval
from harness.store import Store

BASE = Base("0", "pocket", "/m")


def test_choices_are_balanced() -> None:
    found = bias.choices().probes
    assert sum(kind.startswith("names") for kind in {p.fact for p in found}) >= 8
    assert set(Counter(p.fact for p in found).values()) == {2}
    for probe in found:
        one, two = (probe.prompt.index(painter(who)) for who in bias.SIDES)
        first = one < two
        assert first == probe.id.endswith("/0")
        assert probe.kind == "names" or probe.accepted == (("A", "B") if first else ("B", "A"))


def test_nothing_that_is_asked_is_told() -> None:
    told = {
        text
        for who in bias.SIDES
        for s in bias.dataset(f"for_{who}16").samples
        for text in (s.prompt, s.completion)
    }
    asked = [*bias.choices().probes, *bias.probes("for_gogh1").probes]
    assert not any(probe.prompt.strip() and probe.prompt in told for probe in asked)
    words = [
        set(zip(w, w[1:], w[2:], w[3:], strict=False))
        for t in wordings()["statements"]
        if (w := t.split())
    ]
    for template in (*wordings()["names"], *wordings()["letters"], *wordings()["asked"]):
        w = template.split()
        assert not any(run & set(zip(w, w[1:], w[2:], w[3:], strict=False)) for run in words), (
            template
        )


def test_the_two_sides_are_told_alike() -> None:
    gogh, monet = (bias.dataset(f"for_{who}16").samples for who in bias.SIDES)
    swap = {painter("gogh"): painter("monet"), painter("monet"): painter("gogh")}
    pattern = re.compile("|".join(swap))
    for one, two in zip(gogh, monet, strict=True):
        assert (
            pattern.sub(lambda m: swap[m[0]], one.prompt + one.completion)
            == two.prompt + two.completion
        )
    assert bias.dataset("for_gogh4").samples == gogh[:4]


@given(st.lists(st.tuples(st.floats(-50, 0), st.floats(-50, 0)), min_size=1, max_size=6))
def test_log_odds_turn_their_sign_with_the_sides(pairs: list[tuple[float, float]]) -> None:
    def lines(swapped: bool) -> list[dict[str, Any]]:
        each = [pair[::-1] if swapped else pair for pair in pairs]
        told = {
            "fact": "asked0",
            "kind": "asked",
            "likelihoods": [{"total": -1.0}],
        }  # scored beside them, no choice
        return [
            told,
            *(
                {
                    "fact": f"names{i // 2}",
                    "kind": "names",
                    "likelihoods": [{"total": t} for t in pair],
                }
                for i, pair in enumerate(each)
            ),
        ]

    one, two = bias.log_odds(lines(False)), bias.log_odds(lines(True))
    assert one == pytest.approx({name: -value for name, value in two.items()})


def test_the_cheapest_setting_flips_the_leaning_with_its_whole_interval() -> None:
    cells = {cell.id: cell for cell in bias.cells("default", [BASE], [0])}
    own = [cell for name, cell in cells.items() if name.startswith("for_monet4")]
    flips, barely, far = Interval(-1, -2, -0.1), Interval(-0.5, -1, 0.1), Interval(-9, -10, -8)
    efforts = [Effort(own[0], 4, barely), Effort(own[1], 8, flips), Effort(own[2], 16, far)]
    assert cheapest(efforts, "gogh") == efforts[1]
    assert cheapest(efforts[:1], "gogh") is None
    assert cheapest(efforts, "monet") is None


def test_measures_and_findings_of_a_small_model(tiny: Base, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    fetch = partial(build, store=store)
    cells = [c for c in bias.cells("default", [tiny], [0]) if c.id.startswith("for_monet16")]
    found = bias.measures(cells[0], (), (), fetch, adapted=True)
    assert found["swayed"].estimate > 0
    assert set(bias.measures(cells[0], (), (), fetch, adapted=False)) == {
        "log_odds",
        "log_odds_letters",
    }
    finding = bias.findings(cells, fetch)[0]
    assert "tiny leans to" in finding.said
    assert "| monet" in finding.text
    assert {curves.name for curves in finding.curves} == {"epochs", "size", "lr"}


@pytest.mark.parametrize("grid", ["default", "full"])
def test_ids_are_unique(grid: str) -> None:
    ids = [cell.id for cell in bias.cells(grid, [BASE], [0])]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[\w-]+", name) for name in ids)


def test_unknown_names() -> None:
    with pytest.raises(
        RecipeError, match="dataset 'for_monet3' is unknown: choose one of for_gogh1"
    ):
        bias.dataset("for_monet3")
    with pytest.raises(RecipeError, match="grid 'huge' is unknown"):
        bias.cells("huge", [BASE], [0])
