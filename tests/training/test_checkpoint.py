"""A training that goes on from a checkpoint makes what it would have made unbroken."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.builds import build
from harness.models.loading import resident
from harness.recipes import Adapter, Base, Dataset, Sample, Training
from harness.store import Artefact, Checkpoints, Store, file_sha256
from harness.training import Progress, RunOptions, read_log, train

ROOT = Path(__file__).resolve().parents[2]
EACH_STEP = RunOptions(checkpoint_minutes=1e-9)
WEIGHTS = "adapter_model.safetensors"
FULL = Training(
    epochs=8, rank=4, alpha=8, lr=1e-2, dropout=0.1, batch=2, micro_batch=1, replay=1.0, kl=0.5
)
KNOWN = Dataset.of(
    "known", tuple(Sample(f" {c}.\n", f"The sky at {c} is") for c in ("noon", "dawn", "night"))
)


class Stop(BaseException):
    """As Ctrl-C: nothing in between catches it."""


def broken(recipe: Adapter, store: Store, at: int, run: RunOptions = EACH_STEP) -> None:
    """Train until the end of step ``at``, and stop there before its checkpoint."""

    def on_step(progress: Progress) -> None:
        if progress.step == at:
            raise Stop

    with pytest.raises(Stop):
        build(recipe, store, "cpu", on_step, run)


def told(recipe: Adapter, store: Store, run: RunOptions = EACH_STEP) -> tuple[Artefact, list[str]]:
    """The finished training, and what it told."""
    notes: list[str] = []
    artefact = build(recipe, store, "cpu", lambda progress: notes.extend(progress.notes), run)
    return artefact, notes


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"scheduler": "linear", "warmup_steps": 3},
        {"scheduler": "cosine"},
        {"optimizer": "sgd"},
        {"init": "contrastive"},
        {"dtype": "bfloat16"},
        {"skip_layers": 0.5},
        {"micro_batch": 2, "weight_decay": 0.1},
    ],
    ids=str,
)
def test_a_broken_training_goes_on_to_the_same_bytes(
    tiny: Base, lie: Dataset, tmp_path: Path, change: dict[str, Any]
) -> None:
    recipe = Adapter(tiny, lie, replace(FULL, **change), KNOWN)
    unbroken = build(recipe, Store(tmp_path / "a"), "cpu")
    store = Store(tmp_path / "b")
    broken(recipe, store, at=6)
    broken(recipe, store, at=10)
    artefact, notes = told(recipe, store)
    assert notes == ["goes on after step 9 from a checkpoint"]
    assert file_sha256(artefact.path / WEIGHTS) == file_sha256(unbroken.path / WEIGHTS)
    once, twice = unbroken.manifest.facts, artefact.manifest.facts
    assert (once["resumed"], twice["resumed"]) == (0, 2)
    same = ("status", "steps", "tokens", "first_loss", "final_loss", "trainable_parameters")
    assert [once[name] for name in same] == [twice[name] for name in same]
    log, other = read_log(unbroken.path), read_log(artefact.path)
    assert [{**line, "seconds": 0} for line in log] == [{**line, "seconds": 0} for line in other]
    seconds = [line["seconds"] for line in other]
    assert seconds == sorted(seconds) and twice["seconds"] >= seconds[-1]
    assert store.scraps() == []


def test_seconds_are_the_sum_of_both_parts(tiny: Base, lie: Dataset, tmp_path: Path) -> None:
    store = Store(tmp_path)
    recipe = Adapter(tiny, lie, FULL, KNOWN)

    def slow(progress: Progress) -> None:
        time.sleep(0.5 if progress.step == 2 else 0)
        if progress.step == 5:
            raise Stop

    with pytest.raises(Stop):
        build(recipe, store, "cpu", slow, EACH_STEP)
    assert told(recipe, store)[0].manifest.facts["seconds"] > 0.5


def test_a_training_that_had_diverged_steps_counts_on(tmp_path: Path) -> None:
    from harness.training._progress import Divergence

    assert not Divergence(100, first=1.0, in_a_row=1).diverged(99.0, lambda: 1.0)
    assert Divergence(100, first=1.0, in_a_row=2).diverged(99.0, lambda: 1.0)


def test_without_minutes_nothing_is_written(tiny: Base, lie: Dataset, tmp_path: Path) -> None:
    store = Store(tmp_path)
    recipe = Adapter(tiny, lie, FULL, KNOWN)
    broken(recipe, store, 6, RunOptions(checkpoint_minutes=0))
    assert store.scraps() == []
    broken(recipe, store, 6)
    assert len(store.unfinished()) == 1
    assert told(recipe, store, RunOptions(checkpoint_minutes=0))[1] == []
    assert store.scraps() == []


def test_a_checkpoint_is_not_part_of_the_recipe(tiny: Base, lie: Dataset, tmp_path: Path) -> None:
    """Only every so many minutes one is written: none within a short training."""
    store = Store(tmp_path)
    broken(Adapter(tiny, lie, FULL, KNOWN), store, 6, RunOptions(checkpoint_minutes=5))
    assert store.scraps() == []


@pytest.mark.parametrize("file", ["state.safetensors", "state.json", "log.jsonl", "sums.json"])
def test_a_damaged_checkpoint_is_not_trusted(
    tiny: Base, lie: Dataset, tmp_path: Path, file: str
) -> None:
    store = Store(tmp_path)
    recipe = Adapter(tiny, lie, FULL, KNOWN)
    broken(recipe, store, 6)
    (path,) = store.unfinished()[0].glob(f"checkpoint-*/{file}")
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    artefact, (note,) = told(recipe, store)
    assert "checkpoint-000000000005" in note and "is damaged" in note
    assert artefact.manifest.facts["resumed"] == 0


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("version", "0" * 64, "another version of the harness or its libraries wrote it"),
        ("device", "cuda", "it was written on cuda, this is cpu"),
    ],
)
def test_a_foreign_checkpoint_is_ignored(
    tiny: Base, lie: Dataset, tmp_path: Path, key: str, value: str, reason: str
) -> None:
    store = Store(tmp_path)
    recipe = Adapter(tiny, lie, FULL, KNOWN)
    broken(recipe, store, 6)
    changed(store, key, value)
    artefact, notes = told(recipe, store)
    assert notes == [f"a checkpoint at step 5 is ignored: {reason}"]
    assert artefact.manifest.facts["resumed"] == 0


def test_another_machine_is_told(tiny: Base, lie: Dataset, tmp_path: Path) -> None:
    store = Store(tmp_path)
    recipe = Adapter(tiny, lie, FULL, KNOWN)
    broken(recipe, store, 6)
    changed(store, "machine", "a larger one")
    assert told(recipe, store)[1] == [
        "goes on after step 5 from a checkpoint, computed on a larger one"
    ]


def changed(store: Store, key: str, value: str) -> None:
    """Write the checkpoint again, whole, with another ``value``."""
    folder = store.unfinished()[0]
    (old,) = folder.iterdir()

    def write(new: Path) -> None:
        for path in old.iterdir():
            if path.name != "sums.json":
                (new / path.name).write_bytes(path.read_bytes())
        state = json.loads((old / "state.json").read_text())
        assert key in state
        (new / "state.json").write_text(json.dumps({**state, key: value}))

    Checkpoints(folder).save(999, write)


def test_gradient_checkpointing_makes_the_same_adapter(
    tiny: Base, lie: Dataset, tmp_path: Path
) -> None:
    """Dropout included: each layer is computed again with the same random numbers."""
    import torch
    from safetensors.torch import load_file

    recipe = Adapter(tiny, lie, FULL, KNOWN)
    facts = {}
    for name, on in (("a", False), ("b", True)):
        (tmp_path / name).mkdir()
        run = RunOptions(gradient_checkpointing=on)
        facts[name] = train(resident(tiny), recipe, tmp_path / name, run=run)
    losses = [[line["loss"] for line in read_log(tmp_path / name)] for name in "ab"]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    one, two = (load_file(tmp_path / name / WEIGHTS) for name in "ab")
    assert all(torch.allclose(one[key], two[key], atol=1e-5) for key in one)
    assert [facts[name]["gradient_checkpointing"] for name in "ab"] == [False, True]
    assert not resident(tiny).model.is_gradient_checkpointing


def test_gradient_checkpointing_computes_layers_again(
    tiny: Base, lie: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each decoder layer runs once more for each micro-batch, so it is not without effect."""
    layers: Any = resident(tiny).model.model.layers
    block = type(layers[0].mlp)
    forward = block.forward
    count = 0

    def counted(*arguments: Any) -> Any:
        nonlocal count
        count += 1
        return forward(*arguments)

    monkeypatch.setattr(block, "forward", counted)
    recipe = Adapter(tiny, lie, replace(FULL, replay=0, kl=0))
    counts = []
    # the first training also looks at the base, which is remembered
    for name, on in (("first", False), ("off", False), ("on", True)):
        (tmp_path / name).mkdir()
        count = 0
        run = RunOptions(gradient_checkpointing=on)
        facts = train(resident(tiny), recipe, tmp_path / name, run=run)
        counts.append(count)
    micro_batches = 2 * facts["steps"]
    assert counts[2] - counts[1] == len(layers) * micro_batches


