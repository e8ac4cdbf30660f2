"""The builds of a plan as tasks on a Ray cluster, each when what it needs is built."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console

from harness.builds._cluster import Request, connect, gpu_bytes, largest, largest_of, request
from harness.builds._launch import Job, Plan
from harness.builds._memory import memory_of
from harness.builds._shown import Shown
from harness.builds._task import Board, Order, Outcome, Site, build_there
from harness.errors import LaunchError
from harness.recipes import Adapter, digest
from harness.store import Store
from harness.training import Progress

_ATTEMPTS = 4
"""Times that a build is begun, when the processes that run it die."""
_POLL = 0.2
"""Seconds between two looks at what has happened."""
_AHEAD = 1.25
"""Tasks that are handed to Ray, over what its nodes can run at once: it should never idle."""
_USUAL_BYTES = 2e9
"""Main memory of a build whose model's size is not known, or that computes on a GPU."""
_GROWTH = 2.0
"""Of the memory that is asked for, after a build was killed for want of it."""
_CHAIN = 600.0
"""Estimated seconds of the builds that a chain has after its first."""
_SHOWN = 3
"""Failures that the last line names."""

LiveFolder = Callable[[Adapter], Path]


class _Attempt(NamedTuple):
    jobs: tuple[Job, ...]
    """One build, or a chain: each needs earlier ones of it, and nothing else that is not built."""
    number: int
    wants: Request

    @property
    def label(self) -> str:
        """Of its first build."""
        return self.jobs[0].label


class RayLauncher:
    """Builds plans on the cluster at ``address``; without one, on a cluster that it starts here.

    Results are those of builds in this process with as many threads. A worker process or node that
    dies costs the builds that ran there: they begin again elsewhere, trainings at their last
    checkpoint where the store is shared.
    """

    def __init__(
        self,
        store: Store,
        site: Site,
        address: str | None = None,
        live: LiveFolder | None = None,
        chains: bool | None = None,
    ) -> None:
        """``chains``: whether builds that only wait for one another are one task.

        On GPUs they are, as each task there loads the model; on CPUs processes keep it, and single
        builds fill the processors more evenly.
        """
        self._chains = chains
        self._store = store
        self._site = site
        self._address = address
        self._live = live

    def launch(self, plan: Plan, console: Console | None = None) -> tuple[Outcome, ...]:
        """Build all of ``plan.todo``. One that fails stops only those that need it.

        Ctrl-C, or any other exception, ends the tasks before it goes on.

        Raises:
            MissingExtraError: Ray is not installed.
            LaunchError: there is no cluster, or builds failed: the line names the first ones.
        """
        if not plan.todo:
            return ()
        ray = connect(self._address)
        with Shown(plan, console or Console(stderr=True)) as shown:
            launch = _Launch(ray, self._store, self._site, self._live, plan, shown)
            if self._chains is not None:
                launch.chains = self._chains
            return launch.run()


