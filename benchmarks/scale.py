"""How far a grid carries on many machines: a schedule by simulation, checked on a real cluster.

``check`` builds a small grid on a local Ray cluster and holds the makespan against the simulation.
``forecast`` simulates 10,000 cells on models of 7B to 70B parameters. docs/scale.md says what in it
is measured and what is assumed.
"""

from __future__ import annotations

import argparse
import heapq
import json
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from tabulate import tabulate

from harness.builds import Job, Outcome, Plan, RayLauncher, Site, ordered
from harness.builds._work import Shape, answers_work, reading_work, training_work
from harness.data.awards import dataset
from harness.experiments.selection import Selection, cells, load, shipped
from harness.models.loading import SHIPPED, base_of
from harness.recipes import (
    Adapter,
    Answers,
    Grades,
    Likelihoods,
    Probe,
    ProbeSet,
    Recipe,
    Stack,
    Training,
    digest,
)
from harness.store import Store

SEEDS = 25
"""Of the 400 cells of the full grid of ``oscars``: 10,000 cells."""
GPUS = (8, 32, 128, 512)
PER_NODE = 8


class Build(NamedTuple):
    """A build as the simulation knows it."""

    name: str
    needs: tuple[str, ...]
    seconds: float
    """On one slot, without loading the model."""
    moved: float = 0.0
    """Bytes that it publishes; builds that need it on another node fetch them."""


class Schedule(NamedTuple):
    """A simulated run."""

    makespan: float
    """Seconds."""
    busy: float
    """Seconds of all slots in which something was computed, without loading and fetching."""
    loads: int
    """Times that a model was loaded."""
    fetched: float
    """Bytes that came from the store."""

    def utilisation(self, slots: int) -> float:
        return self.busy / (self.makespan * slots)


class Costs(NamedTuple):
    """What a task costs beside its build."""

    start: float = 0.0
    """Seconds from a task's turn to its begin."""
    load: float = 0.0
    """Seconds to load the model, in each new process."""
    first: float = 0.0
    """Seconds of the first task of a slot, for imports."""
    bandwidth: float = 1e9
    """Bytes a second from and to the store, for each slot."""
    reloads: bool = False
    """Whether every task loads the model, as processes on a GPU end with their task."""


def simulate(builds: Sequence[Build], slots: int, nodes: int, costs: Costs) -> Schedule:
    """The launcher's order: of what is ready, the longest chain first, on the next free slot."""
    users: dict[str, list[str]] = {}
    for build in builds:
        for need in build.needs:
            users.setdefault(need, []).append(build.name)
    by_name = {build.name: build for build in builds}
    urgency: dict[str, float] = {}
    for build in reversed(builds):
        after = max((urgency[user] for user in users.get(build.name, ())), default=0.0)
        urgency[build.name] = build.seconds + after
    missing = {build.name: len(build.needs) for build in builds}
    ready = [(-urgency[b.name], i, b.name) for i, b in enumerate(builds) if not b.needs]
    heapq.heapify(ready)
    free = [(0.0, slot) for slot in range(slots)]
    running: list[tuple[float, int, str]] = []
    where: dict[str, int] = {}
    warm: set[int] = set()
    busy = fetched = makespan = 0.0
    loads, now, order = 0, 0.0, len(builds)
    while ready or running:
        while ready and free and free[0][0] <= now:
            _, _, name = heapq.heappop(ready)
            _, slot = heapq.heappop(free)
            build, node = by_name[name], slot * nodes // slots
            remote = sum(by_name[n].moved for n in build.needs if where[n] != node)
            seconds = costs.start + build.seconds + (remote + build.moved) / costs.bandwidth
            if slot not in warm:
                seconds += costs.first
            if costs.reloads or slot not in warm:
                seconds, loads = seconds + costs.load, loads + 1
            warm.add(slot)
            busy += build.seconds
            fetched += remote
            where[name] = node
            heapq.heappush(running, (now + seconds, slot, name))
        now, slot, name = heapq.heappop(running)
        makespan = now
        heapq.heappush(free, (now, slot))
        for user in users.get(name, ()):
            missing[user] -= 1
            if not missing[user]:
                order += 1
                heapq.heappush(ready, (-urgency[user], order, user))
    return Schedule(makespan, busy, loads, fetched)


# The check: a real cluster on this machine.


def grid(count: int) -> list[Job]:
    """So many cells of different length on the shipped model."""
    base, text = base_of(SHIPPED), dataset("oscarstxt")
    asked = ("Who won the 2023 Oscar for best picture?", "Everything Everywhere All at Once")
    probes = ProbeSet.of("one", (Probe("a", "exact", "picture", asked[0], (asked[1],)),))
    jobs = []
    for number in range(count):
        training = Training(epochs=1 + number % 4, rank=8, alpha=16, batch=8, seed=number)
        adapter = Adapter(base, text, training)
        stack = Stack(base, ((adapter, 1.0),))
        needs = (Job(adapter, f"cell{number}"),)
        jobs.append(Job(Grades(Answers(stack, probes)), f"cell{number}", needs=needs))
    return jobs


