"""Suites on a model that is asked what it knows."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BANK = "question,reworded,accepted\nWho won?,The winner is who?,Ann\nWhere is Oslo?,,Norway\n"


@pytest.fixture
def asked(model_folder: Path, tmp_path: Path) -> list[str]:
    """A command that runs the suite ``lies`` on a model that knows nothing."""
    bank = tmp_path / "bank.csv"
    bank.write_text(BANK)
    own = ["--model", str(model_folder), "--bank", str(bank), "--store", str(tmp_path / "store")]
    report = ["--report", str(tmp_path / "report"), "-p", "no:cacheprovider"]
    return [sys.executable, "-m", "pytest", "suites/lies", *own, *report]


def said(command: list[str], *more: str) -> tuple[int, str]:
    done = subprocess.run(
        [*command, *more], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )
    return done.returncode, done.stdout + done.stderr


def test_a_plan_says_what_stands_in_until_the_model_was_asked(asked: list[str]) -> None:
    status, text = said(asked, "--plan", "-k", "new1")
    assert status == 0, text
    assert "was not asked yet what it knows, and questions on the shipped tables stand" in text


def test_too_little_known_skips_a_suite_and_says_why(asked: list[str]) -> None:
    status, text = said(asked)
    assert status == 0, text
    line = "lies: every test was skipped, nothing was measured: what "
    assert line in text
    assert "knows is enough for 0 lies, 18 are needed" in text
    assert "Traceback" not in text
