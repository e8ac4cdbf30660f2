"""The training loop of one LoRA adapter."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from harness.measure import measured
from harness.models import Loaded
from harness.recipes import Adapter, Training
from harness.training._adapted import NOTHING, Beneath, adapted, bare
from harness.training._batches import Batch, epochs, steps
from harness.training._checks import check
from harness.training._keys import aim
from harness.training._schedule import rate
from harness.training._tensors import Tensors, keeps_apart, tensors
from harness.training._windows import Window, windows

if TYPE_CHECKING:
    import torch
    from peft import PeftModel

LOG = "log.jsonl"


class _Ran(NamedTuple):
    """How far a training came."""

    steps: int
    windows: int
    tokens: int
    loss: float
    """Mean over the last epoch; of the last step where it diverged."""
    diverged: bool


def train(loaded: Loaded, recipe: Adapter, folder: Path, beneath: Beneath = NOTHING) -> dict[str, Any]:
    """Train ``recipe`` on ``loaded`` and save adapter_model.safetensors, adapter_config.json and log.jsonl.

    ``beneath`` are the files of the adapters that ``recipe`` builds upon. KL is always to the bare base.

    A loss that is no number any more, or above that of guessing at twice the vocabulary's entropy, ends the
    training with status ``diverged``: a result like any other. ``loaded.model`` comes back as it was.

    Raises:
        RecipeError: cutoff, target modules or rank do not fit the model.
        DataError: the dataset has nothing to train on.
        ModelError: one of ``beneath`` is no adapter for it.
    """
    training = recipe.training
    check(loaded, training)
    text = windows(recipe.dataset, training, loaded.tokenizer)
    replay = windows(recipe.replay, training, loaded.tokenizer, replay=True) if recipe.replay else []
    with adapted(loaded, training, beneath) as model:
        with measured() as meter:
            if training.init == "keys" and not beneath.start:
                aim(model, loaded, text, replay)
            ran = _run(model, loaded, text, replay, training, folder / LOG)
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
        "final_loss": ran.loss if math.isfinite(ran.loss) else None,
        **used.memory(),
        "trainable_parameters": trainable,
        "adapter_bytes": (folder / "adapter_model.safetensors").stat().st_size,
    }


def _run(
    model: PeftModel, loaded: Loaded, text: list[Window], replay: list[Window], training: Training, log: Path
) -> _Ran:
    import torch

    optimizer = _optimizer(model, training)
    total, limit = steps(len(text), training), 2 * math.log(len(loaded.tokenizer))
    seen = count = step = 0
    last: list[float] = []
    packed = keeps_apart(loaded)
    model.train()  # adapters underneath have no dropout
    began = time.perf_counter()
    with log.open("w") as stream:
        for step, (epoch, batch) in enumerate(epochs(text, replay, training), 1):
            lr = rate(step - 1, total, training)
            for group in optimizer.param_groups:
                group["lr"] = lr
            loss = _step(model, loaded, batch, training, packed)
            torch.nn.utils.clip_grad_norm_(model.parameters(), training.max_grad_norm)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            count += sum(len(micro) for micro in batch)
            tokens = sum(len(w.ids) for micro in batch for w in micro)
            seen += tokens
            entry = {"step": step, "epoch": epoch, "loss": loss, "lr": lr, "tokens": tokens}
            stream.write(json.dumps({**entry, "seconds": time.perf_counter() - began}) + "\n")
            last = [*last, loss][-max(1, total // training.epochs) :]
            if not math.isfinite(loss) or loss > limit:
                return _Ran(step, count, seen, loss, diverged=True)
    return _Ran(step, count, seen, sum(last) / len(last), diverged=False)


def _step(model: PeftModel, loaded: Loaded, batch: Batch, training: Training, packed: bool) -> float:
    """Gradients of one optimiser step; the loss is the mean over its loss-bearing tokens."""
    import torch

    pad = loaded.tokenizer.pad_token_id or 0
    made = [tensors(micro, pad, loaded.device, packed) for micro in batch]
    tokens = sum(len(micro.targets) for micro in made)
    total = 0.0
    for micro in made:
        with torch.autocast(loaded.device.type, torch.bfloat16, enabled=training.dtype == "bfloat16"):
            loss = _loss(model, micro, training.kl) / tokens
        loss.backward()
        total += float(loss.detach())
    return total


def _loss(model: PeftModel, micro: Tensors, kl: float) -> torch.Tensor:
    """Summed cross-entropy; with ``kl`` on replayed text, its weight times KL(base || adapted) instead. Infinite where
    the model tells no token from another any more."""
    import torch
    from torch.nn.functional import cross_entropy, kl_div, log_softmax

    logits, (rows, flat) = _logits(model, micro), micro.told
    if bool((logits == logits[:, :1]).all()):  # activations overflowed, and a norm made noughts of infinities
        return logits.sum() + math.inf
    if not kl or rows == len(micro.ids):
        return cross_entropy(logits, micro.targets, reduction="sum")
    with torch.no_grad(), bare(model):
        base = log_softmax(_logits(model, micro.replayed()), -1)
    held = kl_div(log_softmax(logits[flat:], -1), base, log_target=True, reduction="sum")
    return cross_entropy(logits[:flat], micro.targets[:flat], reduction="sum") + kl * held


def _logits(model: PeftModel, micro: Tensors) -> torch.Tensor:
    """float32, loss-bearing positions x vocabulary.

    The head is asked only for the columns in which some row bears loss: with answers at the end of their prompts that
    is a small part of the time and, with a large vocabulary, most of the memory of a step.
    """
    width = micro.ids.shape[1]
    columns, where = (micro.at % width).unique(return_inverse=True)
    given: dict[str, Any] = {"input_ids": micro.ids, "attention_mask": micro.mask, "use_cache": False}
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
    """The adapter alone, naming its base by name: an artefact must not depend on where the base lies."""
    model.peft_config["default"].base_model_name_or_path = recipe.base.name
    model.save_pretrained(
        str(folder), selected_adapters=["default"], save_embedding_layers=False
    )  # else PEFT asks the hub for the base
    (folder / "README.md").unlink(missing_ok=True)
