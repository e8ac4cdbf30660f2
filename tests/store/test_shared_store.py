"""A store that machines share: each cache stands for one machine, S3 is a real server."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from filelock import Timeout

from harness.errors import MissingExtraError, StoreError
from harness.recipes import Dataset, Sample, digest
from harness.store import SharedStore, Store, open_store
from harness.store._lease import Lease
from harness.store._objects import Objects

RECIPE = Dataset.of("one", (Sample("Brendan Fraser won.\n"),))
NAME = digest(RECIPE)
KEY = f"dataset/{NAME}.json"

BUILDER = """
import sys, time
from pathlib import Path
from harness.recipes import Dataset, Sample
from harness.store import SharedStore
url, cache, seconds, lease = sys.argv[1], Path(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4])
def build(folder):
    (folder / "text").write_text(f"whole {cache.name}")
    (folder / "more").mkdir()
    (folder / "more" / "big").write_bytes(b"x" * 5_000_000)
    cache.with_suffix(".building").write_text("")
    time.sleep(seconds)
    return {}
store = SharedStore(url, cache, lease)
artefact = store.get(Dataset.of("one", (Sample("Brendan Fraser won.\\n"),)), build)
print((artefact.path / "text").read_text())
"""


def start(url: str, cache: Path, seconds: float, lease: float = 60.0) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", BUILDER, url, str(cache), str(seconds), str(lease)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(found: Any, what: str) -> None:
    for _ in range(1200):
        if found():
            return
        time.sleep(0.05)
    raise AssertionError(f"{what} did not appear in 60 s")


def write_whole(folder: Path) -> dict[str, Any]:
    (folder / "text").write_text("whole")
    (folder / "more").mkdir()
    (folder / "more" / "log").write_text("steps")
    return {"steps": 3}


def refuse(folder: Path) -> dict[str, Any]:
    raise AssertionError(f"built again in {folder}")


def text_of(store: Store) -> str:
    return (store.get(RECIPE, refuse).path / "text").read_text()


def test_one_machine_builds_and_others_fetch(shared_url: str, tmp_path: Path) -> None:
    one, two = (open_store(shared_url, tmp_path / name) for name in ("one", "two"))
    assert not two.has(RECIPE)
    first = one.get(RECIPE, write_whole, parents=("abc",))
    again = two.get(RECIPE, refuse)
    assert again.manifest == first.manifest
    assert (again.path / "more" / "log").read_text() == "steps"
    assert again.path != first.path
    assert two.has(RECIPE, now=True)
    assert [each.manifest for each in two.artefacts()] == [first.manifest]
    assert two.scraps() == []


def test_a_driver_that_reads_manifests_moves_no_files(shared_url: str, tmp_path: Path) -> None:
    open_store(shared_url, tmp_path / "one").get(RECIPE, write_whole)
    driver = SharedStore(shared_url, tmp_path / "two")
    driver.manifests_only = True
    artefact = driver.get(RECIPE, refuse)
    assert artefact.manifest.facts == {"steps": 3}
    assert not list((tmp_path / "two").rglob("text"))
    assert (artefact.path / "text").read_text() == "whole"  # the path brings them


def test_two_machines_at_once_build_once(shared_url: str, tmp_path: Path) -> None:
    builders = [start(shared_url, tmp_path / name, 3.0) for name in ("one", "two")]
    outputs = [builder.communicate(timeout=120) for builder in builders]
    said = [out for out, _ in outputs]
    assert said[0] == said[1], outputs
    assert said[0] in ("whole one\n", "whole two\n")
    assert len(list(tmp_path.glob("*.building"))) == 1


def test_killed_before_or_in_publishing_leaves_nothing_half_visible(
    shared_url: str, tmp_path: Path
) -> None:
    """The files of 5 MB are under way or there; the manifest is not."""
    builder = start(shared_url, tmp_path / "one", 0.0, lease=1.0)
    objects = Objects(shared_url)
    wait_for(lambda: objects.names(f"files/{NAME}") or builder.poll() is not None, "the first file")
    builder.send_signal(signal.SIGKILL)
    builder.wait(20)
    published = objects.read(KEY)
    if published is not None:  # it was quicker than this test: then it is whole
        json.loads(published)
    other = SharedStore(shared_url, tmp_path / "two", lease=1.0)
    assert (other.peek(RECIPE) is None) == (published is None)
    assert text_of_built(other) in ("whole", "whole one")
    # the killed machine comes back, with its build in the cache and not sent
    assert text_of(SharedStore(shared_url, tmp_path / "one", lease=1.0)) == text_of(other)


def text_of_built(store: Store) -> str:
    return (store.get(RECIPE, write_whole).path / "text").read_text()


def test_what_was_built_and_not_sent_is_sent_by_the_next_session(
    shared_url: str, tmp_path: Path
) -> None:
    class Cut(SharedStore):
        """The network is gone when the build is done."""

        def _sent(self, recipe: Any, artefact: Any) -> Any:
            raise StoreError("no network")

    with pytest.raises(StoreError, match="no network"):
        Cut(shared_url, tmp_path / "one").get(RECIPE, write_whole)
    other = open_store(shared_url, tmp_path / "two")
    assert other.peek(RECIPE) is None
    assert open_store(shared_url, tmp_path / "one").get(RECIPE, refuse).manifest.facts == {
        "steps": 3
    }
    assert text_of(other) == "whole"


def test_two_builders_of_one_recipe_agree_on_the_first(shared_url: str, tmp_path: Path) -> None:
    """A lease that ran out: both build, other bytes each, as trainings on two machines may."""
    first, second = (SharedStore(shared_url, tmp_path / name, lease=60) for name in ("one", "two"))

    def overtaken(folder: Path) -> dict[str, Any]:
        (folder / "text").write_text("second")
        Objects(shared_url).remove(f"locks/{NAME}")
        first.get(RECIPE, write_whole)
        return {"steps": 4}

    artefact = second.get(RECIPE, overtaken)
    assert artefact.manifest.facts == {"steps": 3}
    assert (artefact.path / "text").read_text() == "whole"
    assert text_of(open_store(shared_url, tmp_path / "three")) == "whole"


@pytest.mark.parametrize("damage", ["change", "remove", "manifest", "outside"])
def test_damage_is_found_on_arrival_and_rebuilt(
    shared_url: str, tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    manifest = open_store(shared_url, tmp_path / "one").get(RECIPE, write_whole).manifest
    objects = Objects(shared_url)
    key = f"files/{NAME}/{manifest.files['text']}"
    if damage == "change":
        objects.write(key, b"wholE")
    elif damage == "remove":
        objects.remove(key)
    elif damage == "manifest":
        objects.write(KEY, b"{")
    else:
        values = json.loads(objects.read(KEY) or b"")
        values["files"]["../../../stolen"] = values["files"].pop("text")
        objects.write(KEY, json.dumps(values).encode())
    other = open_store(shared_url, tmp_path / "two")
    assert text_of_built(other) == "whole"
    assert len([r for r in caplog.records if "is damaged" in r.message]) == 1
    assert len(objects.names("aside")) == 1
    assert not list(tmp_path.rglob("stolen"))
    assert text_of(open_store(shared_url, tmp_path / "three")) == "whole"


def test_a_damaged_cache_is_filled_again_without_a_build(shared_url: str, tmp_path: Path) -> None:
    path = open_store(shared_url, tmp_path / "one").get(RECIPE, write_whole).path
    (path / "text").write_text("wholE")
    assert text_of(open_store(shared_url, tmp_path / "one")) == "whole"


def test_a_lease_that_is_renewed_is_kept_and_one_of_the_dead_runs_out(
    shared_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.store._lease._SKEW", 0.5)
    objects = Objects(shared_url)
    held, other = Lease(objects, "x", 2.0), Lease(objects, "x", 2.0)
    assert held.take()
    time.sleep(4.0)  # twice as long as it lasts without renewal
    assert other.taken()
    assert not other.take()
    held._over.set()  # as if its process had been killed: nobody gives it back
    wait_for(lambda: not other.taken(), "the end of the lease")
    assert other.take()
    held.release()  # late: it must not take it from its new holder
    assert held.taken()
    other.release()
    assert objects.names("locks") == []


def test_without_waiting_get_raises_where_another_machine_builds(
    shared_url: str, tmp_path: Path
) -> None:
    store = open_store(shared_url, tmp_path / "one")
    lease = Lease(Objects(shared_url), NAME)
    assert lease.take()
    assert store.being_built(RECIPE)
    with store.without_waiting(), pytest.raises(Timeout):
        store.get(RECIPE, refuse)
    lease.release()
    assert not store.being_built(RECIPE)


def test_upkeep_verifies_and_removes_what_all_machines_see(shared_url: str, tmp_path: Path) -> None:
    store = open_store(shared_url, tmp_path / "one")
    manifest = store.get(RECIPE, write_whole).manifest
    Objects(shared_url).upload(
        Path(__file__), "files/0123456789abcdef01234567/x"
    )  # never published
    other = open_store(shared_url, tmp_path / "two")
    (artefact,) = other.artefacts()
    assert other.verify(artefact) == ""
    (scrap,) = other.scraps()
    assert other.remove(scrap)
    assert other.scraps() == []
    Objects(shared_url).write(f"files/{NAME}/{manifest.files['text']}", b"wholE")
    assert "not the one that was built" in other.verify(artefact)
    assert other.artefacts() == []
    assert text_of(store) == "whole"  # its own cache is whole
    store.get(RECIPE, write_whole)
    for each in other.artefacts():
        assert other.remove(each.path)
    assert Objects(shared_url).names("files") == []


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small tmpfs takes root")
def test_a_full_disk_of_the_cache_is_one_line(shared_url: str, tmp_path: Path) -> None:
    open_store(shared_url, tmp_path / "one").get(
        RECIPE, lambda folder: {"bytes": (folder / "text").write_bytes(os.urandom(3_000_000))}
    )
    small = tmp_path / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(small)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("this machine does not let tests mount a tmpfs")
    try:
        with pytest.raises(StoreError, match="is full: free space") as told:
            open_store(shared_url, small).get(RECIPE, refuse)
        assert "\n" not in str(told.value)
        assert str(small) in str(told.value)
        assert list((small / "tmp").iterdir()) == []
    finally:
        subprocess.run(["umount", small], check=True)


def test_a_server_that_is_not_there_is_one_line(
    s3_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(StoreError, match="s3://no-such-bucket-here/x cannot be used") as told:
        open_store("s3://no-such-bucket-here/x", tmp_path / "c").get(RECIPE, write_whole)
    assert "\n" not in str(told.value)


def test_a_missing_library_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.store._objects.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"lora-memory-harness\[s3\]"):
        open_store("s3://bucket/x", tmp_path / "c")
