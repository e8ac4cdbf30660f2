"""A training that needs more memory than there is ends in one line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("resource", reason="Linux and macOS limit the memory of a process")

SCRIPT = """
import resource, sys
from pathlib import Path
from harness.errors import ModelError
from harness.models.loading import base_of, resident
from harness.recipes import Adapter, Dataset, Sample, Training
from harness.training import RunOptions, train

base = base_of(Path(sys.argv[1]))
loaded = resident(base, device="cpu")
size = int(sys.argv[3])
text = Dataset.of("tale", tuple(Sample(f"{n} rivers ran on. " * 60) for n in range(size)))
setting = Training(epochs=1, rank=4, alpha=8, batch=size, micro_batch=size, cutoff=256)
pages = int(Path("/proc/self/statm").read_text().split()[0])
limit = pages * resource.getpagesize() + 300 * 2**20
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
run = RunOptions(gradient_checkpointing=sys.argv[4] == "again")
try:
    train(loaded, Adapter(base, text, setting), Path(sys.argv[2]), run=run)
except ModelError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("how", ["", "again"])
def test_the_line_says_what_to_lower(model_folder: Path, tmp_path: Path, how: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(model_folder), str(tmp_path), "512", how],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=Path(__file__).resolve().parents[2],
    )
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    assert line.startswith("the training of tale on tiny has no memory left on cpu (")
    assert "micro_batch 512, cutoff 256, rank 4: lower micro_batch, cutoff or rank" in line
    assert ("add --gradient-checkpointing" in line) == (how == "")
    assert line.endswith("or train on --engine nf4 of pytest")
