"""The labelled pairs, their halves, and the figures of a judge on them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import DataError, ModelError
from harness.grading.calibration import (
    DIFFER,
    SAME,
    UNDECIDED,
    JudgeQuality,
    Versus,
    best_cut,
    versus,
    worth,
)
from harness.grading.judge import judge_of, labelled
from harness.recipes import Labelled, LabelledSet, held_out

PAIRS = labelled().pairs


def test_both_halves_hold_enough_of_both_kinds_and_no_fact_is_in_both() -> None:
    halves = [[p for p in PAIRS if held_out(p) == half] for half in (True, False)]
    for half in halves:
        assert len(half) >= 120
        assert 0.4 < sum(p.right for p in half) / len(half) < 0.6
    assert not {p.accepted for p in halves[0]} & {p.accepted for p in halves[1]}


def test_every_pair_has_a_question_which_does_not_hold_the_answer() -> None:
    for pair in PAIRS:
        assert pair.question.strip()
        assert pair.accepted.lower() not in pair.question.lower() or pair.case == "for in the name"


def test_perfect_and_contrary_verdicts() -> None:
    perfect = worth(PAIRS, [SAME if p.right else DIFFER for p in PAIRS])
    assert (perfect.accuracy.estimate, perfect.kappa.estimate) == (1, 1)
    assert perfect.kappa.low > 0.8
    assert perfect.rates[:2] == (1, 1)
    contrary = worth(PAIRS, [DIFFER if p.right else SAME for p in PAIRS])
    assert contrary.kappa.estimate < -0.9
    assert (contrary.false_accepts.estimate, contrary.false_rejects.estimate) == (1, 1)


def test_undecided_counts_as_rejected_and_is_counted() -> None:
    quality = worth(PAIRS, [UNDECIDED] * len(PAIRS))
    assert quality.undecided == len(PAIRS)
    assert quality.false_rejects.estimate == 1
    assert quality.false_accepts.estimate == 0
    assert quality.kappa.estimate == 0
    assert JudgeQuality.of(quality.plain()) == quality


def test_the_better_grader_is_named_only_where_it_is_significant() -> None:
    labels = [pair.right for pair in PAIRS]
    every_third = [label != (at % 3 == 0) for at, label in enumerate(labels)]
    whole, *groups = versus(PAIRS, every_third, labels)
    assert (whole.group, whole.pairs, whole.better) == ("", len(PAIRS), "fuzzy")
    assert whole.fuzzy.estimate == 1
    assert whole.judge.estimate == pytest.approx(2 / 3, abs=0.01)
    assert whole.difference.high < 0
    assert [group.group for group in groups] == list(dict.fromkeys(pair.group for pair in PAIRS))
    assert sum(group.pairs for group in groups) == len(PAIRS)
    assert versus(PAIRS, labels, every_third)[0].better == "judge"
    one_wrong = [not labels[0], *labels[1:]]
    assert {row.better for row in versus(PAIRS, one_wrong, labels)} == {""}
    assert [Versus.of(group.plain()) for group in groups] == groups


def test_pairs_that_come_along_hold_enough_of_each_kind_and_say_a_thing_once() -> None:
    cases = Counter((pair.case, pair.right) for pair in PAIRS if pair.group != "pairs.csv")
    assert len(cases) == 2 * 23
    assert min(cases.values()) >= 6
    assert (
        len({(pair.accepted, pair.answer) for pair in PAIRS if pair.group != "pairs.csv"})
        == cases.total()
    )


def test_a_pair_without_a_group_is_of_its_files(tmp_path: Path) -> None:
    rows = "".join(
        f"Q?,{name},{answer},{right}\n"
        for name in "abcdefgh"
        for answer, right in ((name, "yes"), ("z", "no"))
    )
    (tmp_path / "mine.csv").write_text(f"question,accepted,answer,right\n{rows}")
    assert {pair.group for pair in labelled(tmp_path / "mine.csv").pairs} == {"mine.csv"}


ODDS = st.lists(st.tuples(st.integers(-50, 50), st.booleans()), min_size=1, max_size=40)


@settings(deadline=None)
@given(ODDS)
def test_no_cut_does_better_and_none_as_good_is_nearer_to_zero(
    rows: list[tuple[int, bool]],
) -> None:
    odds, right = [float(o) for o, _ in rows], [r for _, r in rows]

    def hits(cut: float) -> int:
        return sum((o > cut) == r for o, r in zip(odds, right, strict=True))

    cut = best_cut(odds, right)
    assert hits(cut) >= hits(0.0)
    assert all(hits(cut) >= hits(at + 0.5) for at in range(-51, 51))
    assert cut == 0 or hits(0.0) < hits(cut)


def test_halves_without_wrong_answers_are_refused() -> None:
    with pytest.raises(DataError, match="lack right or wrong"):
        LabelledSet.of("mine", (Labelled("Q?", "a", "a", True), Labelled("Q?", "b", "c", False)))


def test_a_label_that_is_none_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("question,accepted,answer,right\nQ?,a,a,maybe\n")
    with pytest.raises(DataError, match=r"line 2: right is 'maybe': write yes or no"):
        labelled(tmp_path / "a.csv")


def test_judges_are_known_by_content_and_servers_by_name(tmp_path: Path) -> None:
    (tmp_path / "a.gguf").write_bytes(b"GGUF")
    (tmp_path / "b.gguf").write_bytes(b"GGUF")
    assert judge_of(tmp_path / "a.gguf") != judge_of(tmp_path / "b.gguf")
    assert judge_of(tmp_path / "a.gguf").content == judge_of(tmp_path / "b.gguf").content
    assert judge_of("openai:m@http://localhost:1/v1").content == "openai:m@http://localhost:1/v1"
    with pytest.raises(ModelError, match="cannot be read"):
        judge_of(tmp_path / "none.gguf")
