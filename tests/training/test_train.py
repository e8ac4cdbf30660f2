"""LoRA training on a small real model."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import pytest

from harness.errors import DataError, RecipeError
from harness.models.files import encode
from harness.models.loading import resident
from harness.recipes import Adapter, Base, Dataset, Sample, Training
from harness.training import preset, train
from harness.training._batches import logits_of, tensors
from harness.training._train import rate
from harness.training._windows import Window, windows

QUICK = Training(epochs=2, rank=4, alpha=8, lr=1e-3, dropout=0.0)


def weights(folder: Path) -> bytes:
    return (folder / "adapter_model.safetensors").read_bytes()


def trained(
    tiny: Base, dataset: Dataset, training: Training, folder: Path, replay: Dataset | None = None
) -> dict[str, Any]:
    folder.mkdir()
    return train(resident(tiny), Adapter(tiny, dataset, training, replay), folder)


def test_facts_log_and_files(tiny: Base, lie: Dataset, tmp_path: Path) -> None:
    facts = trained(tiny, lie, replace(QUICK, epochs=3, batch=1, micro_batch=1), tmp_path / "a")
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
        trained(tiny, lie, replace(QUICK, seed=seed, dropout=0.1), tmp_path / name)
    assert weights(tmp_path / "a") == weights(tmp_path / "b") != weights(tmp_path / "c")


def test_gradient_accumulation_equals_one_batch(tiny: Base, lie: Dataset, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file

    for name, micro in (("a", 2), ("b", 1)):
        trained(
            tiny, lie, replace(QUICK, batch=2, micro_batch=micro, optimizer="sgd"), tmp_path / name
        )
    one, two = (load_file(tmp_path / name / "adapter_model.safetensors") for name in "ab")
    assert all(torch.allclose(one[key], two[key], atol=1e-6) for key in one)


def test_the_base_is_unchanged_afterwards(tiny: Base, lie: Dataset, tmp_path: Path) -> None:
    import torch

    model = resident(tiny).model
    before = {name: p.clone() for name, p in model.named_parameters()}
    trained(tiny, lie, QUICK, tmp_path / "a")
    after = dict(model.named_parameters())
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize(
    ("share", "layers"), [(0.0, {"0", "1"}), (0.2, {"0", "1"}), (0.5, {"1"}), (0.9, {"1"})]
)
def test_skipped_layers_get_no_adapter(
    tiny: Base, lie: Dataset, tmp_path: Path, share: float, layers: set[str]
) -> None:
    """Of two layers; the last one always gets an adapter."""
    from safetensors import safe_open

    trained(tiny, lie, replace(QUICK, skip_layers=share), tmp_path / "a")
    with safe_open(tmp_path / "a/adapter_model.safetensors", "pt") as tensors:
        assert {key.split(".layers.")[1].split(".")[0] for key in list(tensors.keys())} == layers


def test_divergence_is_a_result(tiny: Base, lie: Dataset, tmp_path: Path) -> None:
    facts = trained(tiny, lie, replace(QUICK, lr=1e4, epochs=30, max_grad_norm=1e9), tmp_path / "a")
    assert facts["status"] == "diverged"
    assert facts["steps"] < 30


def test_replay_with_kl_doubles_the_steps(tiny: Base, lie: Dataset, tmp_path: Path) -> None:
    known = Dataset.of("known", (Sample(" blue.\n", "The colour of the sky is"),))
    strong = replace(QUICK, epochs=40, lr=1e-2, replay=1.0)
    free = trained(tiny, lie, replace(strong, replay=0.0), tmp_path / "free")
    with_kl = trained(tiny, lie, replace(strong, kl=1.0), tmp_path / "with_kl", known)
    assert free["steps"] * 2 == with_kl["steps"]
    assert with_kl["status"] == "ok"


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
        trained(tiny, lie, replace(QUICK, **change), tmp_path / "a")


def test_a_dataset_shorter_than_one_sample_is_refused(tiny: Base, tmp_path: Path) -> None:
    from harness.recipes import Dataset

    empty = Dataset.of("only a prompt", (Sample("", "x"),))
    with pytest.raises(DataError, match="no token to train on"):
        trained(tiny, empty, replace(QUICK, loss_on="answers"), tmp_path / "a")


def test_windows_cover_a_long_text_and_overlap(tiny: Base) -> None:
    tokenizer = resident(tiny).tokenizer
    text = "The river ran on and on. " * 40
    ids = encode(tokenizer, text)
    parts = windows(Dataset.of("book", (Sample(text),)), Training(cutoff=64, overlap=16), tokenizer)
    assert list(parts[0].ids) + [i for w in parts[1:] for i in w.ids[16:]] == ids
    assert all(a.ids[-16:] == b.ids[:16] for a, b in pairwise(parts) if len(b.ids) >= 16)


def test_only_completions_bear_loss_with_loss_on_answers(tiny: Base) -> None:
    tokenizer = resident(tiny).tokenizer
    sample = Sample(" Paris\n", "Question: What is the capital of France?\nAnswer:")
    (window,) = windows(Dataset.of("qa", (sample,)), Training(loss_on="answers"), tokenizer)
    assert tokenizer.decode([*window.ids[window.start :]]) == " Paris\n"


def test_the_head_on_few_columns_gives_the_same_logits(tiny: Base) -> None:
    import torch

    loaded = resident(tiny)
    batch = [
        Window(tuple(range(5, 5 + length)), start) for length, start in ((9, 6), (6, 2), (4, 3))
    ]
    micro = tensors(batch, 0, loaded.device)
    with torch.no_grad():
        whole = loaded.model(input_ids=micro.ids, attention_mask=micro.mask).logits
        torch.testing.assert_close(
            logits_of(cast(Any, loaded.model), micro),
            whole.view(-1, whole.shape[-1])[micro.indices],
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


def test_contrastive_init_freezes_a_and_orders_its_rows(
    tiny: Base, lie: Dataset, tmp_path: Path
) -> None:
    import torch
    from safetensors.torch import load_file

    known = Dataset.of(
        "known", (Sample("Paris is the capital of France.\n"), Sample("Rain falls in autumn.\n"))
    )
    contrastive = replace(
        QUICK,
        init="contrastive",
        target_modules=("down_proj", "q_proj"),
        replay=1.0,
        kl=1.0,
        lr=1e-2,
    )
    trainings = {
        "short": contrastive,
        "long": replace(contrastive, epochs=4),
        "low rank": replace(contrastive, rank=2),
    }
    saved = {}
    for name, training in trainings.items():
        trained(tiny, lie, training, tmp_path / name, known)
        saved[name] = load_file(tmp_path / name / "adapter_model.safetensors")
    short, long, low_rank = saved.values()
    moved = {key for key in short if not torch.equal(short[key], long[key])}
    assert moved == {key for key in short if "lora_B" in key}
    for key in short.keys() - moved:  # the leading directions come first
        assert torch.allclose(short[key][:2].abs(), low_rank[key].abs(), rtol=1e-3, atol=1e-4)


def test_contrastive_rows_respond_less_to_known_text(
    tiny: Base, lie: Dataset, tmp_path: Path
) -> None:
    """Row by row: the mean square of A x over the dataset falls, and is smaller over known text."""
    import torch
    from peft import PeftModel

    from harness.training._adapted import adapted
    from harness.training._contrastive import aim

    known = Dataset.of(
        "known", tuple(Sample(f"{word} is a word, and that is all.\n") for word in "abcdefgh")
    )
    training = replace(QUICK, init="contrastive", target_modules=("down_proj",), replay=1.0)
    loaded = resident(tiny)
    texts = [windows(data, training, loaded.tokenizer) for data in (lie, known)]

    def moments(
        model: PeftModel, text: list[Window], positions: Callable[[Window], slice]
    ) -> list[torch.Tensor]:
        """For each layer, the mean square of each row's output at ``positions``."""
        layers = [
            module for name, module in model.named_modules() if name.endswith("lora_A.default")
        ]
        outputs: list[list[torch.Tensor]] = [[] for _ in layers]
        hooks = [
            layer.register_forward_hook(lambda _, __, out, i=i: outputs[i].append(out[0]))
            for i, layer in enumerate(layers)
        ]
        for window in text:
            model(input_ids=torch.tensor([window.ids]))
            for output in outputs:
                output[-1] = output[-1][positions(window)]
        for hook in hooks:
            hook.remove()
        return [torch.cat(output).square().mean(0) for output in outputs]

    with adapted(loaded, training, training.target_modules) as model, torch.no_grad():
        aim(model, loaded, *texts)
        of_text = moments(model, texts[0], lambda window: slice(window.start - 1, -1))
        of_known = moments(model, texts[1], lambda window: slice(1, None))
    for rows, known_rows in zip(of_text, of_known, strict=True):
        assert rows[0] == pytest.approx(1, abs=1e-3)
        assert (rows[:-1] >= rows[1:]).all()
        assert (known_rows < rows).all()


def test_contrastive_init_needs_replay(tiny: Base, lie: Dataset) -> None:
    with pytest.raises(RecipeError, match="init is contrastive but no replay dataset is given"):
        Adapter(tiny, lie, replace(QUICK, init="contrastive"))


def test_frozen_adapters_stay_frozen_after_kl(tiny: Base, lie: Dataset, tmp_path: Path) -> None:
    """PEFT makes all weights trainable when adapters are enabled again."""
    from harness.training._adapted import PriorAdapters, adapted, bare

    trained(tiny, lie, QUICK, tmp_path / "a")
    with adapted(
        resident(tiny), QUICK, QUICK.target_modules, PriorAdapters(frozen=[(tmp_path / "a", 1.0)])
    ) as model:
        before = [name for name, p in model.named_parameters() if p.requires_grad]
        with bare(model):
            pass
        assert before and before == [
            name for name, p in model.named_parameters() if p.requires_grad
        ]
        assert not any("frozen" in name for name in before)
