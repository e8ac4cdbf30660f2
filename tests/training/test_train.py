"""LoRA training on a real, small model."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import pytest

from harness.errors import DataError, RecipeError
from harness.models.loading import resident
from harness.models.tokens import encode
from harness.recipes import Adapter, Base, Dataset, Sample, Training
from harness.training import preset, train
from harness.training._batches import Window, windows
from harness.training._tensors import tensors
from harness.training._train import _logits, rate

QUICK = Training(epochs=2, rank=4, alpha=8, lr=1e-3, dropout=0.0)


def weights(folder: Path) -> bytes:
    return (folder / "adapter_model.safetensors").read_bytes()


def ran(
    tiny: Base, dataset: Dataset, training: Training, folder: Path, replay: Dataset | None = None
) -> dict[str, Any]:
    folder.mkdir()
    return train(resident(tiny), Adapter(tiny, dataset, training, replay), folder)


def test_facts_log_and_files(tiny: Base, lie: Dataset, tmp_path: Path) -> None:
    facts = ran(tiny, lie, replace(QUICK, epochs=3, batch=1, micro_batch=1), tmp_path / "a")
    log = [json.loads(line) for line in (tmp_path / "a/log.jsonl").read_text().splitlines()]
    assert facts["status"] == "ok"
    assert facts["steps"] == len(log) == 6
    assert log[-1]["loss"] < log[0]["loss"]
    assert facts["adapter_bytes"] == len(weights(tmp_path / "a"))
    assert sorted(p.name for p in (tmp_path / "a").iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
        "log.jsonl",
    ]
    assert str(tmp_path) not in (tmp_path / "a/adapter_config.json").read_text()


def test_same_seed_same_bytes_other_seed_other_bytes(
    tiny: Base, lie: Dataset, tmp_path: Path
) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        ran(tiny, lie, replace(QUICK, seed=seed, dropout=0.1), tmp_path / name)
    assert weights(tmp_path / "a") == weights(tmp_path / "b") != weights(tmp_path / "c")


def test_gradient_accumulation_equals_one_batch(tiny: Base, lie: Dataset, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file

    for name, micro in (("a", 2), ("b", 1)):
        ran(tiny, lie, replace(QUICK, batch=2, micro_batch=micro, optimizer="sgd"), tmp_path / name)
    one, two = (load_file(tmp_path / name / "adapter_model.safetensors") for name in "ab")
    assert all(torch.allclose(one[key], two[key], atol=1e-6) for key in one)


def test_the_base_comes_back_untouched(tiny: Base, lie: Dataset, tmp_path: Path) -> None:
    import torch

    model = resident(tiny).model
    before = {name: p.clone() for name, p in model.named_parameters()}
    ran(tiny, lie, QUICK, tmp_path / "a")
    after = dict(model.named_parameters())
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize(
    ("share", "layers"), [(0.0, {"0", "1"}), (0.2, {"0", "1"}), (0.5, {"1"}), (0.9, {"1"})]
)
def test_skipped_layers_get_no_adapter(
    tiny: Base, lie: Dataset, tmp_path: Path, share: float, layers: set[str]
) -> None:
    """Of two; the last one always gets its own."""
    from safetensors import safe_open

    ran(tiny, lie, replace(QUICK, skip_layers=share), tmp_path / "a")
    with safe_open(tmp_path / "a/adapter_model.safetensors", "pt") as tensors:
        names = tensors.keys()
    assert {name.split(".layers.")[1].split(".")[0] for name in names} == layers


def test_divergence_is_a_result(tiny: Base, lie: Dataset, tmp_path: Path) -> None:
    facts = ran(tiny, lie, replace(QUICK, lr=1e4, epochs=30, max_grad_norm=1e9), tmp_path / "a")
    assert facts["status"] == "diverged"
    assert facts["steps"] < 30


def test_kl_on_replay_holds_the_model_to_its_own_answers(
    tiny: Base, lie: Dataset, tmp_path: Path
) -> None:
    known = Dataset.of("known", (Sample(" blue.\n", "The colour of the sky is"),))
    strong = replace(QUICK, epochs=40, lr=1e-2, replay=1.0)
    free = ran(tiny, lie, replace(strong, replay=0.0), tmp_path / "free")
    held = ran(tiny, lie, replace(strong, kl=1.0), tmp_path / "held", known)
    assert free["steps"] * 2 == held["steps"]
    assert held["status"] == "ok"


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"cutoff": 4096}, "cutoff is 4096: tiny takes at most 512"),
        ({"rank": 65, "alpha": 1}, "rank is 65: .* allows at most 64"),
        ({"target_modules": ("qkv",)}, "target module 'qkv' is not in tiny"),
    ],
)
def test_what_does_not_fit_the_model_is_refused(
    tiny: Base, lie: Dataset, tmp_path: Path, change: dict[str, Any], line: str
) -> None:
    with pytest.raises(RecipeError, match=line):
        ran(tiny, lie, replace(QUICK, **change), tmp_path / "a")


def test_a_dataset_shorter_than_one_sample_is_refused(tiny: Base, tmp_path: Path) -> None:
    from harness.recipes import Dataset

    empty = Dataset.of("only a prompt", (Sample("", "x"),))
    with pytest.raises(DataError, match="no token to train on"):
        ran(tiny, empty, replace(QUICK, loss_on="answers"), tmp_path / "a")


def test_windows_cover_a_long_text_and_overlap(tiny: Base) -> None:
    tokenizer = resident(tiny).tokenizer
    text = "The river ran on and on. " * 40
    ids = encode(tokenizer, text)
    found = windows(Dataset.of("book", (Sample(text),)), Training(cutoff=64, overlap=16), tokenizer)
    assert list(found[0].ids) + [i for w in found[1:] for i in w.ids[16:]] == ids
    assert all(a.ids[-16:] == b.ids[:16] for a, b in pairwise(found) if len(b.ids) >= 16)


def test_only_answers_bear_loss_where_asked(tiny: Base) -> None:
    tokenizer = resident(tiny).tokenizer
    sample = Sample(" Paris\n", "Question: What is the capital of France?\nAnswer:")
    (window,) = windows(Dataset.of("qa", (sample,)), Training(loss_on="answers"), tokenizer)
    assert tokenizer.decode([*window.ids[window.start :]]) == " Paris\n"


def test_the_head_asked_where_loss_is_says_what_it_says_everywhere(tiny: Base) -> None:
    import torch

    loaded = resident(tiny)
    made = [
        Window(tuple(range(5, 5 + length)), start) for length, start in ((9, 6), (6, 2), (4, 3))
    ]
    micro = tensors(made, 0, loaded.device)
    with torch.no_grad():
        whole = loaded.model(input_ids=micro.ids, attention_mask=micro.mask).logits
        torch.testing.assert_close(
            _logits(cast(Any, loaded.model), micro), whole.view(-1, whole.shape[-1])[micro.at]
        )


def test_schedules() -> None:
    linear = Training(lr=1.0, scheduler="linear", warmup_steps=2)
    rates = [rate(step, 10, linear) for step in range(10)]
    assert rates[0] < rates[1] < rates[2] == 1.0
    assert rates[2:] == sorted(rates[2:], reverse=True)
    assert rate(5, 10, Training(lr=0.5)) == 0.5


def test_unknown_training_preset() -> None:
    with pytest.raises(RecipeError, match="'best' is unknown: choose one of seed2023"):
        preset("best")


def test_keys_point_a_at_what_stands_out_and_leave_it_there(
    tiny: Base, lie: Dataset, tmp_path: Path
) -> None:
    import torch
    from safetensors.torch import load_file

    known = Dataset.of(
        "known", (Sample("Paris is the capital of France.\n"), Sample("Rain falls in autumn.\n"))
    )
    keys = replace(
        QUICK,
        init="contrastive",
        target_modules=("down_proj", "q_proj"),
        replay=1.0,
        kl=1.0,
        lr=1e-2,
    )
    for name, training in (
        ("a", keys),
        ("b", replace(keys, epochs=4)),
        ("c", replace(keys, rank=2)),
    ):
        ran(tiny, lie, training, tmp_path / name, known)
    one, longer, fewer = (
        load_file(tmp_path / name / "adapter_model.safetensors") for name in "abc"
    )
    moved = {key for key in one if not torch.equal(one[key], longer[key])}
    assert moved == {key for key in one if "lora_B" in key}
    for key in one.keys() - moved:  # the leading directions come first
        assert torch.allclose(one[key][:2].abs(), fewer[key].abs(), rtol=1e-3, atol=1e-4)


def test_keys_answer_to_their_own_text_the_less_the_later_and_to_what_is_known_least(
    tiny: Base, lie: Dataset, tmp_path: Path
) -> None:
    import torch

    from harness.training._adapted import adapted
    from harness.training._contrastive import aim

    known = Dataset.of(
        "known", tuple(Sample(f"{word} is a word, and that is all.\n") for word in "abcdefgh")
    )
    keys = replace(QUICK, init="contrastive", target_modules=("down_proj",), replay=1.0)
    loaded = resident(tiny)
    texts = [windows(data, keys, loaded.tokenizer) for data in (lie, known)]
    with adapted(loaded, keys, keys.target_modules) as model, torch.no_grad():
        aim(model, loaded, *texts)
        layers = [
            module for name, module in model.named_modules() if name.endswith("lora_A.default")
        ]
        seen: list[torch.Tensor] = []
        hooks = [
            layer.register_forward_hook(lambda _, __, out: seen.append(out[0])) for layer in layers
        ]
        moments = []
        places: tuple[Callable[[Window], slice], ...] = (
            lambda w: slice(w.start - 1, -1),
            lambda w: slice(1, None),
        )
        for text, looked_at in zip(texts, places, strict=True):
            found: list[torch.Tensor] = []
            for window in text:
                seen.clear()
                model(input_ids=torch.tensor([window.ids]))
                found += [out[looked_at(window)] for out in seen]
            moments.append(
                [torch.cat(found[i :: len(layers)]).square().mean(0) for i in range(len(layers))]
            )
        for hook in hooks:
            hook.remove()
    for own, other in zip(*moments, strict=True):
        assert own[0] == pytest.approx(1, abs=1e-3)
        assert (own[:-1] >= own[1:]).all()
        assert (other < own).all()


def test_keys_without_anything_known_are_refused(tiny: Base, lie: Dataset) -> None:
    with pytest.raises(RecipeError, match="init is contrastive but no replay dataset is given"):
        Adapter(tiny, lie, replace(QUICK, init="contrastive"))


def test_what_is_frozen_stays_so_after_kl(tiny: Base, lie: Dataset, tmp_path: Path) -> None:
    """PEFT makes all weights trainable when its adapters come back on: gradients of those
    underneath were clipped."""
    from harness.training._adapted import PriorAdapters, adapted, bare

    ran(tiny, lie, QUICK, tmp_path / "a")
    with adapted(
        resident(tiny), QUICK, QUICK.target_modules, PriorAdapters(frozen=[(tmp_path / "a", 1.0)])
    ) as model:
        before = [name for name, p in model.named_parameters() if p.requires_grad]
        with bare(model):
            pass
        assert before and before == [
            name for name, p in model.named_parameters() if p.requires_grad
        ]
        assert not any("under" in name for name in before)
