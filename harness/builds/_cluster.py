"""A Ray cluster: connected to or started here, and what its nodes offer. Ray is optional."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterable
from importlib.util import find_spec
from typing import Any, NamedTuple

from harness.errors import LaunchError, MissingExtraError, first_line

_STARTS = 2
"""Attempts to start a cluster here."""
_ANSWER = 10.0
"""Seconds in which a cluster must answer."""
_SHARE_STEPS = 100
"""Shares of a GPU are whole percents."""
_SPARE = 1.1
"""GPU memory that is asked for, over what is estimated."""
_MIB = 2**20


def check_ray() -> None:
    """Raises MissingExtraError where Ray is not installed; it is not imported."""
    if find_spec("ray") is None:
        raise MissingExtraError("ray, which --launch ray needs,", "ray")


def connect(address: str | None) -> Any:
    """Ray's module, connected to the cluster at ``address``; with None one is started here.

    A cluster that is started here ends with this process, however that ends. It has as many
    processors as this process may use, or as ``RAY_NUM_CPUS`` says.

    Raises:
        MissingExtraError: Ray is not installed.
        LaunchError: there is no cluster at ``address``.
    """
    check_ray()
    # a build may not send figures of its user anywhere
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # builds here run as they do in this process: Ray would give way to all other load
    os.environ.setdefault("RAY_worker_niceness", "0")
    import ray

    if ray.is_initialized():
        return ray
    for attempt in range(_STARTS):
        try:
            _initialise(ray, address)
            break
        except Exception as error:  # a node that does not start in time raises no class of its own
            ray.shutdown()
            if address is None and attempt + 1 < _STARTS:
                continue  # on a busy machine Ray's 30 s may be too short
            where = f"at {address}" if address else "here"
            raise LaunchError(
                f"no Ray cluster {where} ({first_line(error)}): start one with `ray start --head`,"
                " or leave the address out"
            ) from error
    return ray


def _initialise(ray: Any, address: str | None) -> None:
    host, colon, port = (address or "").rpartition(":")
    if colon and port.isdigit() and "/" not in host:
        # Ray itself would try for minutes
        socket.create_connection((host, int(port)), _ANSWER).close()
    own: dict[str, Any] = {} if address else {"include_dashboard": False, "num_cpus": _processors()}
    ray.init(
        address=address or "local",
        log_to_driver=False,
        logging_level=logging.ERROR,
        namespace="lora-memory-harness",
        **own,
    )


def _processors() -> int:
    from harness.measure.machine import processors

    wanted = os.environ.get("RAY_NUM_CPUS", "")
    return int(wanted) if wanted.isdigit() else processors()


class Node(NamedTuple):
    """The largest of each kind that one node offers."""

    cpus: float
    gpus: float
    memory: float
    """Bytes."""


def largest(ray: Any) -> Node:
    """The most that any node has, of each resource on its own."""
    found = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return Node(*(max((each.get(name, 0.0) for each in found), default=0.0)
                  for name in ("CPU", "GPU", "memory")))  # fmt: skip


def gpu_bytes(ray: Any) -> float:
    """Memory of the smallest GPU of the cluster, by asking each node that has some; 0 without."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    ask = ray.remote(num_cpus=0, num_gpus=0.01, max_calls=1)(_own_gpu_bytes)
    asked = [
        ask.options(
            scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
        ).remote()
        for node in ray.nodes()
        if node["Alive"] and node["Resources"].get("GPU")
    ]
    return float(min(ray.get(asked), default=0.0))


def _own_gpu_bytes() -> float:
    from harness.measure.machine import gpus, nvml

    driver = nvml()
    sizes = [driver.nvmlDeviceGetMemoryInfo(gpu).total for gpu in gpus()]
    return float(min(sizes, default=0.0))


class Request(NamedTuple):
    """What a task asks Ray for."""

    cpus: float
    gpus: float
    memory: int
    """Bytes of main memory."""

    def fits(self, node: Node) -> bool:
        """Whether a node with this much could ever run it."""
        return self.cpus <= node.cpus and self.gpus <= node.gpus and self.memory <= node.memory

    def __str__(self) -> str:
        gpu = f", {self.gpus:g} GPU" if self.gpus else ""
        return f"{self.cpus:g} CPU{gpu}, {self.memory / 2**30:.1f} GiB"


def largest_of(requests: Iterable[Request]) -> Request:
    """The most of each resource: what a task asks for that does several builds in turn."""
    cpus, gpus, memory = zip(*requests, strict=True)
    return Request(max(cpus), max(gpus), max(memory))


def request(needed: float | None, threads: int, gpu: float, ram: float) -> Request:
    """The request of a build that takes ``needed`` bytes (None: unknown).

    ``gpu``: bytes of a GPU, 0 where builds run on CPUs; the share of it is a whole percent, or
    whole GPUs. ``ram``: bytes that a build needs beside its GPU memory.
    """
    if not gpu:
        return Request(threads, 0.0, _rounded(needed or ram))
    if needed is None:
        return Request(threads, 1.0, _rounded(ram))
    share = needed * _SPARE / gpu
    steps = -(-share * _SHARE_STEPS // 1)
    share = steps / _SHARE_STEPS if share <= 1 else float(-(-share // 1))
    return Request(threads, share, _rounded(ram))


def _rounded(count: float) -> int:
    """Bytes in whole MiB."""
    return int(-(-count // _MIB)) * _MIB
