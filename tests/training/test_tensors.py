"""Windows in rows: packed, they are told apart and bear the loss that they bear alone."""

from __future__ import annotations

from typing import Any, cast

import pytest
import torch

from harness.models.loading import Loaded, resident
from harness.recipes import Base
from harness.training._batches import Window
from harness.training._tensors import keeps_apart, tensors
from harness.training._train import _logits, _loss

SIZES = ((9, 6, False), (30, 2, False), (4, 3, True), (17, 16, True), (21, 9, True))


@pytest.fixture
def loaded(tiny: Base) -> Loaded:
    return resident(tiny)


@pytest.fixture
def made() -> list[Window]:
    return [
        Window(tuple(range(5 + n, 5 + n + length)), start, replay)
        for n, (length, start, replay) in enumerate(SIZES)
    ]


def test_packed_windows_are_foretold_as_each_alone(loaded: Loaded, made: list[Window]) -> None:
    import torch

    with torch.no_grad():
        packed = tensors(made, 0, loaded.device, packed=True)
        found = dict(
            zip(packed.targets.tolist(), _logits(cast(Any, loaded.model), packed), strict=True)
        )
        for window in made:
            alone = tensors([window], 0, loaded.device)
            for target, logits in zip(
                alone.targets.tolist(), _logits(cast(Any, loaded.model), alone), strict=True
            ):
                if sum(target in w.ids[w.start :] for w in made) == 1:
                    torch.testing.assert_close(found[target], logits, atol=1e-4, rtol=1e-4)


def test_packing_takes_fewer_rows_and_no_more_tokens(loaded: Loaded, made: list[Window]) -> None:
    padded, packed = (tensors(made, 0, loaded.device, packed) for packed in (False, True))
    assert len(packed.ids) < len(padded.ids) == len(made)
    assert packed.ids.numel() < padded.ids.numel()
    assert sorted(packed.targets.tolist()) == sorted(padded.targets.tolist())


@pytest.mark.parametrize("packed", [False, True])
def test_the_replayed_rows_are_the_last(loaded: Loaded, made: list[Window], packed: bool) -> None:
    micro = tensors(made, 0, loaded.device, packed)
    alone = micro.replayed()
    wanted = [i for w in made if w.replay for i in w.ids[w.start :]]
    assert sorted(alone.targets.tolist()) == sorted(wanted)
    assert alone.ids.view(-1)[alone.at + 1].tolist() == alone.targets.tolist()


@pytest.mark.parametrize("kl", [0.0, 1.0])
def test_the_loss_is_the_same(loaded: Loaded, made: list[Window], kl: float) -> None:
    import torch
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(0)
    config = LoraConfig(
        r=4, target_modules=["q_proj", "down_proj"], init_lora_weights=False, task_type="CAUSAL_LM"
    )
    model = get_peft_model(loaded.model, config)
    try:
        padded, packed = (
            _loss(model, tensors(made, 0, loaded.device, each), kl).detach()
            for each in (False, True)
        )
        assert float(padded) == pytest.approx(float(packed), rel=1e-4)
        apart = sum(float(_loss(model, tensors([w], 0, loaded.device), kl).detach()) for w in made)
        assert float(packed) == pytest.approx(apart, rel=1e-4)
    finally:
        model.unload()


def test_a_model_that_counts_positions_itself_gets_a_row_a_window(loaded: Loaded) -> None:
    assert keeps_apart(loaded)

    class Counting:
        """Has no say in positions, as models with ALiBi."""

        def __call__(self, input_ids: torch.Tensor, use_cache: bool) -> Any:
            return loaded.model(input_ids=input_ids, use_cache=use_cache)

    class Deaf:
        """Takes positions, and lets windows see each other."""

        def __call__(
            self, input_ids: torch.Tensor, use_cache: bool, position_ids: torch.Tensor | None = None
        ) -> Any:
            return loaded.model(input_ids=input_ids, use_cache=use_cache)

    assert not keeps_apart(loaded._replace(model=cast(Any, Counting())))
    assert not keeps_apart(loaded._replace(model=cast(Any, Deaf())))
