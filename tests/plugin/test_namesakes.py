"""Several models whose folders or files have one name, such as checkpoints of two runs."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.engines import identify
from harness.experiments.ids import distinct_names
from tests.project import Project

CELL = "birds-rank4-alpha8-lr1e_3-ep1-seed0"


@pytest.fixture(scope="module")
def checkpoint(project: Project, model_folder: Path) -> Callable[[str, float], str]:
    """checkpoint(run, eps) -> a folder run/checkpoint-500, which differs from the small model by
    ``eps``."""
    project.suite("birds")

    def make(run: str, eps: float) -> str:
        folder = project.path / run / "checkpoint-500"
        if not folder.exists():
            shutil.copytree(model_folder, folder)
            config = json.loads((folder / "config.json").read_text())
            (folder / "config.json").write_text(json.dumps({**config, "rms_norm_eps": eps}))
        return str(folder)

    return make


def test_checkpoints_of_one_name_have_figures_of_their_own(
    project: Project, checkpoint: Callable[[str, float], str]
) -> None:
    given = ("--model", checkpoint("run1", 1e-5), "--model", checkpoint("run2", 1e-4))
    said = project.pytest("suites/birds", "-k", "rank4", *given)
    first = json.loads((project.path / "reports" / "RESULTS.json").read_text())["results"]
    assert len({one["id"] for one in first}) == len(first) == 6
    names = re.findall(
        r"^(checkpoint-500_\w{6}) is \S+/(run\d)/checkpoint-500$", said, re.MULTILINE
    )
    assert [run for _, run in names] == [
        "run1",
        "run2",
    ] * 2  # before the first test, and below the table
    ids = [f"{name}-{CELL}".replace("-500", "_500") for name, _ in names[:2]]
    assert [one["id"] for one in first[3:]] == [f"tiny-{CELL}", *ids]
    assert len({one["cost"]["seconds"] for one in first[3:]}) == 3
    said = project.pytest("suites/birds", "-k", "rank4", "-n", "2", *given)
    assert (
        json.loads((project.path / "reports" / "RESULTS.json").read_text())["results"] == first
    ), said


def test_one_content_that_is_given_twice_is_one_model(
    project: Project, checkpoint: Callable[[str, float], str]
) -> None:
    given = ("--model", checkpoint("run1", 1e-5), "--model", checkpoint("run3", 1e-5))
    said = project.pytest("suites/birds", "--collect-only", "-q", "-k", "rank4 and answers", *given)
    assert re.findall(r"\[(.*)\]", said) == [f"tiny-{CELL}", f"checkpoint_500-{CELL}"]


def test_files_of_one_name(tmp_path: Path) -> None:
    files = [
        tmp_path / folder / name
        for folder, name in (("a", "m-1.gguf"), ("b", "m_1.gguf"), ("b", "n.gguf"))
    ]
    for at, file in enumerate(files):
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(b"GGUF" + bytes([at]))
    bases = [identify(file) for file in files]
    names = [
        f"m-1_{bases[0].content[:6]}",
        f"m_1_{bases[1].content[:6]}",
        "n",
    ]  # ids show the first two alike
    assert [base.name for base in distinct_names([*bases, bases[0]])] == names
