"""The training loop of one LoRA adapter."""

from __future__ import annotations

import json
import math
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from harness.errors import ModelError
from harness.measure import measured
from harness.models.loading import Loaded
from harness.recipes import Adapter, Training
from harness.training._adapted import NOTHING, PriorAdapters, adapted, bare
from harness.training._batches import Batch, Window, epochs, steps, windows
from harness.training._checks import (
    LOG,
    Divergence,
    OnStep,
    Progress,
    check,
    fused_experts,
    targets,
)
from harness.training._contrastive import aim
from harness.training._tensors import Tensors, keeps_apart, tensors


def rate(step: int, total: int, training: Training) -> float:
    """Learning rate of optimiser step ``step`` (from 0) of ``total``; it rises over the warm-up,
    then falls to 0."""
    if step < training.warmup_steps:
        return training.lr * (step + 1) / (training.warmup_steps + 1)
    done = (step - training.warmup_steps) / max(1, total - training.warmup_steps)
    if training.scheduler == "linear":
        return training.lr * (1 - done)
    if training.scheduler == "cosine":
        return training.lr * (1 + math.cos(math.pi * done)) / 2
    return training.lr


if TYPE_CHECKING:
    import torch
    from peft import PeftModel


class _Ran(NamedTuple):
    """How far a training came."""

    steps: int
    windows: int
    tokens: int
    first: float
    """Loss before the first update."""
    loss: float
    """Mean over the last epoch; of the last step where it diverged."""
    diverged: bool


def train(
    loaded: Loaded,
    recipe: Adapter,
    folder: Path,
    prior: PriorAdapters = NOTHING,
    on_step: OnStep | None = None,
) -> dict[str, Any]:
    """Train ``recipe`` on ``loaded`` and save adapter_model.safetensors, adapter_config.json and
    log.jsonl.

    ``prior`` are the files of the adapters that ``recipe`` builds upon. KL is always to the bare
    base. ``on_step`` is called after each step; log.jsonl can be read while the training runs.

    A loss that is no number any more, or far above what the model had before (see ``Divergence``),
    ends the training with status ``diverged``: a result like any other. ``loaded.model`` comes back
    as it was.

    Raises:
        RecipeError: cutoff, target modules or rank do not fit the model.
        DataError: the dataset has nothing to train on.
        ModelError: one of ``prior`` is no adapter for it, or the loss is no number before any
            training.
    """
    training = recipe.training
    names = targets(loaded, training)
    check(loaded, training, names)
    text = windows(recipe.dataset, training, loaded.tokenizer)
    replay = (
        windows(recipe.replay, training, loaded.tokenizer, replay=True) if recipe.replay else []
    )
    with adapted(loaded, training, names, prior) as model:
        with measured() as meter:
            if training.init == "contrastive" and not prior.init_from:
                aim(model, loaded, text, replay)
            ran = _Run(model, loaded, recipe, on_step).through(text, replay, folder / LOG)
        trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
        _save(model, recipe, folder)
    used = meter.usage
    return {
        "status": "diverged" if ran.diverged else "ok",
        "seconds": used.seconds,
        "steps": ran.steps,
        "steps_per_second": ran.steps / used.seconds,
        "samples_per_second": ran.windows / used.seconds,
        "tokens": ran.tokens,
        "first_loss": ran.first,
        "final_loss": ran.loss if math.isfinite(ran.loss) else None,
        "target_modules": list(names),
        "fused_experts": fused_experts(loaded.model),
        **used.memory(),
        "trainable_parameters": trainable,
        "adapter_bytes": (folder / "adapter_model.safetensors").stat().st_size,
    }


