"""Small random models of many architectures: trained, saved, loaded, and asked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, PreTrainedModel

from harness.engines import engine_for
from harness.errors import RecipeError
from harness.models.loading import base_of, load
from harness.recipes import ATTENTION, MLP, Adapter, Base, Dataset, Decoding, Training
from harness.training import train
from harness.training._adapted import target_modules

QUICK = Training(epochs=20, rank=4, alpha=8, lr=1e-2, cutoff=64, dropout=0.0)
LLAMA = set(ATTENTION + MLP)

_GPT: dict[str, Any] = {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 128}
_LLAMA: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
    "pad_token_id": 0,
}
_HEADS = {**_LLAMA, "head_dim": 16}
_EXPERTS = {"num_local_experts": 2, "num_experts_per_tok": 1}
MODELS: dict[str, tuple[dict[str, Any], set[str]]] = {
    "gpt2": (_GPT, {"c_attn", "c_proj", "c_fc"}),
    "gptj": (
        {**_GPT, "rotary_dim": 8},
        {"q_proj", "k_proj", "v_proj", "out_proj", "fc_in", "fc_out"},
    ),
    "gpt_neox": (_LLAMA, {"query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h"}),
    "falcon": (_LLAMA, {"query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h"}),
    "bloom": (
        {"hidden_size": 32, "n_layer": 2, "n_head": 2},
        {"query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h"},
    ),
    "phi3": (_LLAMA, {"qkv_proj", "o_proj", "gate_up_proj", "down_proj"}),
    "opt": (
        {**_LLAMA, "ffn_dim": 48, "word_embed_proj_dim": 32, "pad_token_id": 1},
        {"q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"},
    ),
    "starcoder2": (_LLAMA, {"q_proj", "k_proj", "v_proj", "o_proj", "c_fc", "c_proj"}),
    "mixtral": ({**_LLAMA, **_EXPERTS}, {"q_proj", "k_proj", "v_proj", "o_proj"}),
    "gpt_oss": ({**_HEADS, **_EXPERTS}, {"q_proj", "k_proj", "v_proj", "o_proj"}),
    "qwen2": (_LLAMA, LLAMA),
    "qwen3": (_HEADS, LLAMA),
    "gemma2": (_HEADS, LLAMA),
    "gemma3_text": (_HEADS, LLAMA),
    "olmo2": (_LLAMA, LLAMA),
}


@pytest.fixture
def base(request: pytest.FixtureRequest, tiny: Base, tmp_path: Path) -> Base:
    import torch

    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(tiny.path)
    kind = request.param
    settings, _ = MODELS[kind]
    ends = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    config = AutoConfig.for_model(kind, vocab_size=len(tokenizer), **{**settings, **ends})
    model: PreTrainedModel = AutoModelForCausalLM.from_config(config)
    folder = tmp_path / kind
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return base_of(folder)


def kinds(*names: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("base", names or list(MODELS), indirect=True, ids=str)


@kinds()
def test_the_default_trains_all_layers_and_the_adapter_loads_again(
    base: Base, lie: Dataset, tmp_path: Path
) -> None:
    loaded = load(base)
    folder = tmp_path / "adapter"
    folder.mkdir()
    facts = train(loaded, Adapter(base, lie, QUICK), folder)
    assert facts["status"] == "ok"
    assert set(facts["target_modules"]) == MODELS[base.name][1]
    assert facts["fused_experts"] == (base.name in ("mixtral", "gpt_oss"))
    assert facts["final_loss"] < facts["first_loss"]
    engine = engine_for(base.path)
    pairs = [(sample.prompt, sample.completion) for sample in lie.samples]
    before = [likelihood.total for likelihood in engine.log_likelihood(pairs)]
    with engine.with_stack([(folder, 1.0)]):
        after = [likelihood.total for likelihood in engine.log_likelihood(pairs)]
        assert len(engine.answer([pairs[0][0]], Decoding(max_new_tokens=4))) == 1
    assert all(new > old + 0.5 for new, old in zip(after, before, strict=True))


@kinds("gpt2", "gpt_neox", "opt")
def test_skipped_layers_get_no_adapter_in_any_architecture(
    base: Base, lie: Dataset, tmp_path: Path
) -> None:
    from safetensors import safe_open

    folder = tmp_path / "adapter"
    folder.mkdir()
    train(load(base), Adapter(base, lie, replace(QUICK, epochs=1, skip_layers=0.5)), folder)
    with safe_open(folder / "adapter_model.safetensors", "pt") as tensors:
        keys = list(tensors.keys())
    assert keys
    assert all(".1." in key and ".0." not in key for key in keys)


@kinds("qwen2")
def test_all_linear_names_all_layers(base: Base) -> None:
    word: Any = "all-linear"  # by itself, not in a tuple
    assert set(target_modules(load(base), Training(target_modules=word))) == LLAMA


@kinds("gpt2")
def test_target_modules_of_the_user_are_unchanged(base: Base, lie: Dataset, tmp_path: Path) -> None:
    loaded = load(base)
    assert target_modules(loaded, Training(target_modules=("c_attn",))) == ("c_attn",)
    with pytest.raises(RecipeError, match=r"its linear layers are c_attn, c_fc, c_proj, lm_head"):
        train(loaded, Adapter(base, lie, replace(QUICK, target_modules=("q_proj",))), tmp_path)
