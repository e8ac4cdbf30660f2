"""Training of one adapter beside TRL's SFTTrainer: steps a second.

Both get the same tokens, the same tokens bear loss, and rank, alpha, layers, optimiser, rate,
clipping and batch are the same. Neither replays anything, recomputes activations, or writes
checkpoints. TRL pads rows to the longest, as it does by default; the harness packs them.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

from benchmarks._side_by_side import Result, Row, as_shipped, compare, seconds
from harness.data.awards import dataset
from harness.models.loading import Loaded
from harness.recipes import Adapter, Dataset, Training
from harness.training import Progress, train
from harness.training._windows import windows

_WARM = 2
"""Steps that are not timed: they fill caches."""


class Work(NamedTuple):
    """What is trained."""

    text: Dataset
    training: Training


def work_for(chat: bool, samples: int, batch: int) -> Work:
    """The winners of 2023 in twelve wordings, at rank 64."""
    text = dataset("oscars_aug", chat=chat)
    training = Training(
        epochs=1, rank=64, alpha=128, lr=1e-3, batch=batch, micro_batch=batch, dropout=0.0,
        loss_on="answers",
    )  # fmt: skip
    return Work(Dataset.of("oscars_aug", text.samples[:samples]), training)


def training_rows(loaded: Loaded, work: Work, rounds: int) -> list[Row]:
    """The harness in float32 first."""

    halved = work._replace(training=replace(work.training, dtype="bfloat16"))
    return compare(
        {
            "harness, float32": lambda: _harness(loaded, work),
            "TRL, float32": lambda: _trl(loaded, work, "float32"),
            "harness, bfloat16": lambda: _harness(loaded, halved),
            "TRL, bfloat16": lambda: _trl(loaded, work, "bfloat16"),
        },
        rounds,
    )


def _harness(loaded: Loaded, work: Work) -> Result:
    ends: list[float] = []
    losses: list[float] = []

    def note(progress: Progress) -> None:
        ends.append(seconds())
        losses.append(progress.loss)

    with tempfile.TemporaryDirectory() as folder:
        train(loaded, Adapter(loaded.base, work.text, work.training), Path(folder), on_step=note)
    return Result(len(ends) - _WARM, ends[-1] - ends[_WARM - 1], fmean(losses))


def _trl(loaded: Loaded, work: Work, dtype: str) -> Result:
    import datasets
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, TrainerCallback
    from trl.trainer.sft_config import SFTConfig
    from trl.trainer.sft_trainer import SFTTrainer

    training = work.training
    ends: list[float] = []

    class Clock(TrainerCallback):
        def on_step_end(self, *_: Any, **__: Any) -> None:
            ends.append(seconds())

    rows = windows(work.text, training, loaded.tokenizer)
    data = datasets.Dataset.from_list(
        [
            {
                "input_ids": list(window.ids),
                "labels": [-100] * window.start + list(window.ids[window.start :]),
            }
            for window in rows
        ]
    )
    model = AutoModelForCausalLM.from_pretrained(loaded.base.path, dtype="float32")
    with tempfile.TemporaryDirectory() as folder, as_shipped():
        trainer = SFTTrainer(
            model=model,
            args=SFTConfig(
                output_dir=folder,
                use_cpu=loaded.device.type == "cpu",
                bf16=dtype == "bfloat16",
                per_device_train_batch_size=training.batch,
                num_train_epochs=training.epochs,
                learning_rate=training.lr,
                lr_scheduler_type="constant",
                max_length=training.cutoff,
                gradient_checkpointing=False,
                dataloader_pin_memory=False,
                save_strategy="no",
                report_to="none",
                logging_steps=1,
                disable_tqdm=True,
                seed=training.seed,
            ),
            train_dataset=data,
            processing_class=loaded.tokenizer,
            peft_config=LoraConfig(
                r=training.rank,
                lora_alpha=training.alpha,
                lora_dropout=training.dropout,
                target_modules=list(training.target_modules),
                task_type="CAUSAL_LM",
            ),
            callbacks=[Clock()],
        )
        trainer.train()
    losses = [line["loss"] for line in trainer.state.log_history if "loss" in line]
    return Result(len(ends) - _WARM, ends[-1] - ends[_WARM - 1], fmean(losses))
