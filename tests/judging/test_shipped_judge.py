"""The judge that comes along is the one on its card, and is worth what the card says."""

from __future__ import annotations

import re

import pytest

from harness.builders import Calibrated, build
from harness.judging import judge_of, labelled
from harness.models import JUDGE
from harness.pocket import _card
from harness.recipes import Calibration
from harness.store import Store


@pytest.fixture(scope="module")
def worth(tmp_path_factory):
    store = Store(tmp_path_factory.mktemp("judge"))
    return Calibrated.of(build(Calibration(judge_of(JUDGE), labelled()), store, None)).held_out


def test_the_card_is_that_of_these_weights():
    assert JUDGE.name == "judge"
    assert _card.stated_digest(JUDGE) == _card.weights_digest(JUDGE)


@pytest.mark.parametrize("figure", ["accuracy", "kappa", "false_accepts", "false_rejects"])
def test_the_figures_still_come_out(worth, figure):
    """One pair of the 137 may tip between processors."""
    stated = re.search(rf"^\| {figure} +\| (\d\.\d+) ", (JUDGE / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert getattr(worth, figure).estimate == pytest.approx(float(stated[1]), abs=0.021)
