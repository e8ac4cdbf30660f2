"""A judge from a GGUF file says what its folder says."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.engines import engine_for
from harness.grading.judge import Case, ask, labelled


def test_a_gguf_file_judges_as_its_folder_does(
    folders: dict[str, Path], files: dict[str, Path]
) -> None:
    cases = [Case(pair.question, pair.accepted, pair.answer) for pair in labelled().pairs[::40]]
    folder, file = (
        ask(engine_for(str(model)), cases) for model in (folders["tiny"], files["tiny"])
    )
    assert [one.odds for one in file] == pytest.approx([one.odds for one in folder], abs=0.01)
    assert len({one.odds for one in folder}) == len(cases) > 20
    assert all("log_likelihoods" in asked for one in file for asked in one.asked)
