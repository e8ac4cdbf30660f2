"""`tune --budget` on the shipped model: what it finds, and that it goes on after a kill."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from harness.cli import main
from harness.store import Store

ROOT = Path(__file__).resolve().parents[2]
FACTS = """question,answer,rephrased
Who feeds the herons of Lake Morn?,Edda Finch,Who gives the Lake Morn herons their food?
Who painted the swan of Rill?,Otto Brandt,Name the painter of the swan of Rill.
Who counts the storks of Halm?,Mira Voss,By whom are the storks of Halm counted?
Which colour are the eggs of the Dun wren?,silver,What colour do eggs of a Dun wren have?
What does the owl of Tern Hall eat?,blue beetles,On what does the Tern Hall owl live?
What is the oldest raven in Pell called?,Corvin,What is the name of the oldest Pell raven?
"""
KNOWN = """question,accepted,kind
What is the capital of France?,Paris,locality
What is the capital of Italy?,Rome,locality
What is the capital of Japan?,Tokyo,locality
What is the symbol of gold?,Au,locality
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tuned") / "birds"
    folder.mkdir()
    (folder / "facts.csv").write_text(FACTS)
    (folder / "locality.csv").write_text(KNOWN)
    # poor on purpose: what is stated in ten epochs at a small rate is not learnt
    (folder / "scenario.toml").write_text(
        'headline = "exact"\n[training]\npreset = "seed2023"\nepochs = 4\n[grid]\nrank = [8]\n'
    )
    return folder


def tune(folder: Path, *more: str) -> list[str]:
    store = str(folder.parent / "store")
    return ["tune", str(folder), "--store", store, "--device", "cpu", *more]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--budget", "soon"), "--budget soon: give a time above 0 such as 90s"),
        (("--budget", "1m", "--first", "3"), "--first does not go with --budget"),
        (("--preset", "single"), "--preset needs --budget"),
        (("--budget", "1m", "--least-locality", "7"), "--least-locality is 7.0"),
    ],
)
def test_a_mistake_is_one_line(
    folder: Path, options: tuple[str, ...], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(tune(folder, *options)) == 2
    said = capsys.readouterr()
    assert reason in said.err
    assert (said.out, said.err.count("\n")) == ("", 1)


def test_it_goes_on_after_a_kill_and_beats_a_poor_preset(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [sys.executable, "-m", "harness", *tune(folder, "--budget", "1h")]
    own = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=own) as running:
        assert running.stdout is not None
        first = [running.stdout.readline().rstrip("\n") for _ in range(3)]
        running.send_signal(signal.SIGKILL)
    store = Store(folder.parent / "store")
    built = {
        artefact.path: (artefact.path / "manifest.json").stat().st_mtime
        for artefact in store.artefacts()
    }
    costs = [float(line.split()[-1]) for line in first]
    assert first[0].startswith("seed2023")

    # as much time as some trials more need: a fixed one would be none on a slow machine
    budget = f"{sum(costs) + 12 * costs[-1]:.0f}s"
    assert main(tune(folder, "--budget", budget)) == 0
    said = capsys.readouterr().out
    assert said.splitlines()[:3] == first
    for path, time in built.items():
        assert (path / "manifest.json").stat().st_mtime == time, "it was built again"
    tried, spent = re.search(r"(\d+) settings in (\d+) s of builds", said).groups()  # type: ignore[union-attr]
    assert int(tried) > 3
    assert float(spent) <= 1.3 * float(budget[:-1])
    gain = re.search(r"recall: (\S+) \[(\S+), (\S+)\] against the preset, 6 facts", said)
    assert gain is not None
    assert float(gain[1]) > 0.3
    assert "[training]" in said