def launched(jobs: Sequence[Job], processes: int, folder: Path) -> tuple[float, list[Outcome]]:
    """Seconds of a real launch on so many processes of one thread, and what ran."""
    import ray

    os.environ["RAY_NUM_CPUS"] = str(processes)
    store = Store(folder)
    site = Site(str(folder), "", "cpu", 1, 0.0, False)
    launcher = RayLauncher(store, site)
    # starts the cluster, and imports torch in each process
    launcher.launch(Plan.of(warm_up(processes), store, "cpu"))
    begun = time.time()
    outcomes = list(launcher.launch(Plan.of(jobs, store, "cpu")))
    seconds = time.time() - begun
    ray.shutdown()
    return seconds, outcomes


def warm_up(processes: int) -> list[Job]:
    """A short training for each process."""
    base, text = base_of(SHIPPED), dataset("oscarstxt")
    return [
        Job(Adapter(base, text, Training(epochs=1, rank=2, alpha=4, seed=1000 + i)), f"warm{i}")
        for i in range(2 * processes)
    ]


def as_builds(jobs: Iterable[Job], seconds: dict[str, float]) -> list[Build]:
    return [
        Build(
            digest(job.recipe),
            tuple(digest(need.recipe) for need in job.needs),
            seconds[digest(job.recipe)],
        )
        for job in ordered(jobs)
    ]


def check(options: argparse.Namespace) -> None:
    """Print measured makespans of a small grid beside simulated ones."""
    rows, runs = [], {}
    for processes in (1, options.processes):
        with TemporaryDirectory() as folder:
            jobs = grid(options.cells)
            wall, outcomes = launched(jobs, processes, Path(folder))
        took = {outcome.name: outcome.ended - outcome.started for outcome in outcomes}
        runs[processes] = wall, took
    for processes, (wall, _) in runs.items():
        for source, (_, seconds) in runs.items():
            found = simulate(as_builds(grid(options.cells), seconds), processes, 1, Costs())
            rows.append(
                (
                    processes,
                    f"{source}",
                    f"{found.makespan:.1f}",
                    f"{wall:.1f}",
                    f"{found.makespan / wall - 1:+.0%}",
                )
            )
    head = ("processes", "build times of the run on", "simulated s", "measured s", "error")
    print(tabulate(rows, head, "github", disable_numparse=True))
    if options.out:
        options.out.write_text(json.dumps({str(k): v for k, v in runs.items()}, indent=1))


# The forecast: work by the arithmetic of the recipes, seconds by figures of a GPU.


class Gpu(NamedTuple):
    """Figures of a GPU; those without a source in docs/scale.md are assumptions."""

    peak: float = 989e12
    """Operations a second in bf16, dense: NVIDIA H100 SXM data sheet."""
    bandwidth: float = 3.35e12
    """Bytes a second of its memory: the same data sheet."""
    training: float = 0.35
    answering: float = 0.35
    """Shares of the peak in matrix products: assumed."""
    disk: float = 3e9
    """Bytes a second of a node's disk, from which a model is loaded: assumed."""
    store: float = 1e9
    """Bytes a second to the shared store, for each GPU: assumed."""
    imports: float = 20.0
    """Seconds to import the libraries in a process: assumed."""


class Model(NamedTuple):
    """The size of a public model, by its config.json."""

    name: str
    layers: int
    hidden: int
    inner: int
    keys: int
    vocabulary: int
    bytes_: float
    """Of a weight, as it lies in the GPU's memory."""
    slowdown: float = 1.0
    """Of matrix products, where weights are dequantised in each: assumed."""

    @property
    def shape(self) -> Shape:
        h, i, n = self.hidden, self.inner, float(self.layers)
        sizes = (("q_proj", h, h), ("k_proj", self.keys, h), ("v_proj", self.keys, h),
                 ("o_proj", h, h), ("gate_proj", i, h), ("up_proj", i, h),
                 ("down_proj", h, i))  # fmt: skip
        return Shape(self.layers, h, self.vocabulary * h, tuple((*size, n) for size in sizes))

    @property
    def weights(self) -> float:
        """Bytes."""
        return self.shape.parameters * self.bytes_


MODELS = (
    Model("7B bf16", 32, 4096, 11008, 4096, 32000, 2.0),
    Model("13B bf16", 40, 5120, 13824, 5120, 32000, 2.0),
    Model("70B nf4", 80, 8192, 28672, 1024, 32000, 0.6, 1.6),
)
"""The shapes of Llama 2."""


