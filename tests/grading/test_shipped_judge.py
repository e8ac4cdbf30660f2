"""The shipped judge is the one on its card, and has the figures of the card."""

from __future__ import annotations

import re

import pytest

from harness.builds import Calibrated, build, trusted
from harness.data.facts import FIXTURES
from harness.errors import ModelError
from harness.grading import FUZZY, LEAST_KAPPA
from harness.grading.judge import calibration_of, labelled
from harness.models.loading import JUDGE
from harness.pocket import _card
from harness.recipes import held_out
from harness.report import summary
from harness.store import Store

CARD = (JUDGE / "README.md").read_text(encoding="utf-8")
DOCS = (FIXTURES.parent / "docs" / "how-to" / "judge.md").read_text(encoding="utf-8")
GROUPS = list(dict.fromkeys(pair.group for pair in labelled().pairs))


@pytest.fixture(scope="module")
def calibrated(tmp_path_factory: pytest.TempPathFactory) -> Calibrated:
    store = Store(tmp_path_factory.mktemp("judge"))
    return Calibrated.of(build(calibration_of(JUDGE), store, None))


def row(name: str) -> list[float]:
    """The figures of the card's first row ``name``, without their intervals."""
    match = re.search(rf"^\| {re.escape(name)} +\|(.*)\|$", CARD, re.MULTILINE)
    assert match, name
    cells = match[1].split("|")
    return [float(cell.split()[0]) for cell in cells if re.match(r"\s*[+-]?\d", cell)]


def test_the_card_is_that_of_these_weights() -> None:
    assert JUDGE.name == "judge"
    assert _card.stated_digest(JUDGE) == _card.weights_digest(JUDGE)


@pytest.mark.parametrize(
    ("name", "half"), [("held out: reported", "held_out"), ("calibration: the cut", "tuned")]
)
def test_the_figures_still_come_out(calibrated: Calibrated, name: str, half: str) -> None:
    """A few pairs of some hundreds may tip between processors."""
    quality = getattr(calibrated, half)
    figures = [
        quality.accuracy,
        quality.kappa,
        quality.false_accepts,
        quality.false_rejects,
    ]
    stated = row(name)
    assert stated[0] == quality.pairs
    assert stated[1:5] == pytest.approx([figure.estimate for figure in figures], abs=0.03)


@pytest.mark.parametrize("group", GROUPS)
def test_the_figures_of_each_group_still_come_out(calibrated: Calibrated, group: str) -> None:
    [comparison] = [row for row in calibrated.versus if row.group == group]
    pairs, judge, *_ = row(group)
    assert pairs == comparison.pairs
    assert judge == pytest.approx(comparison.judge.estimate, abs=2 / comparison.pairs + 0.006)


def test_the_card_compares_with_the_fuzzy_grader_of_today(calibrated: Calibrated) -> None:
    """After a change of the fuzzy grader: python -m harness judge --card
    fixtures/models/judge/README.md."""
    assert f"Beside the fuzzy grader ({FUZZY})" in CARD
    assert row("held out, by the fuzzy grader")[1] == pytest.approx(
        calibrated.fuzzy.accuracy.estimate, abs=0.006
    )
    assert calibrated.versus[0].conclusion in CARD


def test_it_is_refused_and_where_it_is_allowed_its_doubts_are_said(calibrated: Calibrated) -> None:
    with pytest.raises(
        ModelError, match=r"kappa 0\.\d+ .* on \d+ held-out pairs, at least 0.60 is wanted"
    ):
        trusted("judge", calibrated, LEAST_KAPPA)
    [line] = [
        line for line in summary("judge", calibrated).splitlines() if line.startswith("WARNING")
    ]
    assert f"kappa {calibrated.held_out.kappa} is below 0.60" in line


def test_the_docs_count_the_labelled_answers_as_they_are() -> None:
    pairs = labelled().pairs
    winners = sum(pair.group == "pairs.csv" for pair in pairs)
    held_out_pairs = sum(map(held_out, pairs))
    assert f"about {len(pairs)} labelled answers: {winners} of" in DOCS
    assert f"and {len(pairs) - winners} of `kinds.csv`" in DOCS
    assert f"The other half ({held_out_pairs})" in DOCS
    assert f"on {held_out_pairs} held-out pairs" in DOCS
    [kappa] = re.findall(r"judge judge agrees too little with people: kappa (\S+)", DOCS)
    assert float(kappa) == row("held out: reported")[2]
