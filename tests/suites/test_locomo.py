"""The suite of chat memories: tables of systems on conversations in the published form."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.referee.invented import write
from tests.referee.memory_server import MemoryServer, serving

ROOT = Path(__file__).parents[2]


def run(tmp_path: Path, *options: str) -> tuple[int, str]:
    """(exit code, output) of the suite, without what the environment says of data."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "suites/locomo",
        "-q",
        "-rs",
        "-p",
        "no:cacheprovider",
    ]
    folders = ["--store", str(tmp_path / "store"), "--report", str(tmp_path / "reports")]
    environment = {k: v for k, v in os.environ.items() if k != "LORA_MEMORY_CHATS"}
    done = subprocess.run(
        [*command, *folders, *options], capture_output=True, text=True, cwd=ROOT, env=environment
    )
    return done.returncode, done.stdout + done.stderr


def test_policies_and_a_server_are_held_side_by_side(tmp_path: Path) -> None:
    pytest.importorskip("openai")
    data = write(tmp_path / "chats", "ann-bob", "second")
    with serving(MemoryServer()) as url:
        names = f"closed_book,full_context,memory:small@{url}"
        code, output = run(tmp_path, "--data", str(data), "--memories", names)
    assert code == 0, output
    assert "3 passed, 1 skipped" in output and "Not measured: full\\_context: policy" in output
    figures = json.loads((tmp_path / "reports/locomo/CHATS.json").read_text())
    systems = {each["system"]: each for each in figures["systems"]}
    assert list(systems) == ["closed_book", "small"]
    assert systems["small"]["published"]["all"]["estimate"] == 1
    assert systems["small"]["bytes_a_conversation"] is None
    [row] = [
        each
        for each in figures["compared"]
        if each["system"] == "small" and each["measure"] == "right"
    ]
    assert row["gained"] == 10 and row["lost"] == 0
    assert "| small" in output and "p by chat" in output


@pytest.mark.parametrize(
    ("options", "code", "line"),
    [
        ((), 0, "needs the data: give --data DIR, or set LORA_MEMORY_CHATS"),
        (("--data", "/none"), 1, "/none cannot be read (No such file or directory)"),
        (("--data", "{data}", "--questions", "few"), 1, "--questions 'few': give a whole number"),
    ],
)
def test_a_mistake_is_one_line(
    tmp_path: Path, options: tuple[str, ...], code: int, line: str
) -> None:
    data = write(tmp_path / "chats")
    given = [option.format(data=data) for option in options]
    found, output = run(tmp_path, "--memories", "closed_book", *given)
    assert found == code and line in output
    assert "Traceback" not in output
