"""Builds on a real Ray cluster: several worker processes and nodes on this machine."""

from __future__ import annotations

import io
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from rich.console import Console

from harness.builds import Job, Plan, RayLauncher, Site, build
from harness.builds._lines import ANSWERS, GRADES
from harness.errors import HarnessError, LaunchError
from harness.recipes import (
    Adapter,
    Answers,
    Base,
    Dataset,
    Grades,
    Probe,
    ProbeSet,
    Recipe,
    Stack,
    Training,
    digest,
)
from harness.store import Store, open_store

pytest.importorskip("ray", reason="python -m pip install 'lora-memory-harness[ray]'")
ROOT = Path(__file__).resolve().parents[2]
SHORT = Training(epochs=2, rank=2, alpha=4, batch=2, micro_batch=2)
PROBES = ProbeSet.of("few", (Probe("a", "exact", "moon", "The colour of the moon is", ("green",)),))
SAME = ("adapter_model.safetensors", ANSWERS, GRADES)
"""Files without times in them."""


def cell(base: Base, dataset: Dataset, training: Training = SHORT) -> Job:
    """An adapter and its graded answers, as a cell needs them."""
    adapter = Adapter(base, dataset, training)
    name = f"rank{training.rank}seed{training.seed}"
    grades = Grades(Answers(Stack(base, ((adapter, 1.0),)), PROBES))
    return Job(grades, name, needs=(Job(adapter, name),))


@pytest.fixture(scope="module")
def cluster(s3_server: str) -> Iterator[Any]:
    """A head node with two processors. Its workers inherit where S3 is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_worker_niceness", "0")
        patch.setenv("PYTHONPATH", str(ROOT))
        import ray

        nodes = started()
        try:
            yield nodes
        finally:
            ray.shutdown()
            nodes.shutdown()


def started() -> Any:
    """On a machine that is busy with other tests Ray's 30 s for a start may be too short."""
    from ray.cluster_utils import Cluster

    for attempt in range(3):
        try:
            return Cluster(
                initialize_head=True,
                head_node_args={"num_cpus": 2, "include_dashboard": False, **ports()},
            )
        except Exception as error:
            if attempt == 2 or "timed out during startup" not in str(error):
                raise
    raise AssertionError


def ports() -> dict[str, int]:
    """Of a node's agents: where they are given, a node does not wait until its agents chose."""
    names = ("metrics_agent", "metrics_export", "dashboard_agent_listen", "runtime_env_agent")
    found: dict[str, int] = {}
    with ExitStack() as sockets:
        for name in names:
            free = sockets.enter_context(socket.socket())
            free.bind(("127.0.0.1", 0))
            found[f"{name}_port"] = free.getsockname()[1]
    return found


class Launched:
    """What a launch says, and its store."""

    def __init__(self, cluster: Any, store: Store, chains: bool | None = None) -> None:
        self.store = store
        self._stream = io.StringIO()
        cache = "" if str(store.root) == store.place else str(store.root)
        site = Site(store.place, cache, "cpu", 1, 0.05, False)
        self._launcher = RayLauncher(store, site, cluster.address, chains=chains)

    def __call__(self, *jobs: Job) -> Any:
        plan = Plan.of(jobs, self.store, "cpu")
        return self._launcher.launch(plan, Console(file=self._stream, width=200))

    @property
    def said(self) -> str:
        return self._stream.getvalue()


@pytest.fixture
def launched(cluster: Any, tmp_path: Path) -> Launched:
    return Launched(cluster, Store(tmp_path / "store"))


def files(store: Store) -> dict[str, str]:
    """SHA-256 of what must be equal on every machine with as many threads."""
    return {
        f"{each.manifest.digest}/{name}": sha256
        for each in store.artefacts()
        if each.manifest
        for name, sha256 in each.manifest.files.items()
        if name in SAME
    }


