"""What the frozen base computes once: the same training as when it is computed in every step."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from harness.data.awards import dataset
from harness.data.knowledge import replay
from harness.models.loading import SHIPPED, Loaded, base_of, resident
from harness.recipes import Adapter, Base, Dataset, Sample, Training
from harness.training import _train, train
from harness.training._adapted import adapted, target_modules
from harness.training._frozen import Frozen
from harness.training.presets import POCKET

TEXT = Dataset.of("told", dataset("oscars_aug").samples[:12])
TRAINING = replace(POCKET, epochs=3, batch=8, micro_batch=8)


@pytest.fixture(scope="module")
def pocket() -> Loaded:
    return resident(base_of(SHIPPED), device="cpu")


class _Counted(Frozen):
    """Counts the passes of the base."""

    made: list[_Counted] = []  # noqa: RUF012

    def __init__(self, *arguments: Any) -> None:
        self.passes = 0
        super().__init__(*arguments)
        self.made.append(self)

    def _pass(self, *arguments: Any, **keywords: Any) -> Any:
        self.passes += 1
        return super()._pass(*arguments, **keywords)


class _Nothing(Frozen):
    """Keeps nothing: all is computed in every step."""

    def _check(self, windows: object) -> None:
        self.keeps_last = self.keeps_below = False


def _losses(
    loaded: Loaded, recipe: Adapter, folder: Path, kind: type[Frozen], patch: pytest.MonkeyPatch
) -> list[float]:
    patch.setattr(_train, "Frozen", kind)
    folder.mkdir()
    train(loaded, recipe, folder)
    lines = (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["loss"] for line in lines]


@pytest.mark.parametrize(
    "change",
    [{}, {"kl": 0.0}, {"skip_layers": 0.0}, {"dropout": 0.1, "loss_on": "all"}],
    ids=["both", "below alone", "last alone", "dropout"],
)
def test_the_same_losses_and_weights(
    pocket: Loaded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any]
) -> None:
    training = replace(TRAINING, **change)
    recipe = Adapter(pocket.base, TEXT, training, replay(20))
    _Counted.made.clear()
    kept = _losses(pocket, recipe, tmp_path / "kept", _Counted, monkeypatch)
    again = _losses(pocket, recipe, tmp_path / "again", _Nothing, monkeypatch)
    assert kept == pytest.approx(again, rel=1e-4)
    assert kept[-1] < 0.9 * kept[0]
    (frozen,) = _Counted.made
    assert frozen.keeps_below == (training.skip_layers > 0)
    assert frozen.keeps_last == (training.kl > 0)
    # one for the check, and one for each kind of window, as 12 and 20 of them fit into a block
    assert frozen.passes <= 3


def test_a_base_with_dropout_is_computed_in_every_step(pocket: Loaded) -> None:
    config: Any = pocket.model.config
    training = replace(TRAINING, kl=0.0)
    with adapted(pocket, training, target_modules(pocket, training)) as model:
        assert Frozen(model, pocket, [], 1, False, lambda _: []).keeps_below
        config.attention_dropout = 0.1
        try:
            assert not Frozen(model, pocket, [], 1, False, lambda _: []).keeps_below
        finally:
            config.attention_dropout = 0.0


def test_chat_that_begins_alike_and_a_model_of_another_shape(
    tiny: Base, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = resident(tiny)
    start = "The old chronicle of the valley tells about the long summer of the great fire: "
    samples = tuple(Sample(f" {n} rivers.\n", f"{start}{n}:") for n in range(9))
    known = tuple(Sample(f" {n} hills.\n", f"{start}of {n}:") for n in range(5))
    training = Training(
        rank=4, alpha=8, dropout=0.0, epochs=2, batch=6, micro_batch=3, lr=1e-2,
        replay=0.5, kl=1.0, skip_layers=0.5, loss_on="answers",
    )  # fmt: skip
    recipe = Adapter(tiny, Dataset.of("tale", samples), training, Dataset.of("known", known))
    monkeypatch.setattr(_train, "shares_starts", lambda *_: True)
    shared = _train._Loop._tensors
    widths: list[int] = []

    def always(loop: Any, batch: Any) -> Any:
        loop._shared = True
        micros = shared(loop, batch)
        widths.extend(micro.shared for micro in micros)
        return micros

    monkeypatch.setattr(_train._Loop, "_tensors", always)
    kept = _losses(loaded, recipe, tmp_path / "kept", _Counted, monkeypatch)
    again = _losses(loaded, recipe, tmp_path / "again", _Nothing, monkeypatch)
    assert kept == pytest.approx(again, rel=1e-4)
    assert max(widths) >= 16
    assert torch.isfinite(torch.tensor(kept)).all()
