"""Event files of a training, read back by the library that wrote them."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.builds import build
from harness.recipes import Adapter, Base, Dataset, Training
from harness.store import Store
from harness.training import Progress, RunOptions, read_log

pytest.importorskip("tensorboardX", reason="python -m pip install tensorboardX")

QUICK = Training(epochs=3, rank=4, alpha=8, lr=1e-2, batch=1, micro_batch=1, scheduler="linear")


def events(file: Path) -> Iterator[Any]:
    """The events of a file: each record is length, its checksum, the event, its checksum."""
    from tensorboardX.crc32c import crc32c
    from tensorboardX.proto.event_pb2 import Event

    def masked(data: bytes) -> int:
        checksum = crc32c(data)
        return int(((checksum >> 15 | checksum << 17) + 0xA282EAD8) & 0xFFFFFFFF)

    content = file.read_bytes()
    while content:
        (length,) = struct.unpack("<Q", content[:8])
        body = content[12 : 12 + length]
        sums = struct.unpack("<II", content[8:12] + content[12 + length : 16 + length])
        assert sums == (masked(content[:8]), masked(body))
        yield Event.FromString(body)
        content = content[16 + length :]


def scalars(file: Path) -> dict[str, dict[int, float]]:
    """Values by tag and step."""
    found: dict[str, dict[int, float]] = {}
    for event in events(file):
        for value in event.summary.value:
            found.setdefault(value.tag, {})[event.step] = value.simple_value
    return found


def test_scalars_of_each_step(tiny: Base, lie: Dataset, tmp_path: Path) -> None:
    run = RunOptions(live=lambda recipe: tmp_path / "live" / recipe.name)
    store = Store(tmp_path / "store")
    artefact = build(Adapter(tiny, lie, QUICK), store, "cpu", run=run)
    (file,) = (tmp_path / "live/lie").iterdir()
    log = {line["step"]: line for line in read_log(artefact.path)}
    found = scalars(file)
    assert found.keys() == {"loss", "learning_rate", "tokens_per_second"}
    assert found["loss"] == pytest.approx({step: line["loss"] for step, line in log.items()})
    rates = {step: line["lr"] for step, line in log.items()}
    assert found["learning_rate"] == pytest.approx(rates)
    assert len(found["tokens_per_second"]) == len(log)
    assert min(found["tokens_per_second"].values()) > 0
    plain = build(Adapter(tiny, lie, QUICK), Store(tmp_path / "plain"), "cpu")
    assert plain.manifest.digest == artefact.manifest.digest
    name = "adapter_model.safetensors"
    assert plain.manifest.files[name] == artefact.manifest.files[name]


def test_they_are_there_while_it_runs(
    tiny: Base, lie: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The writer's thread needs a moment, so the last step waits for it."""
    import time

    monkeypatch.setattr("harness.builds._live._FLUSH_SECONDS", 0.1)
    seen: list[int] = []

    def on_step(progress: Progress) -> None:
        if progress.step == progress.steps:
            deadline = time.monotonic() + 30
            while len(seen) < progress.steps - 1 and time.monotonic() < deadline:
                time.sleep(0.05)
                (file,) = (tmp_path / "live").iterdir()
                seen[:] = list(scalars(file).get("loss", {}))

    run = RunOptions(live=lambda _: tmp_path / "live")
    build(Adapter(tiny, lie, QUICK), Store(tmp_path / "store"), "cpu", on_step, run)
    assert len(seen) >= 5


def test_after_a_break_the_steps_go_on(tiny: Base, lie: Dataset, tmp_path: Path) -> None:
    """The second file begins with the mark by which TensorBoard drops what is trained again."""
    run = RunOptions(checkpoint_minutes=1e-9, live=lambda _: tmp_path / "live")
    store = Store(tmp_path / "store")
    recipe = Adapter(tiny, lie, replace(QUICK, epochs=4))

    def on_step(progress: Progress) -> None:
        if progress.step == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(recipe, store, "cpu", on_step, run)
    (first,) = (tmp_path / "live").iterdir()
    assert list(scalars(first)["loss"]) == [1, 2, 3, 4, 5]
    build(recipe, store, "cpu", None, run)
    (second,) = set((tmp_path / "live").iterdir()) - {first}
    assert list(scalars(second)["loss"]) == [5, 6, 7, 8]
    starts = [e.step for e in events(second) if e.session_log.status == e.session_log.START]
    assert starts[0] == 5
