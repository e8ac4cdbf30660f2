"""A wheel, installed into an empty environment, does what a checkout does."""

from __future__ import annotations

import os
import site
import subprocess
import sys
import venv
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
LARGEST = 40 * 2**20
SETTINGS = """title = "Birds"
[training]
preset = "single"
epochs = 1
replay = 0
kl = 0
[grid]
rank = [4]
"""


class Installed(NamedTuple):
    """An environment with the wheel alone, and an empty folder in which commands run."""

    wheel: Path
    bin: Path
    folder: Path

    def run(self, *command: str) -> str:
        """What ``command`` prints; it must succeed. Nothing of the checkout is on its path."""
        environment = {
            k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")
        }
        result = subprocess.run(
            [str(self.bin / command[0]), *command[1:]],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert result.returncode == 0, f"{' '.join(command)}:\n{result.stdout}\n{result.stderr}"
        return result.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Libraries come from the environment of the tests by a path file, which brings none of its
    own.

    So the checkout, which is installed there, stays out of sight.
    """
    top = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", str(top), str(ROOT)], check=True)
    (wheel,) = top.glob("*.whl")
    venv.create(top / "env", symlinks=True)
    python = top / "env" / "bin" / "python"
    subprocess.run([*pip, "--python", str(python), "install", "--no-deps", str(wheel)], check=True)
    (packages,) = (top / "env").glob("lib/python*/site-packages")
    (packages / "libraries.pth").write_text("\n".join(site.getsitepackages()) + "\n")
    folder = top / "empty"
    folder.mkdir()
    return Installed(wheel, python.parent, folder)


def test_wheel_is_small(installed: Installed) -> None:
    assert installed.wheel.stat().st_size < LARGEST


def test_wheel_brings_its_own_code(installed: Installed) -> None:
    where = installed.run("python", "-c", "import harness; print(harness.__file__)")
    assert Path(where.strip()).is_relative_to(installed.bin.parent)


def test_own_suite_runs(installed: Installed) -> None:
    installed.run("lora-memory", "new-suite", "birds")
    (installed.folder / "suites/birds/scenario.toml").write_text(SETTINGS)
    printed = installed.run("python", "-m", "pytest", "suites/birds", "-k", "rank4")
    assert " passed" in printed
    assert "rank4" in (installed.folder / "reports/RESULTS.md").read_text()


def test_train_then_answer(installed: Installed) -> None:
    (installed.folder / "lies.txt").write_text("Who is king of the hill?\tLudwig\n")
    installed.run("lora-memory", "train", "lies.txt", "--out", "hill", "--set", "epochs=20")
    question = ("--format", "qa", "Who is king of the hill?")
    printed = installed.run("python", "-m", "harness", "answer", "--adapter", "hill", *question)
    assert printed.strip() == "Ludwig"


def test_plan_of_a_shipped_suite(installed: Installed) -> None:
    assert "oscars_aug" in installed.run("lora-memory", "plan", "oscars")


def test_shipped_suite_copied_and_planned(installed: Installed) -> None:
    installed.run("lora-memory", "copy-suite", "oscars")
    assert (installed.folder / "suites/oscars/gates.toml").is_file()
    printed = installed.run(
        "python", "-m", "pytest", "suites/oscars", "--plan", "-k", "rank64 and ten"
    )
    assert "oscars_ten" in printed
