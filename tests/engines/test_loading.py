"""Base models from their files: what is read, what decides their content, and what is refused in
one line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from harness.cli._model import card
from harness.engines import TransformersEngine
from harness.errors import ModelError
from harness.models.files import count_tokens, weight_files
from harness.models.loading import _HUB_FILES, _HUB_IGNORED, SHIPPED, base_of, load
from harness.models.merging import into_base
from harness.recipes import Base, Decoding

INDEX = "model.safetensors.index.json"


@pytest.fixture
def folder(model_folder: Path, tmp_path: Path) -> Path:
    """The tiny model, to be changed."""
    return Path(shutil.copytree(model_folder, tmp_path / "model"))


@pytest.fixture
def sharded(model_folder: Path, tmp_path: Path) -> Path:
    """The tiny model in shards, beside the same weights in Mistral's form."""
    loaded = load(base_of(model_folder), device="cpu")
    loaded.model.save_pretrained(tmp_path / "shards", max_shard_size="100KB")
    loaded.tokenizer.save_pretrained(tmp_path / "shards")
    shutil.copyfile(
        model_folder / "model.safetensors", tmp_path / "shards" / "consolidated.safetensors"
    )
    return tmp_path / "shards"


def change(path: Path, **settings: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **settings}))


def without(folder: Path, part: str) -> None:
    """Take the weights with ``part`` in their names out of the file."""
    from safetensors.torch import load_file, save_file

    tensors = load_file(folder / "model.safetensors")
    left = {name: tensor for name, tensor in tensors.items() if part not in name}
    save_file(left, folder / "model.safetensors", metadata={"format": "pt"})


def refused(folder: Path) -> str:
    """The one line, told of no more than the folder."""
    with pytest.raises(ModelError) as raised:
        load(base_of(folder), device="cpu")
    assert "\n" not in str(raised.value)
    assert str(folder) in str(raised.value)
    return str(raised.value)


def test_weights_that_are_missing_are_not_made_up(folder: Path) -> None:
    without(folder, "layers.1.mlp")
    wanted = (
        "lacks 3 of its weights, model.layers.1.mlp.down_proj.weight the first: download or save"
        " the model again"
    )
    assert refused(folder) == f"{folder} {wanted}"


def test_weights_of_another_shape_than_the_config_has(folder: Path) -> None:
    change(folder / "config.json", intermediate_size=80)
    assert "model.layers.0.mlp.down_proj.weight of" in refused(folder)
    assert "is (64, 96), which its config.json makes (64, 80)" in refused(folder)


@pytest.mark.parametrize("bytes_left", [None, 30, 5000], ids=["pointer", "header", "weights"])
def test_weights_that_are_cut_off_or_a_pointer_to_them(
    folder: Path, bytes_left: int | None
) -> None:
    weights = folder / "model.safetensors"
    pointer = (
        b"version https://git-lfs.github.com/spec/v1\noid"
        b" sha256:4d7a214614ab2935c943f9e0ff69d22e\nsize 9\n"
    )
    weights.write_bytes(weights.read_bytes()[:bytes_left] if bytes_left else pointer)
    assert "cannot be loaded: " in refused(folder)


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        (
            {"num_hidden_layers": "many"},
            "Validation error for field 'num_hidden_layers': TypeError: ",
        ),
        ({"hidden_act": "warm"}, "cannot be loaded: KeyError: 'warm'"),
        ({"num_attention_heads": 0}, "cannot be loaded: "),
        ({"model_type": "unheard_of"}, "unheard_of"),
    ],
)
def test_a_config_that_cannot_be(folder: Path, settings: dict[str, Any], line: str) -> None:
    change(folder / "config.json", **settings)
    assert line in refused(folder)


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        ("config.json", "[]", "config.json holds no JSON object: save the model again"),
        ("config.json", "{", "config.json cannot be read (Expecting property name"),
        (
            "generation_config.json",
            "{",
            "generation_config.json cannot be read (Expecting property name",
        ),
        ("tokenizer.json", "{", "cannot be loaded: "),
    ],
)
def test_files_that_are_no_json(folder: Path, name: str, content: str, line: str) -> None:
    (folder / name).write_text(content)
    assert line in refused(folder)


def test_a_tokenizer_that_is_damaged(folder: Path) -> None:
    (folder / "tokenizer.json").write_text("{")
    with pytest.raises(ModelError, match=r"has no tokenizer that can be loaded: [^\n]*$"):
        count_tokens(base_of(folder), "Who?")


@pytest.mark.parametrize(
    ("device", "line"),
    [
        ("gpu", "device 'gpu' is unknown: choose cpu, cuda, or one of several GPUs as cuda:1"),
        (
            "cuda:99",
            r"device 'cuda:99' is not there: torch sees \d+ GPUs here, choose another or cpu",
        ),
    ],
)
def test_a_device_that_is_not_there(tiny: Base, device: str, line: str) -> None:
    with pytest.raises(ModelError, match=f"^{line}$"):
        load(tiny, device=device)


def test_attention_is_sdpa_where_there_is_one_whatever_the_config_asks_for(
    tiny: Base, folder: Path
) -> None:
    assert load(tiny, device="cpu").model.config._attn_implementation == "sdpa"
    change(folder / "config.json", attn_implementation="eager")
    assert load(base_of(folder), device="cpu").model.config._attn_implementation == "sdpa"


