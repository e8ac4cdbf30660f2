"""Training of LoRA adapters with PEFT."""

from harness.training._adapted import PriorAdapters
from harness.training._progress import OnStep, Progress, forecast, read_log
from harness.training._running import (
    CHECKPOINT_MINUTES,
    DEFAULTS,
    RunOptions,
    checkpoint_minutes,
)
from harness.training._train import train
from harness.training._windows import loss_from, spans_of, steps
from harness.training.presets import PRESETS, preset

__all__ = [
    "CHECKPOINT_MINUTES",
    "DEFAULTS",
    "PRESETS",
    "OnStep",
    "PriorAdapters",
    "Progress",
    "RunOptions",
    "checkpoint_minutes",
    "forecast",
    "loss_from",
    "preset",
    "read_log",
    "spans_of",
    "steps",
    "train",
]
