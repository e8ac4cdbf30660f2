"""A judge from a GGUF file says what its folder says."""

from __future__ import annotations

import pytest

from harness.builders import VERDICTS, build, read_lines
from harness.cli import main
from harness.judging import judge_of, labelled
from harness.recipes import Calibration
from harness.store import Store


def test_verdicts_of_a_gguf_file_are_those_of_its_folder(folders, files, tmp_path):
    store, few = Store(tmp_path / "store"), labelled()
    found = []
    for model in (folders["tiny"], files["tiny"]):
        artefact = build(Calibration(judge_of(model), few), store)
        assert artefact.manifest.facts["by"] == "log-likelihood"
        found.append([line["odds"] for line in read_lines(artefact.path / VERDICTS)])
    assert found[0] == pytest.approx(found[1], abs=0.01)
    assert len(set(found[0])) > 100


def test_grade_takes_one_by_its_file(files, tmp_path, capsys):
    (tmp_path / "log.csv").write_text("question,accepted,answer\nWho won?,Jane Campion,Jane Campion\n")
    own = ["--judge", str(files["tiny"]), "--store", str(tmp_path / "store")]
    assert main(["grade", str(tmp_path / "log.csv"), *own]) == 2
    assert "judge tiny.gguf agrees too little with people" in capsys.readouterr().err
    assert main(["grade", str(tmp_path / "log.csv"), *own, "--allow-weak-judge"]) == 0
    assert "judge tiny.gguf (by log-likelihood) on held-out labelled pairs" in capsys.readouterr().out