def test_an_architecture_without_sdpa_answers(folder: Path, tiny: Base) -> None:
    import torch
    from transformers import Gemma2Config, Gemma2ForCausalLM

    own = json.loads((folder / "config.json").read_text())
    size: dict[str, Any] = {
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "head_dim": 16,
    }
    heads: dict[str, Any] = {"num_attention_heads": 2, "num_key_value_heads": 1}
    ids = {
        name: own[name] for name in ("vocab_size", "bos_token_id", "eos_token_id", "pad_token_id")
    }
    torch.manual_seed(0)
    Gemma2ForCausalLM(Gemma2Config(**size, **heads, **ids)).save_pretrained(folder)
    engine = TransformersEngine(load(base_of(folder), device="cpu"))
    assert not engine.loaded.model._supports_sdpa
    assert engine.loaded.model.config._attn_implementation == "eager"
    assert len(engine.answer(["Who?\n"], Decoding(max_new_tokens=4))) == 1


def test_content_of_the_shipped_model_stays() -> None:
    assert (
        base_of(SHIPPED).content
        == "6df8f21055adaf2a3706cb476eac859fd19d23c41792ddfd900ef111760dea3c"
    )


def test_ends_that_only_the_generation_config_names_are_content(folder: Path) -> None:
    before, end = (
        base_of(folder).content,
        json.loads((folder / "config.json").read_text())["eos_token_id"],
    )
    for name, value, same in (
        ("temperature", 0.5, True),
        ("eos_token_id", [end], True),
        ("eos_token_id", None, False),
    ):
        change(folder / "generation_config.json", **{name: value})
        assert (base_of(folder).content == before) == same
    contents = set()
    for ends in ([end, 7], [7, end], [end, 8]):
        change(folder / "generation_config.json", eos_token_id=ends)
        contents.add(base_of(folder).content)
    assert before not in contents
    assert load(base_of(folder), device="cpu").model.generation_config.eos_token_id == [end, 8]
    (folder / "generation_config.json").unlink()
    assert base_of(folder).content == before


def test_the_same_weights_in_another_form_are_none_of_the_model_s(
    sharded: Path, model_folder: Path, tmp_path: Path
) -> None:
    import torch

    shards = weight_files(sharded)
    assert len(shards) > 1
    assert {file.name for file in shards} == set(
        json.loads((sharded / INDEX).read_text())["weight_map"].values()
    )
    whole, parts = (
        load(base_of(path), device="cpu").model.state_dict() for path in (model_folder, sharded)
    )
    assert all(torch.equal(parts[name], tensor) for name, tensor in whole.items())
    before, figures = base_of(sharded).content, card(sharded)
    assert figures["parameters"] == card(model_folder)["parameters"]
    assert figures["weights bytes"] == sum(file.stat().st_size for file in shards)
    (sharded / "consolidated.safetensors").unlink()
    assert base_of(sharded).content == before


def test_an_update_goes_into_the_shards_alone(sharded: Path, tmp_path: Path) -> None:
    import torch
    from peft import LoraConfig, get_peft_model

    loaded = load(base_of(sharded), device="cpu")
    before = {name: tensor.clone() for name, tensor in loaded.model.state_dict().items()}
    config = LoraConfig(
        r=4, target_modules=["q_proj"], init_lora_weights=False, task_type="CAUSAL_LM"
    )
    get_peft_model(loaded.model, config).save_pretrained(str(tmp_path / "adapter"))
    into_base(sharded, tmp_path / "adapter", tmp_path / "out")
    assert [file.name for file in weight_files(tmp_path / "out")] == [
        file.name for file in weight_files(sharded)
    ]
    assert not (tmp_path / "out" / "consolidated.safetensors").exists()
    after = load(base_of(tmp_path / "out"), device="cpu").model.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {f"model.layers.{i}.self_attn.q_proj.weight" for i in range(2)}


def test_an_index_that_is_left_over_is_not_followed(folder: Path) -> None:
    before = base_of(folder).content
    (folder / INDEX).write_text(
        json.dumps({"weight_map": {"model.norm.weight": "gone.safetensors"}})
    )
    assert weight_files(folder) == [folder / "model.safetensors"]
    assert base_of(folder).content == before
    load(base_of(folder), device="cpu")


def test_shards_that_are_missing(sharded: Path) -> None:
    shard = weight_files(sharded)[1]
    shard.unlink()
    assert f"lacks {shard.name}, which {INDEX} names: download or save the model again" in refused(
        sharded
    )
    (sharded / INDEX).write_text("{}")
    assert f"{INDEX} names no weights" in refused(sharded)


def test_the_hub_is_not_asked_for_weights_twice() -> None:
    from huggingface_hub.utils._paths import filter_repo_objects

    wanted = ["config.json", "model-00001-of-00002.safetensors", INDEX, "tokenizer.json"]
    other = [
        "consolidated.safetensors",
        "consolidated.safetensors.index.json",
        "consolidated.00.pth",
        "README.md",
    ]
    assert (
        list(
            filter_repo_objects(
                wanted + other, allow_patterns=_HUB_FILES, ignore_patterns=_HUB_IGNORED
            )
        )
        == wanted
    )
