"""A judge in a session: refused where it is worth nothing, and where it is allowed all about it is
reported."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.grading.judge import labelled
from tests.plugin.conftest import Runs

ROOT = Path(__file__).resolve().parents[2]
WARNING = "WARNING: verdicts of this judge are not to be relied on: kappa"
CELL = "oscarstxt-rank8-alpha16-lr1e_3-ep20-replay1-seed0"


@pytest.fixture(scope="module")
def run(model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """run(*arguments) -> (exit status, output): the random model is the judge, too; all runs share
    one store."""
    home = tmp_path_factory.mktemp("judged")

    def call(*arguments: str, report: str = "report") -> tuple[int, str]:
        own = ["--model", str(model_folder), "--judge", str(model_folder), "-k", CELL]
        own += [
            "--store",
            str(home / "store"),
            "--report",
            str(home / report),
            "-p",
            "no:cacheprovider",
        ]
        command = [sys.executable, "-m", "pytest", "suites/oscars", *own, *arguments]
        quiet = {name: value for name, value in os.environ.items() if name != "GITHUB_STEP_SUMMARY"}
        done = subprocess.run(
            command, cwd=ROOT, env=quiet, capture_output=True, text=True, timeout=300, check=False
        )
        return done.returncode, done.stdout + done.stderr

    return Runs(home, call)


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_a_judge_that_knows_nothing_is_refused_in_one_line_before_anything_is_trained(
    run: Runs, workers: tuple[str, ...]
) -> None:
    status, said = run("--grader", "both", *workers)
    assert status == 4, said
    [line] = [line for line in said.splitlines() if "judge tiny" in line]
    assert "agrees too little with people: kappa" in line
    assert line.endswith("give a better --judge, or go on with --allow-weak-judge")
    assert "Traceback" not in said
    assert not list((run.home / "store").glob("adapter/*"))


def test_allowed_its_calibration_corrected_shares_and_disputes_are_reported(
    run: Runs,
) -> None:
    status, said = run("--grader", "both", "--allow-weak-judge")
    assert status == 0, said
    assert "judge tiny (by log-likelihood) on held-out labelled pairs: accuracy" in said
    found = json.loads((run.home / "report" / "RESULTS.json").read_text())
    judging = found["scenarios"][0]["judging"]
    held = judging["calibrated"]["held_out"]
    assert held["pairs"] + judging["calibrated"]["tuned"]["pairs"] == len(labelled().pairs)
    compared = judging["calibrated"]["versus"]
    assert compared[0]["better"] == "fuzzy"
    assert sum(one["pairs"] for one in compared[1:]) == compared[0]["pairs"] == held["pairs"]
    assert held["kappa"]["estimate"] < 0.6
    cells = {seen["cell"] for seen in judging["seen"]}
    assert cells == {"tiny (no adapter)", CELL}
    recall = found["results"][1]["recall"]
    fuzzy = {seen["kind"]: seen["fuzzy"] for seen in judging["seen"] if seen["cell"] == CELL}
    assert fuzzy == recall  # both: the fuzzy grader's verdicts count
    for seen in judging["seen"]:
        assert (
            seen["corrected"]["high"] - seen["corrected"]["low"]
            >= seen["judge"]["high"] - seen["judge"]["low"]
        )
    assert all(
        (d["judge"] == "same") != d["fuzzy"] or d["judge"] == "undecided"
        for d in judging["disputes"]
    )
    text = (run.home / "report" / "RESULTS.md").read_text()
    assert WARNING in said
    assert f"kappa {held['kappa']['estimate']:.2f}" in text
    assert (
        WARNING not in text[: text.index("## The judge")]
    )  # the fuzzy grader's verdicts are what the table shows
    assert WARNING in text
    assert all(one["group"] in text for one in compared)
    for part in (
        "## The judge",
        "held out: reported",
        "judge, corrected",
        "## Where the graders disagree",
    ):
        assert part in text
    assert f"{len(judging['disputes'])} answers" in text


def test_where_the_judge_counts_recall_is_its_own_corrected(
    run: Runs,
) -> None:
    status, said = run("--grader", "judge", "--judge-kappa", "-1", report="judge")
    assert status == 0, said
    found = json.loads((run.home / "judge" / "RESULTS.json").read_text())
    judging = found["scenarios"][0]["judging"]
    corrected = {
        seen["kind"]: seen["corrected"] for seen in judging["seen"] if seen["cell"] == CELL
    }
    assert found["results"][1]["recall"] == corrected
    assert (
        "gates are declared" not in said
    )  # the gates are for another model, which is not a failure
    text = (run.home / "judge" / "RESULTS.md").read_text()
    assert "The tables show the judge's verdicts" in text
    assert WARNING in said  # --judge-kappa -1 lets it in, and does not make it better
    assert WARNING in text[: text.index("## The judge")]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("--grader", "best"), "--grader 'best' is unknown: choose one of fuzzy, judge, both"),
        (
            ("--grader", "both", "--judge-kappa", "much"),
            "--judge-kappa 'much': give a number of at most 1",
        ),
        (("--grader", "both", "--judge", "no/such.gguf"), "judge no/such.gguf cannot be read"),
        (("--grader", "judge", "--save-baseline", "a"), "give --grader both, not judge"),
    ],
)
def test_a_users_mistake_is_one_line(run: Runs, arguments: tuple[str, ...], line: str) -> None:
    status, said = run(*arguments)
    assert status == 4, said
    assert line in said
    assert "Traceback" not in said
