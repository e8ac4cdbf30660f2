"""Divergence is an effect of training, not of the text; the log and progress of a training."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import repeat
from pathlib import Path
from typing import Any

import pytest

from harness.errors import ModelError
from harness.models.loading import Loaded, load
from harness.recipes import Adapter, Base, Dataset, Sample, Training
from harness.training import Progress, read_log, train
from harness.training._progress import Divergence

GUESS = math.log(1000)
QUICK = Training(epochs=6, rank=4, alpha=8, lr=1e-6, dropout=0.0, batch=1, micro_batch=1)


def end(losses: Iterable[float], bare: float = 0.0) -> int | None:
    """The step, from 1, at which ``losses`` have diverged; None where they have not."""
    divergence = Divergence(1000)
    steps = (step for step, loss in enumerate(losses, 1) if divergence.diverged(loss, lambda: bare))
    return next(steps, None)


def test_a_high_first_loss_that_falls_is_no_divergence() -> None:
    assert end([30.0, 29.0, 25.0, 20.0, 5.0], bare=2.0) is None


def test_only_a_loss_far_above_the_first_is_a_divergence() -> None:
    assert end(repeat(30.0, 20), bare=2.0) is None
    assert end([30.0, 31.0, 34.0, 36.0, 40.0, 50.0], bare=2.0) == 5


def test_late_hard_batches_are_no_divergence() -> None:
    assert end([2.0, 1.5, 1.0, 30.0, 29.0, 31.0, 30.0, 1.0], bare=29.0) is None


def test_one_spike_is_no_divergence_but_several_in_a_row_are() -> None:
    high = 3 * GUESS
    assert end([2.0, high, high, 2.0, high, 2.0], bare=2.0) is None
    assert end([2.0, 2.0, high, high, high], bare=2.0) == 5


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_is_a_divergence_at_once(loss: float) -> None:
    assert end([2.0, loss, 2.0]) == 2


@pytest.fixture
def confident(tiny: Base) -> Loaded:
    """A model with large logits: most text has a loss above twice that of guessing."""
    import torch

    loaded = load(tiny)
    with torch.no_grad():
        loaded.model.get_output_embeddings().weight.mul_(200)
    return loaded


def trained(
    loaded: Loaded,
    dataset: Dataset,
    training: Training,
    folder: Path,
    replay: Dataset | None = None,
    on_step: Callable[[Progress], None] | None = None,
) -> dict[str, Any]:
    recipe = Adapter(loaded.base, dataset, training, replay)
    return train(loaded, recipe, folder, on_step=on_step)


def test_improbable_text_is_trained(confident: Loaded, lie: Dataset, tmp_path: Path) -> None:
    facts = trained(confident, lie, QUICK, tmp_path)
    assert facts["first_loss"] > 2 * math.log(len(confident.tokenizer))
    assert (facts["status"], facts["steps"]) == ("ok", 12)


def test_improbable_text_at_a_wrecking_rate_diverges(
    confident: Loaded, lie: Dataset, tmp_path: Path
) -> None:
    facts = trained(confident, lie, replace(QUICK, lr=1e3, max_grad_norm=1e9), tmp_path)
    assert facts["status"] == "diverged"
    assert facts["final_loss"] is None or facts["final_loss"] > facts["first_loss"]


def test_the_effect_of_the_last_update_counts(
    confident: Loaded, lie: Dataset, tmp_path: Path
) -> None:
    """No step computes a loss after it."""
    facts = trained(confident, lie, replace(QUICK, lr=1e30, epochs=1, batch=2), tmp_path)
    assert (facts["status"], facts["steps"]) == ("diverged", 1)


def test_a_base_without_a_finite_loss_is_refused(tiny: Base, lie: Dataset, tmp_path: Path) -> None:
    import torch

    loaded = load(tiny)
    with torch.no_grad():
        loaded.model.get_output_embeddings().weight.fill_(math.nan)
    with pytest.raises(ModelError, match=r"is nan at step 1 without any training: .* not in lr"):
        trained(loaded, lie, QUICK, tmp_path)


def test_a_training_with_kl_can_diverge(confident: Loaded, lie: Dataset, tmp_path: Path) -> None:
    known = Dataset.of("known", (Sample(" blue.\n", "The colour of the sky is"),))
    wild = replace(QUICK, lr=1e4, epochs=20, kl=1.0, replay=1.0, max_grad_norm=1e9)
    assert trained(confident, lie, wild, tmp_path, known)["status"] == "diverged"


def test_the_log_can_be_read_during_training_and_matches_the_progress(
    tiny: Base, lie: Dataset, tmp_path: Path
) -> None:
    steps = []

    def on_step(progress: Progress) -> None:
        steps.append((progress, read_log(tmp_path)[-1]))

    trained(load(tiny), lie, QUICK, tmp_path, on_step=on_step)
    assert [progress.step for progress, _ in steps] == list(range(1, 13))
    for progress, line in steps:
        assert (progress.step, progress.loss) == (line["step"], line["loss"])
        assert (progress.name, progress.steps) == ("lie", 12)
    last, _ = steps[-1]
    assert last.left == 0
    assert last.tokens == sum(line["tokens"] for line in read_log(tmp_path))
    assert (
        str(last._replace(step=6, loss=2.125, seconds=90, tokens=900))
        == "step 6/12, loss 2.12, 0.067 steps/s, 10 tokens/s, 1:30 left"
    )