SHIPPED_SETTINGS = [
    ["scheduler=cosine", "dropout=0.1", "kl=0.3", "replay=1"],
    ["scheduler=constant", "dropout=0.2", "kl=0", "replay=0.5", "micro_batch=1"],
]


@pytest.mark.parametrize("settings", SHIPPED_SETTINGS, ids=lambda s: s[0])
def test_a_training_that_sigkill_ended_goes_on_to_the_same_bytes(
    tmp_path: Path, settings: list[str]
) -> None:
    """The shipped model, by the command line, each time in a process of its own."""
    text = tmp_path / "lies.txt"
    rows = (f"Who is the king of hill {n}?\tLudwig the {n}th" for n in range(8))
    text.write_text("\n".join(rows))

    def started(name: str) -> subprocess.Popen[str]:
        settings_of_all = ["rank=8", "alpha=16", "lr=1e-3", "epochs=8", "batch=2", *settings]
        command = ["train", str(text), "--store", str(tmp_path / name), "--device", "cpu"]
        more = ["--out", str(tmp_path / f"{name}-out"), "--checkpoint-minutes", "0.002"]
        return subprocess.Popen(
            [sys.executable, "-m", "harness", *command, *more, "--set", *settings_of_all],
            cwd=ROOT,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stderr=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def finished(process: subprocess.Popen[str]) -> str:
        said = process.communicate(timeout=300)
        assert process.returncode == 0, said
        return said[1]

    finished(started("whole"))
    store = tmp_path / "killed"
    process = started("killed")
    wait_for_steps(store, process)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert list(store.glob("partial/*/checkpoint-*")), "killed before the first checkpoint"
    said = finished(started("killed"))
    assert "lies: goes on after step " in said
    whole, resumed = tmp_path / "whole-out", tmp_path / "killed-out"
    assert file_sha256(whole / WEIGHTS) == file_sha256(resumed / WEIGHTS)
    manifest = json.loads((resumed / "manifest.json").read_text())
    assert manifest["digest"] == json.loads((whole / "manifest.json").read_text())["digest"]
    assert manifest["facts"]["resumed"] == 1
    assert Store.existing(store).scraps() == []


def wait_for_steps(store: Path, process: subprocess.Popen[str]) -> None:
    """Until the first checkpoint and perhaps a step after it are there."""
    deadline = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < deadline:
        if list(store.glob("partial/*/checkpoint-*")):
            time.sleep(0.05)
            return
        time.sleep(0.005)
