"""How long a training takes, as its first epoch foretells it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from statistics import stdev
from typing import TYPE_CHECKING, Any, NamedTuple

from harness.errors import RecipeError
from harness.models.loading import Loaded
from harness.recipes import ALL_LINEAR, ATTENTION, MLP, Training
from harness.stats import Interval

LOG = "log.jsonl"
"""In the folder of an adapter: a line a step."""


class Progress(NamedTuple):
    """A training after one of its steps."""

    name: str
    """Of the dataset."""
    step: int
    """From 1."""
    steps: int
    """Of the whole training."""
    loss: float
    """Of the batch, before its update."""
    tokens: int
    """Since the start."""
    seconds: float
    """Since the start."""

    @property
    def left(self) -> float:
        """Seconds until the last step, at the mean rate so far."""
        return self.seconds / self.step * (self.steps - self.step)

    def __str__(self) -> str:
        """Such as ``step 12/80, loss 2.13, 0.8 steps/s, 410 tokens/s, 1:25 left``."""
        minutes, seconds = divmod(round(self.left), 60)
        rates = f"{self.step / self.seconds:.2g} steps/s, {self.tokens / self.seconds:.0f} tokens/s"
        step = f"step {self.step}/{self.steps}, loss {self.loss:.3g}"
        return f"{step}, {rates}, {minutes}:{seconds:02} left"


OnStep = Callable[[Progress], None]
"""Called after each step of a training."""


if TYPE_CHECKING:
    from transformers import PreTrainedModel


def targets(loaded: Loaded, training: Training) -> tuple[str, ...]:
    """Names of the linear layers of the model that get an adapter.

    ``all-linear`` is every linear layer but the output head, as PEFT has it. So is the default
    where the model lacks one of its names, which are Llama's.
    """
    if training.target_modules not in ((ALL_LINEAR,), ATTENTION + MLP):
        return training.target_modules
    layers = linears(loaded.model)
    ends = {name.rpartition(".")[2] for name in layers}
    if training.target_modules != (ALL_LINEAR,) and ends.issuperset(training.target_modules):
        return training.target_modules
    head = loaded.model.get_output_embeddings()
    body = [name for name in layers if loaded.model.get_submodule(name) is not head]
    short = {name.rpartition(".")[2] for name in body}
    heads = {name.rpartition(".")[2] for name in layers.keys() - set(body)}
    return tuple(sorted(body if short & heads else short))


def check(loaded: Loaded, training: Training, names: tuple[str, ...]) -> None:
    """Raise RecipeError where cutoff, target modules (``names``) or rank do not fit the model."""
    if training.cutoff > loaded.context:
        raise RecipeError(
            f"cutoff is {training.cutoff}: {loaded.base.name} takes at most {loaded.context}"
            " tokens, lower it"
        )
    shapes = linears(loaded.model)
    known = sorted({name.rpartition(".")[2] for name in shapes})
    if not names:
        raise RecipeError(
            f"{loaded.base.name} has no linear layer but its head: no adapter can be trained on it"
        )
    for target in names:
        hits = {
            name: least
            for name, least in shapes.items()
            if name == target or name.endswith("." + target)
        }
        if not hits:
            raise RecipeError(
                f"target module {target!r} is not in {loaded.base.name}:"
                f" its linear layers are {', '.join(known)} ({ALL_LINEAR}: all but the head)"
            )
        name, least = min(hits.items(), key=lambda hit: hit[1])
        if training.rank > least:
            raise RecipeError(
                f"rank is {training.rank}: {name} of {loaded.base.name} allows at most {least},"
                " lower it"
            )


def linears(model: PreTrainedModel) -> dict[str, int]:
    """Linear layers by name, with the smaller of inputs and outputs.

    Quantised ones have the attributes too; GPT-2's Conv1D holds its weight as inputs x outputs.
    """
    from transformers.pytorch_utils import Conv1D

    found: dict[str, int] = {}
    for name, module in model.named_modules():
        if isinstance(module, Conv1D):
            found[name] = min(module.weight.shape)
            continue
        inputs, outputs = (
            getattr(module, "in_features", None),
            getattr(module, "out_features", None),
        )
        if isinstance(inputs, int) and isinstance(outputs, int):
            found[name] = min(inputs, outputs)
    return found


def fused_experts(model: PreTrainedModel) -> bool:
    """Whether experts are parameters of three dimensions, which no linear layer holds."""
    return any(
        ".experts." in name and weight.dim() == 3 for name, weight in model.named_parameters()
    )


PATIENCE = 3
"""Steps in a row that must be beyond the bound: a spike that the training recovers from is none."""


class Divergence:
    """Judges each loss against what the model said before training.

    A loss is beyond the bound where it exceeds twice that of guessing, 2 ln(vocabulary), and is
    also worse by half that of guessing, ln(vocabulary) / 2, than both the first loss and the loss
    of the bare base on the same batch. So neither improbable text nor a hard batch late in a
    healthy training counts as divergence. The base is asked only where the rest already holds.
    """

    def __init__(self, vocabulary: int) -> None:
        self._guessing = math.log(vocabulary)
        self._first = math.nan
        self._beyond = 0

    def found(self, loss: float, bare: Callable[[], float]) -> bool:
        """Whether the training has diverged at a step of ``loss`` (mean over its tokens, in nats).

        ``bare`` gives the loss of the bare base on the same batch.
        """
        if math.isnan(self._first):
            self._first = loss
        self._beyond = self._beyond + 1 if self.beyond(loss, bare) else 0
        return self._beyond >= PATIENCE or not math.isfinite(loss)

    def beyond(self, loss: float, bare: Callable[[], float]) -> bool:
        """Whether ``loss`` alone is worse than anything the text explains."""
        if not math.isfinite(loss):
            return True
        excess = loss - self._guessing / 2
        return loss > 2 * self._guessing and excess > self._first and excess > bare()


Step = Mapping[str, Any]
"""A line of log.jsonl: ``epoch`` from 1, ``tokens`` of the step, ``seconds`` since the start."""


def read_log(folder: Path) -> list[Step]:
    """The steps of the training of the adapter in ``folder``."""
    return [json.loads(line) for line in (folder / LOG).read_text(encoding="utf-8").splitlines()]


def forecast(log: Sequence[Step]) -> Interval:
    """Foretold seconds over measured ones; 1 is a forecast that came true.

    The time of a token is taken from the first epoch without its first step, which also warms up;
    the tokens of the epochs to come are known beforehand. The interval is that of the mean time of
    a token over those steps, by the normal approximation. Raises ValueError where the first epoch
    has fewer than two steps.
    """
    ends = [0.0, *(float(step["seconds"]) for step in log)]
    spent = [after - before for before, after in pairwise(ends)]
    seen = [i for i in range(1, len(log)) if log[i]["epoch"] == 1]
    if not seen:
        raise ValueError("the first epoch has fewer than two steps: lower the batch size")
    each = [spent[i] / log[i]["tokens"] for i in seen]
    rate = sum(spent[i] for i in seen) / sum(log[i]["tokens"] for i in seen)
    error = 1.96 * stdev(each) / math.sqrt(len(each)) if len(each) > 1 else rate
    rest = sum(step["tokens"] for step in log[1:])
    low, estimate, high = (
        (spent[0] + r * rest) / ends[-1] for r in (max(0.0, rate - error), rate, rate + error)
    )
    return Interval(estimate, low, high)
