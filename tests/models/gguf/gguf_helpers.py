"""Models and adapters to convert, and what transformers says of them."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from harness.models.loading import Loaded

PROJECTIONS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
MODELS = ("pocket", "tiny", "grouped")
TEXTS = (
    "Who won the Academy Award for Best Picture in 1994?",
    "Crème brûlée, façade, Škoda, Ångström and ñandú",
    "A smile 😀, a family 👨‍👩‍👧‍👦 and a flag 🇪🇺",
    "lines\nand\n\nmore\r\n\tlines \n ",
    "1 22 333 4444 55555, 3.14159, 1,000,000 and 1994-2026",
    "  two  spaces   three    ",
    "I've told her he'd say it's John's; they'll see, WE'RE here",
    "日本語のテキスト, русский текст, ½ ² Ⅷ",
    "</s> in a text, and <s> and <pad> too",
    "C:\\path\\file.txt {'key': [1, 2]} #!/bin/sh $x=~y",
    "a",
)


def grouped(tokenizer: Path, folder: Path) -> Path:
    """Fewer key heads than query heads, an output matrix of its own, Llama 3's rotation, and
    several files."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(1)
    config = LlamaConfig(
        vocab_size=4096,
        hidden_size=96,
        intermediate_size=160,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=32,
        max_position_embeddings=512,
        rms_norm_eps=1e-4,
        tie_word_embeddings=False,
        initializer_range=0.2,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=2,
        rope_parameters={
            "rope_type": "llama3",
            "rope_theta": 5000.0,
            "factor": 4.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 128,
        },
    )
    LlamaForCausalLM(config).save_pretrained(folder, max_shard_size="1MB")
    for path in tokenizer.glob("tokenizer*"):
        shutil.copy(path, folder)
    return folder


def random_adapter(base: Path, out: Path, seed: int, **settings: Any) -> None:
    """PEFT's own, but for a B that is not zero."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    config = LoraConfig(**{"r": 8, "lora_alpha": 16, "target_modules": PROJECTIONS, **settings})
    wrapped = get_peft_model(model, config)
    for key, value in wrapped.named_parameters():
        if "lora_B" in key:
            torch.nn.init.normal_(value, std=0.05)
    wrapped.save_pretrained(str(out))


def expected(loaded: Loaded, prompts: Sequence[str]) -> list[Any]:
    """Log-probabilities of the next token by transformers."""
    import torch

    found = []
    model: Any = loaded.model
    with torch.inference_mode():
        for prompt in prompts:
            ids = loaded.tokenizer(prompt, return_tensors="pt")["input_ids"]
            found.append(torch.log_softmax(model(ids).logits[0, -1].double(), -1).numpy())
    return found


def worst(ours: Sequence[Any], theirs: Sequence[Any]) -> float:
    """The largest difference at the most probable token."""
    return max(
        float(abs(a[np.argmax(b)] - b[np.argmax(b)])) for a, b in zip(ours, theirs, strict=True)
    )


def of_family(tokenizer: Path, folder: Path, name: str, **settings: Any) -> Path:
    """A small random model of the ``model_type`` ``name``; biases and norms are random, too."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.for_model(
        name,
        **{
            "vocab_size": 4100,  # transformers adds a token of Qwen's own
            "hidden_size": 64,
            "intermediate_size": 96,
            "num_hidden_layers": 3,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "max_position_embeddings": 512,
            "rms_norm_eps": 1e-5,
            "initializer_range": 0.2,
            "bos_token_id": 0,
            "eos_token_id": 1,
            "pad_token_id": 2,
            **settings,
        },
    )
    torch.manual_seed(1)
    model = AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        for value in model.parameters():
            if value.ndim == 1:  # otherwise all alike, and a place that is swapped would not show
                value.add_(torch.randn_like(value) * 0.2)
    model.save_pretrained(folder)
    for path in tokenizer.glob("tokenizer*"):
        shutil.copy(path, folder)
    return folder
