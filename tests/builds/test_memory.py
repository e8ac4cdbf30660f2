"""Memory of a training by arithmetic, against what a training in a process of its own took."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from harness.builds import memory_note, training_bytes
from harness.data.awards import dataset
from harness.models.loading import SHIPPED, base_of
from harness.recipes import Adapter, Base, BitsAndBytes, Dataset, Quantised, Training
from harness.store import Store

SCRIPT = """
import sys
from pathlib import Path
from harness.builds import build
from harness.store import Store
from tests.builds.test_memory import recipe

print(build(recipe(), Store(Path(sys.argv[1])), "cpu").manifest.facts["peak_rss_bytes"])
"""
LARGE = Training(epochs=1, rank=128, alpha=128, batch=128, micro_batch=128, dropout=0.0)


def recipe() -> Adapter:
    text = Dataset.of("told", dataset("oscars_aug").samples[:128])
    return Adapter(base_of(SHIPPED), text, LARGE)


def test_near_what_a_training_takes(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
        cwd=Path(__file__).resolve().parents[2],
    )
    taken = int(done.stdout.split()[-1])
    estimate = training_bytes(recipe(), Store(tmp_path), "cpu")
    assert estimate == pytest.approx(taken, rel=0.35)


def test_grows_with_the_batch_and_shrinks_with_the_form(tmp_path: Path) -> None:
    store = Store(tmp_path)
    whole = recipe()
    small = replace(whole, training=replace(LARGE, micro_batch=8))
    four_bits = replace(whole, base=Quantised(base_of(SHIPPED), BitsAndBytes("nf4")))
    sizes = [training_bytes(each, store, "cuda") for each in (whole, small, four_bits)]
    assert sizes[0] is not None
    assert sizes[1] is not None
    assert sizes[2] is not None
    assert sizes[0] > 4 * sizes[1]
    assert sizes[0] > sizes[2]


def test_what_does_not_fit_is_told(
    tiny: Base, lie: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path)
    trained = Adapter(tiny, lie, Training(rank=4, alpha=8))
    assert "it will not fit" not in memory_note([trained], store, "cpu")
    assert memory_note([trained], store, "cpu", only_where_short=True) == ""
    assert memory_note([], store, "cpu") == ""
    free = psutil.virtual_memory()._replace(available=0)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: free)
    monkeypatch.setattr("harness.builds._memory._PROCESS", 2**45)
    line = memory_note([trained], store, "cpu", only_where_short=True)
    assert line.startswith("peak memory about 32768.0 GiB (training of lie on tiny)")
    assert line.endswith("lower micro_batch, cutoff or rank, or add --gradient-checkpointing")