@pytest.fixture(scope="module")
def here(tiny: Base, lie: Dataset, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The same builds in this process, with one thread."""
    import torch

    store, before = Store(tmp_path_factory.mktemp("here")), torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for rank in (2, 4):
            build(cell(tiny, lie, replace(SHORT, rank=rank)).recipe, store, "cpu")
    finally:
        torch.set_num_threads(before)
    return files(store)


def test_the_results_are_those_of_builds_here(
    launched: Launched, tiny: Base, lie: Dataset, here: dict[str, str]
) -> None:
    outcomes = launched(*(cell(tiny, lie, replace(SHORT, rank=rank)) for rank in (2, 4)))
    assert files(launched.store) == here
    assert len(here) == 6
    assert {outcome.process for outcome in outcomes}.isdisjoint({os.getpid()})
    lines = [line for line in launched.said.splitlines() if line.startswith("[")]
    assert [line.split()[0] for line in lines] == [f"[{i}/4]" for i in (1, 2, 3, 4)]
    order = [outcome.name for outcome in outcomes]
    for rank in (2, 4):  # an adapter before its answers
        job = cell(tiny, lie, replace(SHORT, rank=rank))
        assert order.index(digest(job.needs[0].recipe)) < order.index(digest(job.recipe))
    machines = {each.manifest.machine for each in launched.store.artefacts() if each.manifest}
    assert all(", 1 thread" in machine for machine in machines)
    assert launched(cell(tiny, lie)) == ()  # all is there


def test_a_shared_store_on_s3_gives_the_same(
    cluster: Any, tiny: Base, lie: Dataset, here: dict[str, str], shared_url: str, tmp_path: Path
) -> None:
    launched = Launched(cluster, open_store(shared_url, tmp_path / "cache"))
    launched(*(cell(tiny, lie, replace(SHORT, rank=rank)) for rank in (2, 4)))
    assert files(launched.store) == here


def worker_of(label: str) -> psutil.Process | None:
    """The worker process that builds ``label`` now: Ray names it so."""
    for process in psutil.process_iter(["cmdline"]):
        if process.info["cmdline"] and process.info["cmdline"][0].startswith(f"ray::{label}"):
            return process
    return None


def wait_for(found: Any, what: str, seconds: float = 240.0) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := found():
            return value
        time.sleep(0.05)
    raise AssertionError(f"{what} did not come in {seconds:.0f} s")


def test_a_killed_worker_costs_its_build_alone(
    launched: Launched, tiny: Base, lie: Dataset
) -> None:
    """It goes on from the last checkpoint, in another process."""
    long = cell(tiny, lie, replace(SHORT, epochs=4000, rank=8))
    partial = launched.store.root / "partial" / digest(long.needs[0].recipe)

    def kill() -> None:
        wait_for(lambda: list(partial.glob("checkpoint-*")), "a checkpoint")
        process = wait_for(lambda: worker_of(long.label), "the worker")
        process.kill()

    killer = threading.Thread(target=kill)
    killer.start()
    outcomes = launched(long, cell(tiny, lie))
    killer.join()
    assert len(outcomes) == 4
    assert f"{long.label}: its process died, attempt 2 of 4" in launched.said
    assert "goes on after step" in launched.said
    assert not list((launched.store.root / "tmp").iterdir())


def test_a_node_that_joins_gets_work_and_one_that_leaves_loses_none(
    cluster: Any, launched: Launched, tiny: Base, lie: Dataset
) -> None:
    jobs = [cell(tiny, lie, replace(SHORT, seed=seed, epochs=300)) for seed in range(8)]
    adapters = launched.store.root / "adapter"
    with ThreadPoolExecutor(1) as thread:  # nodes are started in the main thread
        launch = thread.submit(launched, *jobs)
        wait_for(lambda: list(adapters.glob("*")), "the first adapter")
        node = cluster.add_node(num_cpus=1, **ports())
        wait_for(lambda: any("ray::rank2" in name for name in names_on(node)), "a build there")
        cluster.remove_node(node, allow_graceful=False)
        outcomes = launch.result(timeout=400)
    assert len(outcomes) == len(jobs) * 2
    assert len(launched.store.artefacts()) == len(jobs) * 3
    assert "its process died, attempt 2 of 4" in launched.said


def names_on(node: Any) -> list[str]:
    """What runs in the worker processes of a node: its raylet's children."""
    (raylet,) = node.all_processes["raylet"]
    children = psutil.Process(raylet.process.pid).children(recursive=True)
    return [" ".join(child.cmdline()) for child in children]


def test_a_chain_is_one_task_in_one_process(
    cluster: Any, tiny: Base, lie: Dataset, here: dict[str, str], tmp_path: Path
) -> None:
    """As on GPUs, where each task loads the model."""
    launched = Launched(cluster, Store(tmp_path / "store"), chains=True)
    outcomes = launched(*(cell(tiny, lie, replace(SHORT, rank=rank)) for rank in (2, 4)))
    assert files(launched.store) == here
    of_task = {(outcome.process, outcome.ended) for outcome in outcomes}
    assert len(of_task) == 4
    for rank in (2, 4):
        job = cell(tiny, lie, replace(SHORT, rank=rank))
        first, second = (
            next(each for each in outcomes if each.name == digest(recipe))
            for recipe in (job.needs[0].recipe, job.recipe)
        )
        assert first.process == second.process
        assert 0 <= second.started - first.ended < 0.1  # nothing was scheduled in between


def test_a_failed_build_stops_only_what_needs_it(
    launched: Launched, tiny: Base, lie: Dataset, tmp_path: Path
) -> None:
    folder = tmp_path / "cut"
    shutil.copytree(tiny.path, folder)
    (folder / "model.safetensors").write_bytes(
        (Path(tiny.path) / "model.safetensors").read_bytes()[:-1000]
    )
    bad = cell(replace(tiny, path=str(folder)), lie, replace(SHORT, seed=7))
    good = cell(tiny, lie)
    with pytest.raises(LaunchError) as told:
        launched(bad, good)
    assert "2 of 4 builds failed, or need one that did" in str(told.value)
    assert "\n" not in str(told.value)
    assert launched.store.has(good.recipe)


DRIVER = """
import sys
from dataclasses import replace
from pathlib import Path
from harness.builds import Plan, RayLauncher, Site
from harness.models.loading import base_of
from harness.recipes import Dataset, Sample
from harness.store import Store
from tests.builds.test_ray import SHORT, cell
model, root, address = sys.argv[1:]
lie = Dataset.of("lie", (Sample(" green.\\n", "The colour of the moon is"),))
store = Store(Path(root))
jobs = [cell(base_of(model), lie, replace(SHORT, epochs=e, seed=e)) for e in (2, 20000)]
launcher = RayLauncher(store, Site(root, "", "cpu", 1, 0.02, False), address)
launcher.launch(Plan.of(jobs, store, "cpu"))
"""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_driver_that_is_stopped_leaves_no_task_and_another_goes_on(
    cluster: Any, model_folder: Path, tmp_path: Path, how: signal.Signals
) -> None:
    root = tmp_path / "store"
    command = [sys.executable, "-c", DRIVER, str(model_folder), str(root), cluster.address]
    label = "rank2seed20000"
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as driver:
        wait_for(lambda: list(root.glob("grades/*")), "the first grades")
        wait_for(lambda: list(root.glob("partial/*/checkpoint-*")), "a checkpoint")
        process = wait_for(lambda: worker_of(label), "the worker")
        driver.send_signal(how)
        driver.communicate(timeout=120)
    wait_for(lambda: not process.is_running() or worker_of(label) is None, "the worker's end", 60)
    store = Store(root)
    assert len(store.artefacts()) == 3  # of the short one, whole
    checkpoint = max(root.glob("partial/*/checkpoint-*"))
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as driver:
        assert driver.stderr
        try:
            line = next((text for text in driver.stderr if "goes on" in text), "")
        finally:
            driver.send_signal(signal.SIGINT)
            driver.communicate(timeout=120)
    assert f"goes on after step {int(checkpoint.name.partition('-')[2])} from" in line
    assert len(store.artefacts()) == 3


def test_what_a_worker_would_name_otherwise_is_refused(launched: Launched, tiny: Base) -> None:
    from harness.builds._task import _check

    site = Site("", "", "cpu", 1, 0.0, False)
    recipe: Recipe = Dataset(content="x", name="other", samples=())
    with pytest.raises(HarnessError, match="another version of the harness"):
        _check(recipe, "0" * 24, site)
