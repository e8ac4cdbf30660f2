"""A cell against itself as it was."""

from __future__ import annotations

from typing import Any

import pytest

from harness.report._comparison import comparison_markdown
from harness.report.baselines import Baseline, Comparison, Limits, compare
from tests.report.baselines import reruns

MIB = 2**20
BEFORE = reruns.one(0)
COST = {
    "seconds": 10.0,
    "steps_per_second": 5.0,
    "adapter_bytes": 100.0 * MIB,
    "peak_rss_bytes": 100.0 * MIB,
    "steps": 50.0,
}


def _compare(lines: reruns.Lines, cost: dict[str, float] = COST, **more: Any) -> Comparison:
    return compare(
        reruns.kept(BEFORE)._replace(cost=COST), lines, cost, cell="c", baseline="b", **more
    )


def _all_wrong(kind: str) -> reruns.Lines:
    return [ln._replace(right=ln.right and ln.kind != kind) for ln in BEFORE]


def test_unchanged_is_not_worse() -> None:
    found = _compare(BEFORE)
    assert not found.worse
    assert not found.flips
    assert [c.measure for c in found.changes] == ["recall", *reruns.RECALL, "known"]
    assert {c.p for c in found.changes} == {1.0}
    assert {r.ratio for r in found.ratios} == {1.0}


def test_a_kind_that_is_lost_is_named_with_its_questions() -> None:
    found = _compare(_all_wrong("conversation"))
    worse = [c for c in found.changes if c.worse]
    assert [c.measure for c in worse] == ["recall", "conversation"]
    lost = sum(ln.right for ln in BEFORE if ln.kind == "conversation")
    assert len(found.flips) == lost  # each once, though they count in both
    said = str(found)
    assert f"conversation fell from {lost / 46:.3f} to 0.000" in said
    assert f"of 46 questions {lost} flipped to wrong, 0 to right" in said
    assert "conversation: who? “Nobody”, not Somebody" in said
    assert f"and {lost - 12} more" in said


def test_better_is_not_worse() -> None:
    assert not _compare([ln._replace(right=True) for ln in BEFORE]).worse


def test_more_cells_in_the_session_ask_for_more_evidence() -> None:
    found = (_compare(_all_wrong("conversation"), cells=cells).changes for cells in (1, 100))
    few, many = (next(c for c in changes if c.measure == "conversation") for changes in found)
    assert few.p < many.p
    assert few.detectable is not None
    assert many.detectable is not None
    assert few.detectable[0] < many.detectable[0]


def test_what_is_tolerated_does_not_fail() -> None:
    assert not _compare(_all_wrong("conversation"), limits=Limits(quality=0.95)).worse


def test_memory_and_bytes_fail_by_their_ratio() -> None:
    found = _compare(BEFORE, {**COST, "adapter_bytes": 111.0 * MIB, "peak_rss_bytes": 124.0 * MIB})
    assert found.worse == [
        "adapter_bytes is 1.11 times worse (100 MiB before, 111 MiB now), limit 1.10"
    ]
    assert len(_compare(BEFORE, {**COST, "peak_rss_bytes": 126.0 * MIB}).worse) == 1


def test_speed_is_told_and_fails_where_asked() -> None:
    slow = {**COST, "seconds": 25.0, "steps_per_second": 2.0}
    found = _compare(BEFORE, slow)
    assert not found.worse
    assert [line.split()[0] for line in found.slower] == ["seconds", "steps_per_second"]
    assert len(_compare(BEFORE, slow, judge_speed=True).worse) == 2


def test_a_training_that_diverges_fails() -> None:
    assert _compare(BEFORE, status="diverged").worse == [
        "the training diverged, and did not before"
    ]


def test_only_shared_questions_are_compared() -> None:
    found = _compare([ln._replace(id="new" + ln.id) if ln.kind == "exact" else ln for ln in BEFORE])
    assert "exact" not in [c.measure for c in found.changes]
    assert found.unmatched == 2 * sum(ln.kind == "exact" for ln in BEFORE)
    assert not _compare([]).changes


def _all_lost(facts: int, cells: int = 1) -> Comparison:
    """A cell that knew ``facts`` facts in two ways, and 300 others, and has none of the former
    left."""
    taught = [
        BEFORE[0]._replace(id=f"{k}/{i}", kind=k, fact=str(i))
        for k in ("exact", "asked")
        for i in range(facts)
    ]
    known = [
        BEFORE[0]._replace(id=f"known/{i}", kind="locality", fact=f"far {i}", right=True)
        for i in range(300)
    ]
    before = reruns.kept([*(ln._replace(right=True) for ln in taught), *known])
    after = [*(ln._replace(right=False) for ln in taught), *known]
    return compare(before, after, {}, cell="c", baseline="b", cells=cells)


@pytest.mark.parametrize(("cells", "least"), [(1, 6), (2, 7), (3, 8), (13, 9)])
def test_facts_too_few_for_any_loss_to_be_shown_are_no_proof(cells: int, least: int) -> None:
    few, enough = _all_lost(least - 1, cells), _all_lost(least, cells)
    assert few.holds
    assert not few.conclusive
    assert (
        f"too few facts to show a loss: recall {least - 1} (needs {least}), exact {least - 1}"
        " (needs " in few.blind
    )
    assert [c.measure for c in few.changes if c.detectable] == ["known"]
    assert [c.measure for c in enough.changes if c.worse][:1] == ["recall"]
    assert enough.conclusive
    kept = Baseline("b", "s", "m", "0" * 64, "Linux", {}, {})
    text = comparison_markdown(kept, "m", {}, [few, enough])
    assert "**cells worse: 1 of 2**, no loss could be shown in 1" in text
    assert f"- `c`: {few.blind}" in text
    assert "| nothing " in text


@pytest.mark.parametrize("cells", [1, 3, 20])
def test_so_many_facts_as_are_said_to_be_needed_are_enough(cells: int) -> None:
    for facts in range(1, 14):
        for change in _all_lost(facts, cells).changes[:-1]:
            assert change.worse or change.needed > facts
            enough = _all_lost(change.needed or facts, cells)
            assert change.measure in [one.measure for one in enough.changes if one.worse]


def test_other_questions_than_the_baselines_are_no_proof() -> None:
    found = _compare(
        [ln._replace(id="new" + ln.id) if ln.kind != "locality" else ln for ln in BEFORE]
    )
    assert [c.measure for c in found.changes] == ["known"]
    assert not found.conclusive
    assert found.blind == "no question on recall is one of the baseline's: save it again"
    assert not _compare([]).conclusive
    assert _compare([], status="diverged").conclusive  # as that fails


def test_markdown_keeps_a_models_text_from_being_markup() -> None:
    lines = [ln._replace(answers=("<b>|`*",)) for ln in _all_wrong("conversation")]
    kept = Baseline("main", "oscars", "old", "0" * 64, "Linux", {"torch": "1"}, {})
    text = comparison_markdown(kept, "new (ffff)", {"torch": "2"}, [_compare(lines)])
    assert text.startswith("### Against baseline main, **cells worse: 1 of 1**")
    assert "Model new (ffff); the baseline is of old (000000000000). Versions: torch 1 → 2." in text
    assert "\\<b>\\|\\`\\*" in text
    assert "| **worse** |" in text