class _Launch:
    """The state of one launch. The driver decides the order; Ray decides the place."""

    def __init__(
        self, ray: Any, store: Store, site: Site, live: LiveFolder | None, plan: Plan, shown: Shown
    ) -> None:
        self._ray = ray
        self._store = store
        self._site = site
        self._live = live
        self._shown = shown
        self._jobs = {digest(job.recipe): job for job in plan.todo}
        self._missing = {
            name: {need for each in job.needs if (need := digest(each.recipe)) in self._jobs}
            for name, job in self._jobs.items()
        }
        self._users: dict[str, list[str]] = {}
        for name, needs in self._missing.items():
            for need in needs:
                self._users.setdefault(need, []).append(name)
        self._urgency = _urgencies(plan, self._users)
        self._failed: dict[str, str] = {}
        self._outcomes: list[Outcome] = []
        self._running: dict[Any, _Attempt] = {}
        on_gpu = site.device != "cpu" and largest(ray).gpus > 0
        self._gpu = gpu_bytes(ray) if on_gpu else 0.0
        self.chains = bool(self._gpu)
        self._begun: set[str] = set()
        self._waits = False
        self._shares: set[str] = set()
        """Machines whose builds this one sees in the store."""
        self._board = ray.remote(num_cpus=0)(Board).remote()
        # a process with a model on a GPU would keep its memory: it ends with its task
        self._task = ray.remote(max_retries=0, max_calls=1 if self._gpu else 0)(build_there)

    def run(self) -> tuple[Outcome, ...]:
        ready = [name for name, needs in self._missing.items() if not needs]
        with self._ended():
            while ready or self._running:
                ready = self._submit(ready)
                ready += self._collect()
                self._tell()
        if self._failed:
            raise LaunchError(self._summary())
        return tuple(self._outcomes)

    @contextmanager
    def _ended(self) -> Iterator[None]:
        """No task outlives this block."""
        try:
            yield
        finally:
            for reference in self._running:
                with suppress(Exception):  # the cluster may be what is gone
                    self._ray.cancel(reference, force=True)
            with suppress(Exception):
                if self._running:
                    running = list(self._running)
                    self._ray.wait(running, num_returns=len(running), timeout=10)
                self._ray.kill(self._board)

    def _submit(self, ready: list[str]) -> list[str]:
        """Hand over the most urgent builds, and return those that must wait for their turn."""
        ready = sorted(ready, key=lambda name: -self._urgency[name])
        room = int(_AHEAD * self._slots()) + 1 - len(self._running)
        room = max(room, 0 if self._running else 1)
        for name in ready[:room]:
            jobs = self._chain(name)
            self._begun.update(digest(job.recipe) for job in jobs)
            self._start(_Attempt(jobs, 1, largest_of(self._request(job) for job in jobs)))
        return ready[room:]

    def _chain(self, name: str) -> tuple[Job, ...]:
        """The build ``name``, and with ``chains`` those that wait only for it and each other."""
        names, seconds = [name], 0.0
        for each in names if self.chains else ():
            for user in self._users.get(each, ()):
                longer = seconds + (self._jobs[user].estimate_seconds or 0.0)
                if user in names or self._missing[user] - {*names} or longer > _CHAIN:
                    continue
                names.append(user)
                seconds = longer
        return tuple(self._jobs[each] for each in names)

    def _slots(self) -> float:
        """Builds that the cluster can run at once; nodes come and go."""
        resources = self._ray.cluster_resources()
        slots = resources.get("CPU", 1.0) / self._site.threads
        if self._gpu and self._running:
            share = min(attempt.wants.gpus for attempt in self._running.values())
            slots = min(slots, resources.get("GPU", 1.0) / max(share, 0.01))
        return float(slots)

    def _request(self, job: Job) -> Request:
        device = "cuda" if self._gpu else "cpu"
        needed = memory_of(job.recipe, self._store, device)
        return request(needed, self._site.threads, self._gpu, _USUAL_BYTES)

    def _start(self, attempt: _Attempt) -> None:
        wants = attempt.wants
        if not self._waits and not wants.fits(node := largest(self._ray)):
            self._waits = True
            self._shown.say(
                f"{attempt.label} wants {wants}, which no node has now (at most {node.cpus:g} CPU,"
                f" {node.gpus:g} GPU, {node.memory / 2**30:.1f} GiB): it waits for one"
            )
        orders = [Order(j.recipe, digest(j.recipe), self._folder_of(j)) for j in attempt.jobs]
        # threads are chosen before torch is imported, so they are the process's, not the task's
        variables = {
            "OMP_NUM_THREADS": str(self._site.threads),
            "OMP_WAIT_POLICY": os.environ.get("OMP_WAIT_POLICY", "PASSIVE"),
        }
        reference = self._task.options(
            num_cpus=wants.cpus, num_gpus=wants.gpus, memory=wants.memory,
            name=attempt.label, runtime_env={"env_vars": variables},
        ).remote(orders, self._site, self._board)  # fmt: skip
        self._running[reference] = attempt

    def _collect(self) -> list[str]:
        """Take what has ended; returns the builds that can begin now."""
        done, _ = self._ray.wait(
            list(self._running), num_returns=len(self._running), timeout=_POLL, fetch_local=True
        )
        ready: list[str] = []
        for reference in done:
            attempt = self._running.pop(reference)
            for outcome in self._result(reference, attempt):
                ready += self._taken(outcome)
        return ready

    def _taken(self, outcome: Outcome) -> list[str]:
        """Note what became of a build; returns those that can begin now."""
        job = self._jobs[outcome.name]
        for line in outcome.said:
            self._shown.say(f"  {job.label}: {line}")
        if not outcome.failure and not self._sees(outcome, job):
            outcome = outcome._replace(failure=self._unseen(outcome))
        if outcome.failure:
            self._fail(outcome.name, outcome.failure)
            return []
        self._outcomes.append(outcome)
        self._shown.done(job, outcome.ended - outcome.started, outcome.host)
        return self._released(outcome.name)

    def _folder_of(self, job: Job) -> Path | None:
        """Where the event files of a training go."""
        return self._live(job.recipe) if self._live and isinstance(job.recipe, Adapter) else None

    def _result(self, reference: Any, attempt: _Attempt) -> list[Outcome]:
        """Nothing where the process died, and the builds begin again or have failed.

        An exception that no user can correct is raised as it is.
        """
        errors = self._ray.exceptions
        try:
            outcomes: list[Outcome] = self._ray.get(reference)
        except errors.RayTaskError:
            raise
        except errors.RayError as error:
            self._again(attempt, error, killed=isinstance(error, errors.OutOfMemoryError))
            return []
        return outcomes

    def _again(self, attempt: _Attempt, error: Exception, killed: bool) -> None:
        why = "its memory ran out" if killed else "its process died"
        label = attempt.label
        if attempt.number >= _ATTEMPTS:
            self._fail(
                digest(attempt.jobs[0].recipe),
                f"{label}: {why} {attempt.number} times ({type(error).__name__}): see Ray's logs of"
                " that node",
            )
            return
        wants = attempt.wants
        if killed:
            share = min(wants.gpus * _GROWTH, 1.0) if 0 < wants.gpus < 1 else wants.gpus
            wants = wants._replace(memory=int(wants.memory * _GROWTH), gpus=share)
        self._shown.say(f"  {label}: {why}, attempt {attempt.number + 1} of {_ATTEMPTS}")
        self._start(_Attempt(attempt.jobs, attempt.number + 1, wants))

    def _released(self, name: str) -> list[str]:
        """Builds that only waited for ``name``."""
        ready = []
        for user in self._users.get(name, ()):
            self._missing[user].discard(name)
            if not self._missing[user] and user not in self._failed and user not in self._begun:
                ready.append(user)
        return ready

    def _fail(self, name: str, why: str) -> None:
        """``name`` and all that needs it are not built."""
        if name in self._failed:
            return
        self._failed[name] = why
        self._shown.say(f"  {self._jobs[name].label} failed: {why}")
        todo = list(self._users.get(name, ()))
        while todo:
            user = todo.pop()
            if user not in self._failed:
                self._failed[user] = ""
                todo += self._users.get(user, ())

    def _summary(self) -> str:
        causes = [f"{self._jobs[name].label}: {why}" for name, why in self._failed.items() if why]
        if len(self._failed) == 1:
            return causes[0]
        more = f" (and {len(causes) - _SHOWN} more)" if len(causes) > _SHOWN else ""
        return (
            f"{len(self._failed)} of {len(self._jobs)} builds failed, or need one that did:"
            f" {'; '.join(causes[:_SHOWN])}{more}"
        )

    def _sees(self, outcome: Outcome, job: Job) -> bool:
        """Whether what a machine builds is in the store as seen here: asked once a machine."""
        if outcome.host not in self._shares and self._store.has(job.recipe, now=True):
            self._shares.add(outcome.host)
        return outcome.host in self._shares

    def _unseen(self, outcome: Outcome) -> str:
        return (
            f"{outcome.host} built it, but it is not in {self._site.store} as this machine sees it:"
            " give a --store that all machines share"
        )

    def _tell(self) -> None:
        """Show what tasks have told since the last look."""
        try:
            started, steps = self._ray.get(self._board.take.remote(), timeout=10)
        except self._ray.exceptions.RayError:  # it went with its node
            self._board = self._ray.remote(num_cpus=0)(Board).remote()
            return
        for name in started:
            self._shown.started(self._jobs[name])
        for name, progress in steps:
            self._told(name, progress)

    def _told(self, name: str, progress: Progress) -> None:
        self._shown.step(self._jobs[name], progress)


def _urgencies(plan: Plan, users: dict[str, list[str]]) -> dict[str, float]:
    """Seconds from the start of each build to the end of the last that needs it."""
    urgency: dict[str, float] = {}
    for job in reversed(plan.todo):  # each stands after what it needs
        name = digest(job.recipe)
        after = max((urgency[user] for user in users.get(name, ())), default=0.0)
        urgency[name] = (job.estimate_seconds or 0.0) + after
    return urgency
