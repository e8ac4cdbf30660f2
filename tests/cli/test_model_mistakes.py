"""What is wrong with a model, a device or a decoding is one line on stderr, and no traceback."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from harness.cli import main


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--device", "gpu"], "device 'gpu' is unknown: choose cpu"),
        (["--device", "cuda:99"], "device 'cuda:99' is not there: torch sees"),
        (["--decoding", "default,top_k=-1"], "top_k is -1: it must be at least 0"),
    ],
)
def test_a_mistaken_answer_is_one_line(
    model_folder: Path, capsys: pytest.CaptureFixture[str], options: list[str], line: str
) -> None:
    assert main(["answer", "Who?", "--model", str(model_folder), *options]) == 2
    said = capsys.readouterr().err
    assert line in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(("option", "least"), [("--seed", 0), ("--first", 1)])
def test_a_mistaken_search_is_one_line(
    capsys: pytest.CaptureFixture[str], option: str, least: int
) -> None:
    assert main(["tune", option, "-1"]) == 2
    assert capsys.readouterr().err == f"error: {option} is -1: it must be at least {least}\n"


def test_a_pointer_to_weights_is_one_line(
    model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(model_folder, tmp_path / "pointer")
    (tmp_path / "pointer" / "model.safetensors").write_text(
        "version https://git-lfs.github.com/spec/v1\nsize 9\n"
    )
    assert main(["answer", "Who?", "--model", str(tmp_path / "pointer")]) == 2
    said = capsys.readouterr().err
    assert "pointer cannot be loaded: " in said
    assert said.count("\n") == 1
