"""`--save-baseline` and `--baseline` as CI uses them: real processes, on a small model
made here."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.plugin.conftest import Runs

ROOT = Path(__file__).resolve().parents[2]
CELL = "oscarstxt-rank8-alpha16-lr1e_3-ep20-replay1-seed0"


@pytest.fixture(scope="module")
def run(model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """run(*arguments) -> (exit status, output); all runs share one store and one folder of
    baselines."""
    home = tmp_path_factory.mktemp("baselines")
    environment = {**os.environ, "GITHUB_STEP_SUMMARY": str(home / "summary.md")}

    def call(*arguments: str) -> tuple[int, str]:
        own = [
            "--model",
            str(model_folder),
            "--store",
            str(home / "store"),
            "--report",
            str(home / "report"),
        ]
        command = [
            sys.executable,
            "-m",
            "pytest",
            "suites/oscars",
            "-p",
            "no:cacheprovider",
            "-rs",
            *own,
        ]
        command += ["--baselines", str(home / "kept" / "{scenario}"), *arguments]
        done = subprocess.run(
            command,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
            env=environment,
        )
        return done.returncode, done.stdout + done.stderr

    return Runs(home, call)


@pytest.fixture(scope="module")
def saved(run: Runs) -> tuple[Path, str]:
    """The baseline ``main``, and what the run that saved it said."""
    status, said = run("-k", CELL, "--save-baseline", "main")
    assert status == 0, said
    return run.home / "kept" / "oscars" / "main.json", said


def test_what_is_saved(saved: tuple[Path, str], model_folder: Path) -> None:
    path, said = saved
    assert "baseline main of tiny saved in" in said
    assert "no --baseline is given" in said
    values = json.loads(path.read_text())
    assert list(values["cells"]) == [CELL]
    (probes,) = values["probes"].values()
    assert len(probes) == len(values["cells"][CELL]["right"]) > 500
    assert values["cells"][CELL]["cost"]["adapter_bytes"] > 0
    assert values["versions"]["torch"]


def test_against_one_that_had_everything_right(run: Runs, saved: tuple[Path, str]) -> None:
    path, _ = saved
    values = json.loads(path.read_text())
    own = values["cells"][CELL]
    own["right"] = "1" * len(own["right"])
    own["cost"]["adapter_bytes"] /= 2
    own["cost"]["tokens_per_second"] *= 100
    path.with_name("perfect.json").write_text(json.dumps(values))
    (run.home / "summary.md").unlink()
    status, said = run(
        "-k", CELL, "--baseline", "perfect", "--junitxml", str(run.home / "junit.xml")
    )
    assert status == 1
    assert f"{CELL} is worse than in baseline perfect:" in said
    assert "rephrased fell from 1.000 to 0.000 (-1.000" in said
    assert "flipped from right to wrong:" in said
    assert "not Brendan Fraser" in said
    assert "adapter_bytes is 2.00 times worse" in said
    assert "against baseline perfect: cells compared 1, worse 1" in said
    assert f"slower, not failed: {CELL}: tokens_per_second" in said
    summary = (run.home / "summary.md").read_text()
    assert "### Against baseline perfect, **cells worse: 1 of 1**" in summary
    assert "<details><summary>" in summary
    case = ElementTree.parse(run.home / "junit.xml").find(".//testcase[failure]")
    assert case is not None
    found = {p.get("name"): p.get("value") for p in case.iter("property")}
    assert found["baseline"] == "perfect"
    assert found["rephrased_now"] == "0.0"
    assert float(found["rephrased_p"] or "nan") < 0.05
    assert found["adapter_bytes_ratio"] == "2.0"


def test_unchanged_passes_on_two_workers_under_another_name(
    run: Runs, saved: tuple[Path, str], model_folder: Path, tmp_path: Path
) -> None:
    """Two models, so that ids name them: a cell is matched without its model's name."""
    other = tmp_path / "other"
    shutil.copytree(model_folder, other)
    summary = tmp_path / "summary.md"
    status, said = run(
        "-k",
        CELL,
        "--baseline",
        "main",
        "--summary",
        str(summary),
        "-n",
        "2",
        "--model",
        str(other),
    )
    assert status == 0, said
    assert "against baseline main: cells compared 2, worse none" in said
    assert "### Against baseline main, cells worse: none of 2" in summary.read_text()


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("--baseline", "other"), "baseline 'other' is unknown in"),
        (("--baseline", "other", "-n", "2"), "baseline 'other' is unknown in"),
        (("--baseline", "broken"), "broken.json is damaged"),
        (("--baseline", "../main"), "--baseline '../main': a name has letters"),
        (
            ("--baseline", "main", "--limits", "quality=lots"),
            "--limits 'quality=lots': give NAME=NUMBER",
        ),
        (("--baseline", "main", "--seeds", "7"), "main.json holds none of the selected cells"),
        (
            ("--baseline", "main", "--seeds", "7", "-n", "2"),
            "main.json holds none of the selected cells",
        ),
        (
            ("--save-baseline", "two", "--model", "fixtures/models/pocket", "-n", "1"),
            "two keeps one model",
        ),
    ],
)
def test_a_users_mistake_is_one_line(
    run: Runs,
    saved: tuple[Path, str],
    arguments: tuple[str, ...],
    line: str,
) -> None:
    saved[0].with_name("broken.json").write_text("{")
    status, said = run("-k", CELL.removesuffix("-seed0"), *arguments)
    assert status == 4
    assert said.count(line) == 1
    assert "Traceback" not in said
    assert "INTERNALERROR" not in said
