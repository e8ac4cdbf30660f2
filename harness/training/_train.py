"""The training loop of one LoRA adapter."""

from __future__ import annotations

import json
import logging
import math
import time
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from harness.errors import ModelError
from harness.measure import measured
from harness.models.loading import Loaded, fused_experts
from harness.recipes import Adapter, Training
from harness.store import Checkpoints
from harness.training._adapted import (
    NO_PRIOR,
    PriorAdapters,
    adapted,
    bare,
    check_fit,
    first_adapted,
    target_modules,
)
from harness.training._batches import Tensors, keeps_apart, loss_of, shares_starts, tensors
from harness.training._checkpoint import Checkpointer, Learner, Tally
from harness.training._contrastive import aim
from harness.training._distil import Teacher
from harness.training._frozen import Frozen
from harness.training._progress import LOG, Divergence, OnStep, Progress
from harness.training._running import DEFAULTS, RunOptions, memory_told, recomputed_activations
from harness.training._windows import (
    Batch,
    Window,
    epochs,
    micro_batches,
    steps,
    windows,
)

if TYPE_CHECKING:
    import torch
    from peft import PeftModel

logger = logging.getLogger(__name__)


def rate(step: int, total: int, training: Training) -> float:
    """Learning rate of optimiser step ``step`` (from 0) of ``total``.

    It rises linearly over the warm-up, then follows ``training.scheduler``.
    """
    if step < training.warmup_steps:
        return training.lr * (step + 1) / (training.warmup_steps + 1)
    done = (step - training.warmup_steps) / max(1, total - training.warmup_steps)
    if training.scheduler == "linear":
        return training.lr * (1 - done)
    if training.scheduler == "cosine":
        return training.lr * (1 + math.cos(math.pi * done)) / 2
    return training.lr


class _Outcome(NamedTuple):
    """The result of a training loop."""

    steps: int
    windows: int
    tokens: int
    first_loss: float
    """Loss before the first update."""
    final_loss: float
    """Mean over the last epoch; after divergence, the loss of the last step."""
    diverged: bool


def train(
    loaded: Loaded,
    recipe: Adapter,
    folder: Path,
    prior: PriorAdapters = NO_PRIOR,
    on_step: OnStep | None = None,
    run: RunOptions = DEFAULTS,
    checkpoints: Checkpoints | None = None,
) -> dict[str, Any]:
    """Train ``recipe`` on ``loaded``, and save the adapter and its log in ``folder``.

    The files are adapter_model.safetensors, adapter_config.json and log.jsonl; the log can be read
    during the training. ``prior`` has the files of the adapters that ``recipe`` builds upon.
    ``on_step`` is called after each step. With ``checkpoints``, the state is kept there every
    ``run.checkpoint_minutes``, and a training that was killed goes on from it. The KL term always
    compares with the bare base. ``loaded.model`` is unchanged afterwards.

    A loss that is not finite, or far above the one before training (see ``Divergence``), ends the
    training. That is a valid result with status ``diverged``.

    Returns:
        Facts for the manifest: JSON values only. Times are in seconds, memory in bytes, losses in
        nats per token; ``final_loss`` is None where it is not finite.

    Raises:
        RecipeError: cutoff, target modules or rank do not fit the model.
        DataError: the dataset has no token to train on, or a sample with its context is too long.
        ModelError: an adapter in ``prior`` does not fit the model, the loss is not finite even
            before training, or the memory does not suffice.
    """
    training = recipe.training
    names = target_modules(loaded, training)
    check_fit(loaded, training, names)
    text = windows(recipe.dataset, training, loaded.tokenizer)
    replay: list[Window] = []
    if recipe.replay:
        replay = windows(recipe.replay, training, loaded.tokenizer, replay=True)
    with memory_told(loaded, recipe, run), adapted(loaded, training, names, prior) as model:
        with measured() as meter:
            checkpointer = Checkpointer(checkpoints, run.checkpoint_minutes, meter)
            loop = _Loop(model, loaded, recipe, text, on_step, checkpointer)
            tally = loop.resume(folder / LOG)
            if training.init == "contrastive" and not prior.init_from and not tally.step:
                aim(model, loaded, text, replay)
            with recomputed_activations(loaded, run.gradient_checkpointing):
                outcome = loop.run(text, replay, folder / LOG, tally)
            usage = checkpointer.usage()
        trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
        _save(model, recipe, folder)
    return {
        "status": "diverged" if outcome.diverged else "ok",
        "seconds": usage.seconds,
        "cpu_seconds": usage.cpu_seconds,
        "steps": outcome.steps,
        "steps_per_second": outcome.steps / usage.seconds,
        "samples_per_second": outcome.windows / usage.seconds,
        "tokens": outcome.tokens,
        "first_loss": outcome.first_loss,
        "final_loss": outcome.final_loss if math.isfinite(outcome.final_loss) else None,
        "target_modules": list(names),
        "resumed": tally.resumed,
        "gradient_checkpointing": run.gradient_checkpointing,
        "fused_experts": fused_experts(loaded.model),
        **usage.memory(),
        "trainable_parameters": trainable,
        "adapter_bytes": (folder / "adapter_model.safetensors").stat().st_size,
    }


