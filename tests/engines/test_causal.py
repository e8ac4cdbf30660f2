"""A model that reads later tokens is refused when it is loaded; all causal ones are taken."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import ModelError
from harness.models.loading import base_of, load
from harness.recipes import BitsAndBytes

SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
WIDE = SIZES | {"intermediate_size": 64}


def saved(name: str, folder: Path, model_folder: Path) -> Path:
    """A tiny random model of a class of transformers, with the tokenizer of the shipped one."""
    import torch
    import transformers

    sizes = {
        "Bert": WIDE,
        "Roberta": WIDE,
        "GPT2": {"n_embd": 32, "n_layer": 2, "n_head": 4},
        "Llama": WIDE,
        "Mixtral": WIDE | {"num_key_value_heads": 2, "num_local_experts": 4},
        "Mamba": {"hidden_size": 32, "num_hidden_layers": 2},
    }[name]
    heads = {"Bert": "BertLMHeadModel", "GPT2": "GPT2LMHeadModel"}
    torch.manual_seed(0)
    tokenizer = transformers.AutoTokenizer.from_pretrained(str(model_folder))
    config = getattr(transformers, f"{name}Config")(vocab_size=len(tokenizer), **sizes)
    getattr(transformers, heads.get(name, f"{name}ForCausalLM"))(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("name", ["Bert", "Roberta"])
def test_reader_of_later_tokens_is_refused(name: str, tmp_path: Path, model_folder: Path) -> None:
    with pytest.raises(ModelError, match="reads later tokens, as BERT does: give a causal") as told:
        load(base_of(saved(name, tmp_path / name, model_folder)))
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", ["GPT2", "Llama", "Mixtral", "Mamba"])
def test_causal_is_taken(name: str, dtype: str, tmp_path: Path, model_folder: Path) -> None:
    load(base_of(saved(name, tmp_path / name, model_folder)), dtype)


@pytest.mark.parametrize("kind", ["nf4", "int8"])
def test_quantised_causal_is_taken(kind: str, model_folder: Path) -> None:
    load(base_of(model_folder), by=BitsAndBytes(kind))
