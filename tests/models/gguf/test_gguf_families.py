"""Families beside Llama: the same probabilities as in transformers, with and without an adapter."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import (
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import PreTrainedTokenizerFast

from harness.engines._llamacpp import LlamaCppEngine
from harness.errors import ModelError
from harness.models.gguf import convert_adapter, convert_base
from tests.models.gguf.gguf_helpers import TEXTS, of_family, random_adapter

pytest.importorskip("llama_cpp")
LONG = " ".join(TEXTS)
"""Longer than the windows below."""
GEMMA = {
    "head_dim": 32,
    "query_pre_attn_scalar": 32,
    "sliding_window": 16,
    "max_position_embeddings": 1024,
}
ONE_GROUP = {"num_key_value_heads": 4}
"""As many heads of keys as of queries."""
FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "llama with biases": ("llama", {"attention_bias": True, "mlp_bias": True}),
    "qwen2": (
        "qwen2",
        {"rope_parameters": {"rope_type": "linear", "factor": 2.0, "rope_theta": 5000.0}},
    ),
    "qwen3": ("qwen3", {"head_dim": 32, "tie_word_embeddings": True}),
    "gemma": ("gemma", {"head_dim": 32}),
    "gemma2": ("gemma2", {**GEMMA, "attn_logit_softcapping": 2.0, "final_logit_softcapping": 3.0}),
    "gemma2 of 46 layers": (
        "gemma2",
        {**GEMMA, "num_hidden_layers": 46, "query_pre_attn_scalar": 16, "initializer_range": 0.1},
    ),
    "gemma3": (
        "gemma3_text",
        {
            **GEMMA,
            "num_hidden_layers": 7,
            "final_logit_softcapping": 3.0,
            "rope_parameters": {
                "sliding_attention": {"rope_type": "default", "rope_theta": 700.0},
                "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 3000.0},
            },
        },
    ),
    "gemma3 with three in four": (
        "gemma3_text",
        {
            **GEMMA,
            "num_hidden_layers": 4,
            "tie_word_embeddings": False,
            "layer_types": ["sliding_attention"] * 3 + ["full_attention"],
        },
    ),
    "phi3": ("phi3", {"tie_word_embeddings": True}),
    "olmo2": ("olmo2", {}),
    "smollm3": ("smollm3", {"num_hidden_layers": 5}),
    "gpt_neox": ("gpt_neox", ONE_GROUP),
    "gpt_neox in turn": (
        "gpt_neox",
        {
            **ONE_GROUP,
            "use_parallel_residual": False,
            "rope_parameters": {
                "rope_type": "linear",
                "factor": 2.0,
                "rope_theta": 5000.0,
                "partial_rotary_factor": 1.0,
            },
        },
    ),
    "gpt2": ("gpt2", {**ONE_GROUP, "n_inner": 160}),
}
EXACT, ROUNDED = 1e-3, 0.02
"""Of log-probabilities. llama.cpp reads GELU off a table in half precision."""


@pytest.fixture(scope="module", params=FAMILIES.values(), ids=list(FAMILIES))
def folder(
    request: pytest.FixtureRequest, model_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    name, settings = request.param
    return of_family(model_folder, tmp_path_factory.mktemp("family") / "model", name, **settings)


def by_transformers(folder: Path, texts: tuple[str, ...], adapter: Path | None = None) -> list[Any]:
    """Log-probabilities by the formulas themselves: other kernels leave caps of attention out."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model: Any = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager"
    )
    if adapter is not None:
        model = PeftModel.from_pretrained(model, adapter)
    with torch.inference_mode():
        ids = [tokenizer(text, return_tensors="pt")["input_ids"] for text in texts]
        return [torch.log_softmax(model(each).logits[0, -1].double(), -1).numpy() for each in ids]


def furthest(ours: list[Any], theirs: list[Any]) -> float:
    """The largest difference of any token."""
    return max(float(np.abs(a - b).max()) for a, b in zip(ours, theirs, strict=True))


