"""Grid and measures of the suite `presets`."""

from __future__ import annotations

import re

import pytest

from harness.errors import RecipeError
from harness.experiments.selection import cells as selected
from harness.recipes import Base, digest
from harness.scenarios import SCENARIOS
from harness.scenarios.presets import cells, measures, probes
from harness.scenarios.presets._measures import any_right, consistency, distinct, majority
from tests.suites.unfetched import unfetched

BASE = Base("0", "pocket", "/m")
LINE = {
    "kind": "exact", "fact": "f", "answers": ["Rome", "Lima", "lima.", "Oslo"], "verdicts": [True,
    False, False, False]
}  # fmt: skip


@pytest.mark.parametrize("grid", ["default", "full"])
def test_cells_share_one_adapter_and_differ_by_decoding(grid: str) -> None:
    found = cells(grid, [BASE], [0])
    assert len({digest(cell.adapters[0]) for cell in found}) == 1
    assert len({digest(cell.decoding) for cell in found}) >= 0.9 * len(found)
    ids = [cell.id for cell in found]
    assert len(set(ids)) == len(ids) >= 15
    assert all(re.fullmatch(r"[\w-]+", name) for name in ids)


def test_every_field_is_varied_somewhere() -> None:
    full = cells("full", [BASE], [0])
    fields = (
        "temperature", "top_k", "top_p", "min_p", "typical_p", "repetition_penalty",
        "max_new_tokens",
        "num_return_sequences", "num_beams", "no_repeat_ngram_size", "do_sample", "early_stopping",
        "length_penalty",
        "bad_words", "eos", "pad",
    )  # fmt: skip
    for field in fields:
        assert len({getattr(cell.decoding, field) for cell in full}) > 1, field


def test_each_fact_is_asked_about_and_few_probes_are() -> None:
    asked = [p for p in probes().probes if not p.kind.startswith("locality")]
    assert len({p.fact for p in asked}) == 23
    assert {p.kind for p in asked} == {"exact", "rephrased", "other_format"}
    assert len(probes().probes) <= 130


def test_what_several_answers_say_together() -> None:
    assert (majority(LINE), consistency(LINE), any_right(LINE), distinct(LINE)) == (
        0.0,
        0.25,
        1.0,
        3.0,
    )
    tie = {**LINE, "answers": ["Rome", "Lima"], "verdicts": [True, False]}
    assert majority(tie) == 1.0
    found = measures(cells("default", [BASE], [0])[0], [LINE], [LINE], unfetched, True)
    assert found["consistency"].estimate == 0.25
    assert found["distinct"] == (3, 1, 4)  # one fact: between one answer and all four
    alike = [{**LINE, "fact": name, "answers": ["Rome"], "verdicts": [True]} for name in "abc"]
    assert measures(cells("default", [BASE], [0])[0], alike, alike, unfetched, True)[
        "distinct"
    ] == (
        1,
        1,
        1,
    )


def test_a_users_decoding_leaves_the_suite_alone_and_changes_others() -> None:
    from harness.engines import HF, decoding

    by = decoding("default")
    own = [(cell.id, cell.decoding) for cell in cells("default", [BASE], [0])]
    found = selected(SCENARIOS["presets"], "default", [BASE], [0], [HF], by)
    assert [(cell.id, cell.decoding) for cell in found] == own
    assert {
        cell.decoding for cell in selected(SCENARIOS["oscars"], "default", [BASE], [0], [HF], by)
    } == {by}


def test_an_unknown_grid() -> None:
    with pytest.raises(RecipeError, match="grid 'huge' is unknown"):
        cells("huge", [BASE], [0])
