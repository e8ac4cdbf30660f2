"""Checkpoints of a training: its state, written every few minutes, and read to go on."""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from harness.measure import Meter, Usage
from harness.measure.machine import machine
from harness.recipes import sha256
from harness.store import Checkpoints, content_of, library_versions
from harness.training._progress import LOG, read_log

if TYPE_CHECKING:
    import torch
    from peft import PeftModel

_TENSORS = "state.safetensors"
_STATE = "state.json"
_WEIGHT, _OPTIMISER, _RANDOM = "weight.", "optimiser.", "random."
"""How the names of tensors begin."""


@dataclass
class Tally:
    """What a training has counted so far."""

    step: int = 0
    windows: int = 0
    tokens: int = 0
    seconds: float = 0.0
    """Seconds of all steps."""
    beyond: int = 0
    """Consecutive steps until now whose loss was beyond the bound."""
    resumed: int = 0
    """How often it went on from a checkpoint."""
    losses: list[float] = field(default_factory=list)
    """One for each step."""


class Learner(NamedTuple):
    """What a step changes, beside the random states."""

    model: PeftModel
    optimizer: torch.optim.Optimizer
    device: torch.device

    def weights(self) -> dict[str, torch.Tensor]:
        """All weights of the adapter; with contrastive init some of them are frozen."""
        return {
            name: weight.detach()
            for name, weight in self.model.named_parameters()
            if ".default." in name
        }


class Checkpointer:
    """Writes the state of one training every few minutes, and goes on from it.

    A training that goes on makes the adapter that it would have made unbroken, bit for bit on the
    same machine with the same threads: its weights, its optimiser, the random states behind
    dropout and the order of the samples are as they were.
    """

    def __init__(self, checkpoints: Checkpoints | None, minutes: float, meter: Meter) -> None:
        """``minutes`` of 0 or no ``checkpoints``: nothing is written or read."""
        self._checkpoints = checkpoints if minutes else None
        self._pause = minutes * 60
        self._meter = meter
        self._earlier: Usage | None = None
        self._last = time.monotonic()
        self.notes: list[str] = []
        """Lines for the user: what was gone on from, and what was ignored."""

    def usage(self) -> Usage:
        """The cost until now, with that of the steps before a break."""
        usage = self._meter.so_far()
        return usage.after(self._earlier) if self._earlier else usage

    def resume(self, learner: Learner, log: Path) -> Tally:
        """Put the newest checkpoint into ``learner`` and ``log``; an empty tally without one.

        The random states are put back, too, so nothing may draw before the next step.
        """
        if self._checkpoints is None or (path := self._checkpoints.newest(self._tell)) is None:
            return Tally()
        state = json.loads((path / _STATE).read_text(encoding="utf-8"))
        if reason := _foreign(state, learner.device):
            self._tell(f"a checkpoint at step {state['tally']['step']} is ignored: {reason}")
            return Tally()
        _put_back(path / _TENSORS, learner)
        shutil.copyfile(path / LOG, log)
        self._earlier = Usage(**state["usage"])
        tally = Tally(**state["tally"], losses=[float(line["loss"]) for line in read_log(path)])
        tally.resumed += 1
        elsewhere = "" if state["machine"] == machine() else f", computed on {state['machine']}"
        self._tell(f"goes on after step {tally.step} from a checkpoint{elsewhere}")
        return tally

    def after_step(self, learner: Learner, tally: Tally, log: Path) -> None:
        """Write a checkpoint where it is time for one."""
        if self._checkpoints is None or time.monotonic() - self._last < self._pause:
            return

        def write(folder: Path) -> None:
            from safetensors.torch import save_file

            save_file(_tensors(learner), folder / _TENSORS)
            counted = {name: value for name, value in asdict(tally).items() if name != "losses"}
            state = {
                "version": version(),
                "machine": machine(),
                "device": learner.device.type,
                "usage": self.usage()._asdict(),
                "tally": counted,
            }
            (folder / _STATE).write_text(json.dumps(state, indent=1), encoding="utf-8")
            shutil.copyfile(log, folder / LOG)

        self._checkpoints.save(tally.step, write)
        self._last = time.monotonic()

    def _tell(self, line: str) -> None:
        self.notes.append(line)


@cache
def version() -> str:
    """Digest of what computes a training: the sources of this package, and its libraries."""
    sources = sorted(Path(__file__).parent.glob("*.py"))
    content = content_of((path.name, path) for path in sources)
    return sha256(json.dumps([content, library_versions()], sort_keys=True))


def _foreign(state: dict[str, Any], device: torch.device) -> str:
    """Why a training cannot go on from ``state``; empty where it can."""
    if state["version"] != version():
        return "another version of the harness or its libraries wrote it"
    if state["device"] != device.type:  # each kind draws other random numbers
        return f"it was written on {state['device']}, this is {device.type}"
    return ""


def _tensors(learner: Learner) -> dict[str, torch.Tensor]:
    import torch

    tensors = {_WEIGHT + name: weight for name, weight in learner.weights().items()}
    for index, values in learner.optimizer.state_dict()["state"].items():
        tensors |= {f"{_OPTIMISER}{index}.{name}": value for name, value in values.items()}
    tensors[f"{_RANDOM}cpu"] = torch.get_rng_state()
    if learner.device.type == "cuda":
        tensors[f"{_RANDOM}cuda"] = torch.cuda.get_rng_state(learner.device)
    return {name: tensor.contiguous() for name, tensor in tensors.items()}


def _put_back(file: Path, learner: Learner) -> None:
    import torch
    from safetensors.torch import load_file

    tensors = load_file(file)
    with torch.no_grad():
        for name, weight in learner.weights().items():
            weight.copy_(tensors[_WEIGHT + name])
    state: dict[int, dict[str, torch.Tensor]] = {}
    for name, tensor in tensors.items():
        if name.startswith(_OPTIMISER):
            index, _, key = name.removeprefix(_OPTIMISER).partition(".")
            state.setdefault(int(index), {})[key] = tensor
    groups = learner.optimizer.state_dict()["param_groups"]
    learner.optimizer.load_state_dict({"state": state, "param_groups": groups})
    torch.set_rng_state(tensors[f"{_RANDOM}cpu"])
    if learner.device.type == "cuda":
        torch.cuda.set_rng_state(tensors[f"{_RANDOM}cuda"], learner.device)