class _Run:
    """One training, from its first step to its last."""

    def __init__(
        self, model: PeftModel, loaded: Loaded, recipe: Adapter, on_step: OnStep | None
    ) -> None:
        self._model = model
        self._loaded = loaded
        self._recipe = recipe
        self._training = recipe.training
        self._on_step = on_step
        self._packed = keeps_apart(loaded)

    def through(self, text: list[Window], replay: list[Window], log: Path) -> _Ran:
        """Raises ModelError where the bare base has no finite loss on the text."""
        import torch

        model, training = self._model, self._training
        optimizer, total = _optimizer(model, training), steps(len(text), training)
        divergence = Divergence(len(self._loaded.tokenizer))
        count = seen = 0
        losses: list[float] = []
        lost = False
        model.train()  # adapters underneath have no dropout
        began = time.perf_counter()
        with log.open("w", buffering=1, encoding="utf-8") as stream:  # by line: read while it grows
            for step, (epoch, batch) in enumerate(epochs(text, replay, training), 1):
                lr = rate(step - 1, total, training)
                for group in optimizer.param_groups:
                    group["lr"] = lr
                micros = self._tensors(batch)
                loss = self._gradients(micros)
                if not math.isfinite(loss):
                    self._blame(step, loss, micros)
                torch.nn.utils.clip_grad_norm_(model.parameters(), training.max_grad_norm)
                optimizer.step()
                optimizer.zero_grad(set_to_none=True)
                count += sum(len(micro) for micro in batch)
                tokens = sum(len(w.ids) for micro in batch for w in micro)
                seen += tokens
                seconds = time.perf_counter() - began
                entry = {"step": step, "epoch": epoch, "loss": loss, "lr": lr, "tokens": tokens}
                stream.write(json.dumps({**entry, "seconds": seconds}) + "\n")
                losses.append(loss)
                if self._on_step:
                    self._on_step(Progress(self._recipe.name, step, total, loss, seen, seconds))
                lost = divergence.found(loss, partial(self._bare_loss, micros))
                if lost:
                    break
        if not lost and divergence.beyond(
            last := self._final_loss(micros), partial(self._bare_loss, micros)
        ):
            lost = True  # by the last updates, which no step has seen yet
            losses.append(last)
        recent = losses[-1:] if lost else losses[-max(1, total // training.epochs) :]
        return _Ran(step, count, seen, losses[0], sum(recent) / len(recent), lost)

    def _tensors(self, batch: Batch) -> list[Tensors]:
        pad = self._loaded.tokenizer.pad_token_id or 0
        return [tensors(micro, pad, self._loaded.device, self._packed) for micro in batch]

    def _autocast(self) -> torch.autocast:
        import torch

        enabled = self._training.dtype == "bfloat16"
        return torch.autocast(self._loaded.device.type, torch.bfloat16, enabled=enabled)

    def _gradients(self, micros: list[Tensors]) -> float:
        """Of one optimiser step; the loss is the mean over its loss-bearing tokens."""
        tokens = sum(len(micro.targets) for micro in micros)
        total = 0.0
        for micro in micros:
            with self._autocast():
                loss = _loss(self._model, micro, self._training.kl) / tokens
            loss.backward()
            total += float(loss.detach())
        return total

    def _bare_loss(self, micros: list[Tensors]) -> float:
        """What ``_gradients`` would give with the bare base, whose KL to itself is 0."""
        with bare(self._model):
            return self._without_dropout(micros, kl=0.0, replayed=not self._training.kl)

    def _final_loss(self, micros: list[Tensors]) -> float:
        """What ``_gradients`` would give now."""
        return self._without_dropout(micros, self._training.kl, replayed=True)

    def _without_dropout(self, micros: list[Tensors], kl: float, replayed: bool) -> float:
        """Mean loss without gradients; cross-entropy of replayed rows counts where ``replayed``."""
        import torch

        tokens = sum(len(micro.targets) for micro in micros)
        self._model.eval()
        with torch.no_grad(), self._autocast():
            total = sum(float(_loss(self._model, micro, kl, replayed)) for micro in micros)
        self._model.train()
        return total / tokens

    def _blame(self, step: int, loss: float, micros: list[Tensors]) -> None:
        """Raises ModelError where the bare base has no finite loss on the batch either."""
        base = self._bare_loss(micros)
        if step > 1 and math.isfinite(base):
            return
        start = "the base" if not math.isfinite(base) else "the adapter to go on from"
        raise ModelError(
            f"the loss of {self._loaded.base.name} on {self._recipe.name} is {loss:g} at step"
            f" {step} without any training: the fault is in {start} or in the text, not in lr; look"
            " for weights that are no numbers, or another dtype"
        )


def _loss(model: PeftModel, micro: Tensors, kl: float, replayed: bool = True) -> torch.Tensor:
    """Summed cross-entropy; with ``kl`` on replayed text, its weight times KL(base || adapted)
    instead. Infinite where the model tells no token from another any more. Replayed text counts
    where ``replayed``."""
    import torch
    from torch.nn.functional import cross_entropy, kl_div, log_softmax

    logits, (rows, flat) = _logits(model, micro), micro.told
    if bool(
        (logits == logits[:, :1]).all()
    ):  # activations overflowed, and a norm made noughts of infinities
        return logits.sum() + math.inf
    if not replayed:
        return cross_entropy(logits[:flat], micro.targets[:flat], reduction="sum")
    if not kl or rows == len(micro.ids):
        return cross_entropy(logits, micro.targets, reduction="sum")
    with torch.no_grad(), bare(model):
        base = log_softmax(_logits(model, micro.replayed()), -1)
    held = kl_div(log_softmax(logits[flat:], -1), base, log_target=True, reduction="sum")
    return cross_entropy(logits[:flat], micro.targets[:flat], reduction="sum") + kl * held


def _logits(model: PeftModel, micro: Tensors) -> torch.Tensor:
    """float32, loss-bearing positions x vocabulary.

    The head is asked only for the columns in which some row bears loss: with answers at the end of
    their prompts that is a small part of the time and, with a large vocabulary, most of the memory
    of a step.
    """
    width = micro.ids.shape[1]
    columns, where = (micro.at % width).unique(return_inverse=True)
    given: dict[str, Any] = {
        "input_ids": micro.ids,
        "attention_mask": micro.mask,
        "use_cache": False,
    }
    if micro.positions is not None:
        given["position_ids"] = micro.positions
    out: torch.Tensor = model(**given, logits_to_keep=columns).logits
    if out.shape[1] == width:  # a model that does not know the argument
        return out.view(-1, out.shape[-1])[micro.at].float()
    return out[micro.at // width, where].float()


def _optimizer(model: PeftModel, training: Training) -> torch.optim.Optimizer:
    import torch

    trained = [p for p in model.parameters() if p.requires_grad]
    if training.optimizer == "sgd":
        return torch.optim.SGD(trained, lr=training.lr, weight_decay=training.weight_decay)
    return torch.optim.AdamW(trained, lr=training.lr, weight_decay=training.weight_decay)


def _save(model: PeftModel, recipe: Adapter, folder: Path) -> None:
    """The adapter alone, naming its base by name: an artefact must not depend on where the base
    lies."""
    model.peft_config["default"].base_model_name_or_path = recipe.base.name
    model.save_pretrained(
        str(folder), selected_adapters=["default"], save_embedding_layers=False
    )  # else PEFT asks the hub for the base
    (folder / "README.md").unlink(missing_ok=True)