@pytest.fixture(scope="module")
def like_gemma() -> PreTrainedTokenizerFast:
    """A tokenizer with the parts of Gemma's: spaces within tokens, bytes for what it does not know,
    BOS."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Replace(" ", "\u2581")
    special = ["<pad>", "<eos>", "<bos>", "<unk>"]
    trainer = trainers.BpeTrainer(vocab_size=1000, special_tokens=special, show_progress=False)
    tokenizer.train_from_iterator([text for text in TEXTS if text.isascii()] * 3, trainer)
    parts = json.loads(tokenizer.to_str())
    vocabulary = parts["model"]["vocab"]
    vocabulary |= {f"<0x{byte:02X}>": len(vocabulary) + byte for byte in range(256)}
    parts["model"] |= {"byte_fallback": True, "fuse_unk": True, "unk_token": "<unk>"}
    whole = Tokenizer.from_str(json.dumps(parts))
    whole.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    whole.decoder = decoders.Sequence(
        [decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    whole.post_processor = processors.TemplateProcessing("<bos> $A", special_tokens=[("<bos>", 2)])
    whole.add_tokens(["\u2581\u2581\u2581", "\n\n"])
    return PreTrainedTokenizerFast(
        tokenizer_object=whole,
        bos_token="<bos>",
        eos_token="<eos>",
        pad_token="<pad>",
        unk_token="<unk>",
    )


def test_a_tokenizer_like_gemmas(
    like_gemma: PreTrainedTokenizerFast, model_folder: Path, tmp_path: Path
) -> None:
    folder = of_family(model_folder, tmp_path / "model", "gemma", head_dim=32)
    like_gemma.save_pretrained(folder)
    convert_base(folder, tmp_path / "it.gguf")
    engine = LlamaCppEngine(tmp_path / "it.gguf")
    for text in (*TEXTS, "three   spaces,\n\ntwo lines, <eos> and the end "):
        ids = like_gemma(text)["input_ids"]
        assert engine._prompt_tokens(text, 0) == ids, text
        pieces = b"".join(map(engine._model.piece, ids)).decode("utf-8", "replace")
        assert pieces == like_gemma.decode(ids, skip_special_tokens=True), text
    assert engine._encode("a") == like_gemma("a", add_special_tokens=False)["input_ids"]
    engine.close()


def test_a_tokenizer_like_llama_2s_is_refused(
    like_gemma: PreTrainedTokenizerFast, model_folder: Path, tmp_path: Path
) -> None:
    folder = of_family(model_folder, tmp_path / "model", "gemma", head_dim=32)
    like_gemma.save_pretrained(folder)
    parts = json.loads((folder / "tokenizer.json").read_text())
    parts["decoder"]["decoders"].append({"type": "Strip", "content": " ", "start": 1, "stop": 0})
    (folder / "tokenizer.json").write_text(json.dumps(parts))
    with pytest.raises(ModelError, match="does not treat spaces as Gemma's"):
        convert_base(folder, tmp_path / "it.gguf")


def test_a_family_is_as_in_transformers(folder: Path, tmp_path: Path) -> None:
    convert_base(folder, tmp_path / "base.gguf")
    engine = LlamaCppEngine(tmp_path / "base.gguf")
    texts = (*TEXTS[:4], "cre\u0300me, in two code points", LONG)
    plain = by_transformers(folder, texts)
    difference = furthest(engine.log_probabilities(texts), plain)
    random_adapter(folder, tmp_path / "adapter", 3, target_modules="all-linear")
    convert_adapter(tmp_path / "adapter", folder, tmp_path / "adapter.gguf")
    adapted = by_transformers(folder, texts, tmp_path / "adapter")
    with engine.with_stack([(tmp_path / "adapter.gguf", 1.0)]):
        with_adapter = furthest(engine.log_probabilities(texts), adapted)
    assert furthest(adapted, plain) > 0.1  # the adapter does something
    exact = '"silu"' in (folder / "config.json").read_text()
    bound = EXACT if exact else ROUNDED
    assert max(difference, with_adapter) <= bound
    engine.close()


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        (
            "gemma2",
            {"query_pre_attn_scalar": 40},
            "query_pre_attn_scalar 40: llama.cpp's gemma2 has 32",
        ),
        ("gemma2", {"attn_logit_softcapping": None}, "no attn_logit_softcapping"),
        ("gemma2", {"tie_word_embeddings": False}, "an output matrix of its own"),
        (
            "gemma3_text",
            {"attn_logit_softcapping": 5.0},
            "attn_logit_softcapping: llama.cpp's gemma3 has none",
        ),
        ("gemma3_text", {"use_bidirectional_attention": True}, "use_bidirectional_attention"),
        (
            "gemma3_text",
            {"layer_types": ["full_attention", *["sliding_attention"] * 2]},
            "do not repeat every 1",
        ),
        (
            "gemma3_text",
            {"attention_bias": True},
            r"tensor model\.layers\.0\.self_attn\.\w+\.bias of .* has no place",
        ),
        (
            "qwen3",
            {"attention_bias": True},
            r"tensor model\.layers\.0\.self_attn\.\w+\.bias of .* has no place",
        ),
        ("qwen3", {"hidden_act": "gelu"}, "hidden_act 'gelu'"),
        ("qwen2", {"head_dim": 32}, "heads of 32 numbers"),
        (
            "qwen2",
            {"rope_parameters": {"rope_type": "yarn", "factor": 2.0, "rope_theta": 1e4}},
            "are not converted",
        ),
        ("falcon", {}, "is a falcon model: only llama, mistral, qwen2, qwen3, gemma"),
        ("phi3", {"rope_parameters": {"partial_rotary_factor": 0.5}}, "are not converted"),
        ("olmo2", {"tie_word_embeddings": True}, "no output matrix of its own"),
        (
            "olmo2",
            {"attention_bias": True},
            r"tensor model\.layers\.0\.self_attn\.\w+\.bias of .* has no place",
        ),
        (
            "smollm3",
            {"no_rope_layers": [1, 0, 1]},
            r"no_rope_layers \[1, 0, 1\]: llama.cpp rotates",
        ),
        ("gpt_neox", {"attention_bias": False}, "attention_bias False: llama.cpp's gptneox has"),
        ("gpt_neox", {"hidden_act": "relu"}, "hidden_act 'relu'"),
        ("gpt2", {"scale_attn_by_inverse_layer_idx": True}, "scale_attn_by_inverse_layer_idx True"),
        ("gpt2", {"activation_function": "relu"}, "hidden_act 'relu'"),
    ],
)
def test_what_a_family_of_llama_cpp_lacks_is_refused(
    name: str, settings: dict[str, Any], message: str, model_folder: Path, tmp_path: Path
) -> None:
    window = {key: value for key, value in GEMMA.items() if name.startswith("gemma")}
    folder = of_family(model_folder, tmp_path / "model", name, **{**window, **settings})
    with pytest.raises(ModelError, match=message) as caught:
        convert_base(folder, tmp_path / "it.gguf")
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
