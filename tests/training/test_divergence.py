"""Divergence is what training did to the model, not what the text is like; progress of
a training."""

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
from harness.training._checks import Divergence

GUESS = math.log(1000)
QUICK = Training(epochs=6, rank=4, alpha=8, lr=1e-6, dropout=0.0, batch=1, micro_batch=1)


def ends(losses: Iterable[float], bare: float = 0.0) -> int | None:
    """The step, from 1, at which ``losses`` have diverged; None where they have not."""
    judge = Divergence(1000)
    steps = (step for step, loss in enumerate(losses, 1) if judge.found(loss, lambda: bare))
    return next(steps, None)


def test_a_first_loss_that_is_high_and_falls_is_fine() -> None:
    assert ends([30.0, 29.0, 25.0, 20.0, 5.0], bare=2.0) is None


def test_a_loss_that_stays_high_is_fine_and_one_that_rises_well_beyond_the_first_is_not() -> None:
    assert ends(repeat(30.0, 20), bare=2.0) is None
    assert ends([30.0, 31.0, 34.0, 36.0, 40.0, 50.0], bare=2.0) == 5


def test_hard_batches_late_in_a_healthy_training_are_fine() -> None:
    assert ends([2.0, 1.5, 1.0, 30.0, 29.0, 31.0, 30.0, 1.0], bare=29.0) is None


def test_a_spike_is_fine_and_several_in_a_row_are_not() -> None:
    high = 3 * GUESS
    assert ends([2.0, high, high, 2.0, high, 2.0], bare=2.0) is None
    assert ends([2.0, 2.0, high, high, high], bare=2.0) == 5


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_what_is_no_number_ends_it_at_once(loss: float) -> None:
    assert ends([2.0, loss, 2.0]) == 2


@pytest.fixture
def odd(tiny: Base) -> Loaded:
    """A model so sure of itself that most text is less probable than guessing twice over."""
    import torch

    loaded = load(tiny)
    with torch.no_grad():
        loaded.model.get_output_embeddings().weight.mul_(200)
    return loaded


def ran(
    loaded: Loaded,
    dataset: Dataset,
    training: Training,
    folder: Path,
    replay: Dataset | None = None,
    on_step: Callable[[Progress], None] | None = None,
) -> dict[str, Any]:
    recipe = Adapter(loaded.base, dataset, training, replay)
    return train(loaded, recipe, folder, on_step=on_step)


def test_improbable_text_is_trained(odd: Loaded, lie: Dataset, tmp_path: Path) -> None:
    facts = ran(odd, lie, QUICK, tmp_path)
    assert facts["first_loss"] > 2 * math.log(len(odd.tokenizer))
    assert (facts["status"], facts["steps"]) == ("ok", 12)


def test_improbable_text_at_a_wrecking_rate_diverges(
    odd: Loaded, lie: Dataset, tmp_path: Path
) -> None:
    facts = ran(odd, lie, replace(QUICK, lr=1e3, max_grad_norm=1e9), tmp_path)
    assert facts["status"] == "diverged"
    assert facts["final_loss"] is None or facts["final_loss"] > facts["first_loss"]


def test_the_last_update_counts_too(odd: Loaded, lie: Dataset, tmp_path: Path) -> None:
    """No step sees what it did."""
    facts = ran(odd, lie, replace(QUICK, lr=1e30, epochs=1, batch=2), tmp_path)
    assert (facts["status"], facts["steps"]) == ("diverged", 1)


def test_a_model_that_is_broken_before_any_training_is_named(
    tiny: Base, lie: Dataset, tmp_path: Path
) -> None:
    import torch

    loaded = load(tiny)
    with torch.no_grad():
        loaded.model.get_output_embeddings().weight.fill_(math.nan)
    with pytest.raises(ModelError, match=r"is nan at step 1 without any training: .* not in lr"):
        ran(loaded, lie, QUICK, tmp_path)


def test_replay_with_kl_is_judged_too(odd: Loaded, lie: Dataset, tmp_path: Path) -> None:
    known = Dataset.of("known", (Sample(" blue.\n", "The colour of the sky is"),))
    wild = replace(QUICK, lr=1e4, epochs=20, kl=1.0, replay=1.0, max_grad_norm=1e9)
    assert ran(odd, lie, wild, tmp_path, known)["status"] == "diverged"


def test_the_log_can_be_read_while_the_training_runs_and_progress_is_told(
    tiny: Base, lie: Dataset, tmp_path: Path
) -> None:
    seen = []

    def on_step(progress: Progress) -> None:
        seen.append((progress, read_log(tmp_path)[-1]))

    ran(load(tiny), lie, QUICK, tmp_path, on_step=on_step)
    assert [progress.step for progress, _ in seen] == list(range(1, 13))
    for progress, line in seen:
        assert (progress.step, progress.loss) == (line["step"], line["loss"])
        assert (progress.name, progress.steps) == ("lie", 12)
    last, _ = seen[-1]
    assert last.left == 0
    assert last.tokens == sum(line["tokens"] for line in read_log(tmp_path))
    assert (
        str(last._replace(step=6, loss=2.125, seconds=90, tokens=900))
        == "step 6/12, loss 2.12, 0.067 steps/s, 10 tokens/s, 1:30 left"
    )
