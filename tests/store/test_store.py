"""The store: built once, complete and verified, also after crashes and full disks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock, Timeout

from harness.errors import StoreError
from harness.recipes import Dataset, Sample, digest
from harness.store import Manifest, Store

RECIPE = Dataset.of("one", (Sample("Brendan Fraser won.\n"),))

BUILDER = """
import sys, time
from pathlib import Path
from harness.recipes import Dataset, Sample
from harness.store import Store
root, seconds = Path(sys.argv[1]), float(sys.argv[2])
def build(folder):
    (folder / "text").write_text("half")
    with (root.parent / "builds").open("a") as builds:
        builds.write("x")
    time.sleep(seconds)
    (folder / "text").write_text("whole")
    return {}
artefact = Store(root).get(Dataset.of("one", (Sample("Brendan Fraser won.\\n"),)), build)
print((artefact.path / "text").read_text())
"""


def write_whole(folder: Path) -> dict[str, Any]:
    (folder / "text").write_text("whole")
    return {"steps": 3}


def refuse(folder: Path) -> dict[str, Any]:
    raise AssertionError(f"built again in {folder}")


def start(root: Path, seconds: float) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", BUILDER, str(root), str(seconds)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(path: Path) -> None:
    for _ in range(400):
        if path.exists():
            return
        time.sleep(0.05)
    raise AssertionError(f"{path.name} did not appear in 20 s")


def test_builds_once_and_records_the_build(tmp_path: Path) -> None:
    first = Store(tmp_path / "s").get(RECIPE, write_whole, parents=("abc",))
    again = Store(tmp_path / "s").get(RECIPE, refuse)
    assert again == first
    assert first.manifest.facts == {"steps": 3}
    assert first.manifest.parents == ("abc",)
    assert first.manifest.bytes == 5


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_an_interrupted_build_leaves_nothing_and_a_rerun_builds(
    tmp_path: Path, how: signal.Signals
) -> None:
    builder = start(tmp_path / "s", 60)
    wait_for(tmp_path / "builds")
    builder.send_signal(how)
    builder.wait(20)
    assert Store(tmp_path / "s").peek(RECIPE) is None
    artefact = Store(tmp_path / "s").get(RECIPE, write_whole)
    assert (artefact.path / "text").read_text() == "whole"
    assert list((tmp_path / "s" / "tmp").iterdir()) == []


def test_two_processes_at_once_build_once(tmp_path: Path) -> None:
    builders = [start(tmp_path / "s", 1.0) for _ in range(2)]
    outputs = [builder.communicate(timeout=30) for builder in builders]
    assert [out for out, _ in outputs] == ["whole\n", "whole\n"], outputs
    assert (tmp_path / "builds").read_text() == "x"


@pytest.mark.parametrize("damage", ["change", "remove", "add", "manifest", "no manifest"])
def test_a_damaged_artefact_is_set_aside_and_rebuilt(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = Store(tmp_path / "s").get(RECIPE, write_whole).path
    if damage == "change":
        (path / "text").write_text("wholE")
    elif damage == "remove":
        (path / "text").unlink()
    elif damage == "add":
        (path / "more").write_text("x")
    elif damage == "manifest":
        (path / "manifest.json").write_text("{")
    else:
        (path / "manifest.json").unlink()
    rebuilt = Store(tmp_path / "s").get(RECIPE, write_whole)
    assert (rebuilt.path / "text").read_text() == "whole"
    assert len([r for r in caplog.records if "damaged" in r.message]) == 1
    assert len(list((tmp_path / "s" / "aside").iterdir())) == 1


class Overtaken(Store):
    """A store where another process acts right after this one has found damage."""

    def __init__(self, root: Path, other: Callable[[Store], object]) -> None:
        super().__init__(root)
        self._other: Callable[[Store], object] | None = other

    def _check(self, folder: Path) -> Manifest:
        try:
            return super()._check(folder)
        except ValueError:
            if other := self._other:
                self._other = None
                other(Store(self.root))
            raise


def damaged(root: Path) -> Path:
    path = Store(root).get(RECIPE, write_whole).path
    (path / "text").write_text("wholE")
    return path


@pytest.mark.parametrize(
    "other", [lambda s: s.get(RECIPE, write_whole), lambda s: s.peek(RECIPE)], ids=["get", "peek"]
)
@pytest.mark.parametrize("method", ["peek", "get"])
def test_an_artefact_that_another_process_has_just_repaired_is_left_alone(
    tmp_path: Path, other: Callable[[Store], object], method: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = damaged(tmp_path / "s")
    store = Overtaken(tmp_path / "s", other)
    rebuilt = store.get(RECIPE, write_whole) if method == "get" else store.peek(RECIPE)
    assert (rebuilt is None) == (not path.exists())
    assert rebuilt is None or (path / "text").read_text() == "whole"
    assert len(list((tmp_path / "s" / "aside").iterdir())) == 1
    assert len([r for r in caplog.records if "damaged" in r.message]) == 1


def test_damage_is_left_to_the_process_that_holds_the_lock(tmp_path: Path) -> None:
    path = damaged(tmp_path / "s")
    store = Store(tmp_path / "s")
    with FileLock(tmp_path / "s" / "locks" / path.name):
        assert store.peek(RECIPE) is None
    assert path.exists()
    assert list((tmp_path / "s" / "aside").iterdir()) == []


def test_processes_that_find_damage_at_once_set_it_aside_once(tmp_path: Path) -> None:
    damaged(tmp_path / "s")
    builders = [start(tmp_path / "s", 0.2) for _ in range(3)]
    outputs = [builder.communicate(timeout=60) for builder in builders]
    assert [out for out, _ in outputs] == ["whole\n"] * 3, outputs
    assert (tmp_path / "builds").read_text() == "x"
    assert len(list((tmp_path / "s" / "aside").iterdir())) == 1


def test_without_waiting_get_raises_where_another_process_builds(tmp_path: Path) -> None:
    store = Store(tmp_path / "s")
    with store.without_waiting():
        with FileLock(tmp_path / "s" / "locks" / digest(RECIPE)), pytest.raises(Timeout):
            store.get(RECIPE, refuse)
        store.get(RECIPE, write_whole)
        with FileLock(tmp_path / "s" / "locks" / digest(RECIPE)):
            assert store.get(RECIPE, refuse).manifest.facts == {"steps": 3}


def test_an_exception_in_a_build_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(AssertionError):
        Store(tmp_path / "s").get(RECIPE, refuse)
    assert Store(tmp_path / "s").peek(RECIPE) is None
    assert list((tmp_path / "s" / "tmp").iterdir()) == []


def test_a_root_that_is_a_file_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="choose another folder") as refused:
        Store(tmp_path / "file")
    assert "\n" not in str(refused.value)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small tmpfs takes root")
def test_a_full_disk_gives_one_line_and_leaves_the_store_usable(tmp_path: Path) -> None:
    root = tmp_path / "small"
    root.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", root], capture_output=True
    ).returncode:
        pytest.skip("this machine does not let tests mount a tmpfs")
    try:
        store = Store(root)
        with pytest.raises(StoreError, match="is full: free space"):
            store.get(
                RECIPE, lambda folder: {"bytes": (folder / "big").write_bytes(b"x" * 2_000_000)}
            )
        assert store.peek(RECIPE) is None
        assert (store.get(RECIPE, write_whole).path / "text").read_text() == "whole"
    finally:
        subprocess.run(["umount", root], check=True)
