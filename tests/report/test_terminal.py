"""The table in terminals of any width."""

from __future__ import annotations

import pytest

from harness.report import ScenarioReport, fitted


@pytest.mark.parametrize("width", [40, 60, 80, 100, 130, 200])
def test_no_line_is_wider_than_the_terminal(small: ScenarioReport, width: int) -> None:
    lines = fitted(small.results, width).splitlines()
    assert max(map(len, lines)) <= width
    assert lines[0].split()[:2] == ["cell", "exact"]
    assert len([line for line in lines if "…" in line or "tiny" in line or "lie-" in line]) >= len(
        small.results
    )


def test_wide_enough_shows_all_and_says_nothing(small: ScenarioReport) -> None:
    whole = fitted(small.results, None)
    assert "not shown" not in whole
    assert "adapter MiB" in whole
    assert fitted(small.results, 500) == whole


def test_costs_go_before_what_was_remembered(small: ScenarioReport) -> None:
    wide = len(fitted(small.results, None).splitlines()[1])
    narrower = fitted(small.results, wide - 5)
    assert "not shown: RSS MiB" in narrower
    assert "locality" in narrower.splitlines()[0]
    assert "…" not in narrower
    assert fitted(small.results, 60).splitlines()[0].split() == [
        "cell",
        "exact",
        "rephrased",
        "locality",
    ]


def test_gpu_memory_is_shown_where_there_was_a_gpu(small: ScenarioReport) -> None:
    assert "VRAM" not in fitted(small.results, None)
    held = {"peak_vram_bytes": 117 * 2**20}
    on_gpu = [r._replace(cost=r.cost | held) if r.adapted else r for r in small.results]
    shown = fitted(on_gpu, None).splitlines()
    assert "VRAM MiB" in shown[0]
    assert sum(" 117 " in line for line in shown) == sum(r.adapted for r in on_gpu)
