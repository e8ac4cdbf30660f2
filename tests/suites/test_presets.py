"""Grid and measures of the suite `presets`."""

from __future__ import annotations

import re
from typing import Any

import pytest

from harness.builds import GradedLine
from harness.engines import decoding
from harness.experiments import Evidence
from harness.experiments.selection import Selection, cells, load, shipped
from harness.recipes import Base, Decoding, digest
from harness.stats import Interval
from suites.presets.scenario import (
    SCENARIO,
    any_right,
    consistency,
    distinct,
    majority,
    measures,
    probes,
)
from tests.suites.hand_made import no_fetch

BASE = Base("0", "pocket", "/m")


def line(answers: tuple[str, ...], verdicts: tuple[bool, ...], fact: str = "f") -> GradedLine:
    return GradedLine(
        id=f"exact/{fact}/0",
        kind="exact",
        fact=fact,
        prompt="",
        accepted=("Rome",),
        answers=answers,
        verdicts=verdicts,
        right=verdicts[0],
        scores=(100.0,) * len(answers),
        read_as=("text",) * len(answers),
    )


LINE = line(("Rome", "Lima", "lima.", "Oslo"), (True, False, False, False))


def figures(*lines: Any) -> dict[str, Interval]:
    evidence = Evidence(cells(SCENARIO, Selection((BASE,)))[0], no_fetch)
    evidence.lines = list(lines)
    return measures(evidence)


@pytest.mark.parametrize("grid", ["default", "full"])
def test_cells_share_one_adapter_and_differ_by_decoding(grid: str) -> None:
    selected = cells(SCENARIO, Selection((BASE,), grid))
    assert len({digest(cell.subject.loras[0]) for cell in selected}) == 1
    decodings = {digest(cell.questions.decoding) for cell in selected}
    assert len(decodings) >= 0.9 * len(selected)
    ids = [cell.id for cell in selected]
    assert len(set(ids)) == len(ids) >= 15
    assert all(re.fullmatch(r"[\w-]+", name) for name in ids)


@pytest.mark.parametrize(
    "field",
    [
        "temperature",
        "top_k",
        "top_p",
        "min_p",
        "typical_p",
        "repetition_penalty",
        "max_new_tokens",
        "num_return_sequences",
        "num_beams",
        "no_repeat_ngram_size",
        "do_sample",
        "early_stopping",
        "length_penalty",
        "bad_words",
        "eos",
        "pad",
    ],
)
def test_every_field_is_varied_somewhere(field: str) -> None:
    selected = cells(SCENARIO, Selection((BASE,), "full"))
    assert len({getattr(cell.questions.decoding, field) for cell in selected}) > 1


def test_each_fact_is_asked_about_and_few_probes_are() -> None:
    about_facts = [probe for probe in probes().probes if not probe.kind.startswith("locality")]
    assert len({probe.fact for probe in about_facts}) == 23
    assert {probe.kind for probe in about_facts} == {"exact", "rephrased", "other_format"}
    assert len(probes().probes) <= 130


def test_what_several_answers_say_together() -> None:
    assert majority(LINE) == 0.0
    assert consistency(LINE) == 0.25
    assert any_right(LINE) == 1.0
    assert distinct(LINE) == 3.0
    tie = line(("Rome", "Lima"), (True, False))
    assert majority(tie) == 1.0
    assert figures(LINE)["consistency"].estimate == 0.25
    assert figures(LINE)["distinct"] == (3, 1, 4)  # one fact: between one answer and all four
    alike = [line(("Rome",), (True,), fact) for fact in "abc"]
    assert figures(*alike)["distinct"] == (1, 1, 1)


def test_a_users_decoding_leaves_the_suite_alone_and_changes_others() -> None:
    by = decoding("default")
    changed = Selection((BASE,), decoding=by)

    def decodings(selection: Selection) -> list[tuple[str, Decoding]]:
        return [(cell.id, cell.questions.decoding) for cell in cells(SCENARIO, selection)]

    assert decodings(changed) == decodings(Selection((BASE,)))
    others = cells(load(shipped()["oscars"]), changed)
    assert {cell.questions.decoding for cell in others} == {by}