class _Loop:
    """The steps of one training."""

    def __init__(
        self,
        model: PeftModel,
        loaded: Loaded,
        recipe: Adapter,
        text: list[Window],
        on_step: OnStep | None,
        checkpointer: Checkpointer,
    ) -> None:
        self._model = model
        self._loaded = loaded
        self._recipe = recipe
        self._training = recipe.training
        self._on_step = on_step
        chat = any(window.chat for window in text)
        cutoff = recipe.training.cutoff
        self._packed = keeps_apart(loaded)
        self._shared = chat and shares_starts(loaded, cutoff)
        self._checkpointer = checkpointer
        self._learner = Learner(model, _optimizer(model, recipe.training), loaded.device)
        self._teacher: Teacher | None = None
        if weight := recipe.training.distil:
            self._teacher = Teacher(model, loaded, weight, text, self._autocast())
        self._frozen: Frozen | None = None

    def resume(self, log: Path) -> Tally:
        """Go on from a checkpoint; an empty tally where there is none."""
        tally = self._checkpointer.resume(self._learner, log)
        if not self._on_step:
            for note in self._checkpointer.notes:
                logger.warning("training of %s: %s", self._recipe.name, note)
        return tally

    def run(self, text: list[Window], replay: list[Window], log: Path, tally: Tally) -> _Outcome:
        """Go on from ``tally``. Raises ModelError where the bare base has no finite loss."""
        training = self._training
        total = steps(len(text), training)
        first = tally.step + 1
        losses = tally.losses
        before = losses[0] if losses else math.nan
        divergence = Divergence(len(self._loaded.tokenizer), before, tally.beyond)
        diverged = False
        self._frozen = self._kept(text, replay)
        self._model.train()  # turns dropout on; frozen adapters have none
        start = time.perf_counter() - tally.seconds
        rest = islice(epochs(text, replay, training), tally.step, None)
        # Buffered by line, so that the log can be read during the training.
        with log.open("a" if tally.step else "w", buffering=1, encoding="utf-8") as stream:
            for step, (epoch, batch) in enumerate(rest, first):
                lr = rate(step - 1, total, training)
                micros = self._taught(self._tensors(batch))
                loss = self._step(lr, step, micros)
                losses.append(loss)
                batch_tokens = sum(len(w.ids) for micro in batch for w in micro)
                tally.step = step
                tally.windows += sum(len(micro) for micro in batch)
                tally.tokens += batch_tokens
                tally.seconds = time.perf_counter() - start
                line = {
                    "step": step,
                    "epoch": epoch,
                    "loss": loss,
                    "lr": lr,
                    "tokens": batch_tokens,
                    "seconds": tally.seconds,
                }
                stream.write(json.dumps(line) + "\n")
                self._tell(tally, total, lr, first)
                bare_loss = partial(self._bare_loss, micros)
                diverged = divergence.diverged(loss, bare_loss)
                if diverged:
                    break
                tally.beyond = divergence.in_a_row
                if step < total:  # the loss after the last step needs its batch
                    self._checkpointer.after_step(self._learner, tally, log)
        if not diverged:
            # No step has seen the effect of the last update.
            last = self._final_loss(micros)
            diverged = divergence.beyond(last, bare_loss)
            if diverged:
                losses.append(last)
        recent = losses[-1:] if diverged else losses[-max(1, total // training.epochs) :]
        final_loss = sum(recent) / len(recent)
        return _Outcome(tally.step, tally.windows, tally.tokens, losses[0], final_loss, diverged)

    def _tell(self, tally: Tally, total: int, lr: float, first: int) -> None:
        if self._on_step:
            notes = tuple(self._checkpointer.notes) if tally.step == first else ()
            self._on_step(
                Progress(
                    name=self._recipe.name,
                    step=tally.step,
                    steps=total,
                    loss=tally.losses[-1],
                    tokens=tally.tokens,
                    seconds=tally.seconds,
                    lr=lr,
                    notes=notes,
                    first=first,
                )
            )

    def _step(self, lr: float, step: int, micros: list[Tensors]) -> float:
        """Update the adapter once; returns the loss before the update."""
        import torch

        optimizer = self._learner.optimizer
        for group in optimizer.param_groups:
            group["lr"] = lr
        loss = self._gradients(micros)
        if not math.isfinite(loss):
            self._check_base(step, loss, micros)
        torch.nn.utils.clip_grad_norm_(self._model.parameters(), self._training.max_grad_norm)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return loss

    def _tensors(self, batch: Batch) -> list[Tensors]:
        pad = self._loaded.tokenizer.pad_token_id or 0
        return [
            tensors(micro, pad, self._loaded.device, self._packed, self._shared) for micro in batch
        ]

    def _taught(self, micros: list[Tensors]) -> list[Tensors]:
        return [self._teacher.teach(micro) for micro in micros] if self._teacher else micros

    def _kept(self, text: list[Window], replay: list[Window]) -> Frozen:
        """What the frozen base computes of all windows of the training."""
        training = self._training
        first = 0 if self._recipe.frozen_adapters else first_adapted(self._loaded, training)
        batches = (batch for _, batch in epochs(text, replay, training))
        used = (window for batch in batches for micro in batch for window in micro)
        with self._autocast():
            return Frozen(
                self._model,
                self._loaded,
                used,
                first,
                bool(training.kl),
                lambda block: self._tensors(micro_batches(block, len(block))),
            )

    def _autocast(self) -> torch.autocast:
        import torch

        enabled = self._training.dtype == "bfloat16"
        return torch.autocast(self._loaded.device.type, torch.bfloat16, enabled=enabled)

    def _gradients(self, micros: list[Tensors]) -> float:
        """Accumulate the gradients of a batch; returns its loss per loss-bearing token."""
        tokens = sum(len(micro.targets) for micro in micros)
        total = 0.0
        for micro in micros:
            with self._autocast():
                loss = loss_of(self._model, micro, self._training.kl, frozen=self._frozen) / tokens
            loss.backward()
            total += float(loss.detach())
        return total

    def _bare_loss(self, micros: list[Tensors]) -> float:
        """The loss of the bare base on the same batch; its KL to itself is 0."""
        with bare(self._model):
            return self._without_dropout(micros, kl=0.0, replayed=not self._training.kl)

    def _final_loss(self, micros: list[Tensors]) -> float:
        """The loss on the same batch after the update."""
        return self._without_dropout(micros, self._training.kl, replayed=True)

    def _without_dropout(self, micros: list[Tensors], kl: float, replayed: bool) -> float:
        """Mean loss without gradients; replayed rows count only where ``replayed``."""
        import torch

        tokens = sum(len(micro.targets) for micro in micros)
        self._model.eval()
        with torch.no_grad(), self._autocast():
            total = sum(
                float(loss_of(self._model, micro, kl, replayed, self._frozen)) for micro in micros
            )
        self._model.train()
        return total / tokens

    def _check_base(self, step: int, loss: float, micros: list[Tensors]) -> None:
        """Raise ModelError where a ``loss`` that is not finite has another cause than training."""
        base = self._bare_loss(micros)
        if step > 1 and math.isfinite(base):
            return
        cause = "the base" if not math.isfinite(base) else "the adapter to go on from"
        raise ModelError(
            f"the loss of {self._loaded.base.name} on {self._recipe.name} is {loss:g} at step"
            f" {step} without any training: the fault is in {cause} or in the text, not in lr; look"
            " for weights that are not finite, or use another dtype"
        )


def _optimizer(model: PeftModel, training: Training) -> torch.optim.Optimizer:
    import torch

    trained = [p for p in model.parameters() if p.requires_grad]
    if training.optimizer == "sgd":
        return torch.optim.SGD(trained, lr=training.lr, weight_decay=training.weight_decay)
    return torch.optim.AdamW(trained, lr=training.lr, weight_decay=training.weight_decay)


def _save(model: PeftModel, recipe: Adapter, folder: Path) -> None:
    # The name of the base instead of its path: an artefact must not depend on where the base is.
    model.peft_config["default"].base_model_name_or_path = recipe.base.name
    # Without save_embedding_layers=False, PEFT asks the hub about the base.
    model.save_pretrained(str(folder), selected_adapters=["default"], save_embedding_layers=False)
    (folder / "README.md").unlink(missing_ok=True)