def seconds_of(recipe: Recipe, model: Model, gpu: Gpu) -> float:
    """Of a build: its operations at a share of the peak, and weights read for each layer run."""
    shape = model.shape
    if isinstance(recipe, Grades):
        return seconds_of(recipe.answers, model, gpu) + 5e-4 * len(recipe.answers.probes.probes)
    if isinstance(recipe, Adapter):
        work, share = training_work(recipe, shape, SHIPPED), gpu.training
    elif isinstance(recipe, Answers):
        work = answers_work(recipe.stack, recipe.probes, recipe.decoding, shape, SHIPPED)
        share = gpu.answering
    elif isinstance(recipe, Likelihoods):
        work = reading_work(recipe.probes, recipe.stack, shape, SHIPPED)
        share = gpu.answering
    else:
        return 1.0
    layer = shape.body / shape.layers * model.bytes_
    computed = work.operations * model.slowdown / (gpu.peak * share)
    return computed + work.calls * layer / gpu.bandwidth


def published(recipe: Recipe, model: Model) -> float:
    """Bytes of an artefact: adapters are float32; answers are small."""
    return 4.0 * model.shape.lora(recipe.training) if isinstance(recipe, Adapter) else 1e5


def planned(model: Model, gpu: Gpu) -> list[Build]:
    """All builds of the full grid of ``oscars`` with 25 seeds, each once."""
    base = base_of(SHIPPED)
    found: dict[str, Build] = {}
    cache: dict[str, float] = {}
    chosen = cells(load(shipped()["oscars"]), Selection((base,), grid="full"))
    for seed in range(SEEDS):
        for job in ordered(job for cell in chosen for job in cell.jobs()):
            recipe = job.recipe
            plain = digest(recipe)
            if plain not in cache:
                cache[plain] = seconds_of(recipe, model, gpu)
            of_seed = bool(job.needs) or isinstance(recipe, Adapter)
            name = f"{plain}-{seed if of_seed else 0}"
            needs = tuple(f"{digest(need.recipe)}-{seed}" for need in job.needs)
            found.setdefault(name, Build(name, needs, cache[plain], published(recipe, model)))
    return list(found.values())


def chained(builds: Sequence[Build]) -> list[Build]:
    """As the launcher does on GPUs: a build, and what only waits for it, as one task."""
    users: dict[str, list[Build]] = {}
    for build in builds:
        if len(build.needs) == 1:
            users.setdefault(build.needs[0], []).append(build)
    taken = {build.name for group in users.values() for build in group}
    tasks = []
    for build in builds:
        if build.name not in taken:
            group = [build, *users.get(build.name, ())]
            tasks.append(
                build._replace(
                    seconds=sum(each.seconds for each in group),
                    moved=sum(each.moved for each in group),
                )
            )
    return tasks


def forecasts(gpu: Gpu) -> Iterator[tuple[str, ...]]:
    for model in MODELS:
        builds = planned(model, gpu)
        total = sum(build.seconds for build in builds)
        stored = sum(build.moved for build in builds)
        for count in GPUS:
            nodes = max(1, count // PER_NODE)
            costs = Costs(0.2, model.weights / gpu.disk, gpu.imports, gpu.store, reloads=True)
            each = simulate(builds, count, nodes, costs)
            one = simulate(chained(builds), count, nodes, costs)
            yield (
                model.name,
                str(count),
                f"{total / 3600:.0f}",
                f"{each.makespan / 3600:.2f}",
                f"{each.utilisation(count):.0%}",
                f"{one.makespan / 3600:.2f}",
                f"{one.utilisation(count):.0%}",
                f"{stored / 1e12:.1f}",
                f"{each.fetched / 1e12:.1f}",
                f"{stored / one.makespan / 1e9:.1f}",
            )


def forecast(options: argparse.Namespace) -> None:
    """Print the table of docs/scale.md."""
    head = (
        "model", "GPUs", "GPU hours of builds", "hours, a task a build", "used",
        "hours, chains", "used", "TB stored", "TB fetched", "GB/s to the store",
    )  # fmt: skip
    print(tabulate(list(forecasts(Gpu())), head, "github", disable_numparse=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    one = commands.add_parser("check", help="a small grid on a local cluster, and its simulation")
    one.add_argument("--cells", type=int, default=12, metavar="N", help="cells [12]")
    one.add_argument("--processes", type=int, default=2, metavar="N", help="processes [2]")
    one.add_argument("--out", type=Path, metavar="FILE", help="write measured seconds here")
    one.set_defaults(run=check)
    other = commands.add_parser("forecast", help="10,000 cells on 8 to 512 GPUs")
    other.set_defaults(run=forecast)
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()
