"""A decoding in the words of transformers' ``generate``."""

from __future__ import annotations

from typing import Any

from harness.recipes import Decoding


def generate_arguments(decoding: Decoding) -> dict[str, Any]:
    """``decoding`` as keywords of ``generate``; those of sampling only for beams that sample.

    Without beams one sequence is generated for each row. Greedy answers are all the same, and each
    sampled answer has a row of its own.
    """
    beams = decoding.num_beams > 1
    arguments: dict[str, Any] = {
        "max_new_tokens": decoding.max_new_tokens,
        "do_sample": decoding.do_sample and beams,
        "num_beams": decoding.num_beams,
        "num_return_sequences": decoding.num_return_sequences if beams else 1,
        "repetition_penalty": decoding.repetition_penalty,
    }
    if decoding.stop:
        arguments["stop_strings"] = list(decoding.stop)
    if decoding.no_repeat_ngram_size:
        arguments["no_repeat_ngram_size"] = decoding.no_repeat_ngram_size
    if beams:
        arguments |= {
            "length_penalty": decoding.length_penalty,
            "early_stopping": decoding.early_stopping,
        }
    if decoding.do_sample and beams:
        arguments |= {
            "temperature": decoding.temperature,
            "top_p": decoding.top_p,
            "top_k": decoding.top_k,
        }
        if decoding.typical_p < 1:
            arguments["typical_p"] = decoding.typical_p
        if decoding.min_p > 0:
            arguments["min_p"] = decoding.min_p
    return arguments


def reset_generation_config(model: Any) -> None:
    """Keep only the special tokens of the model's generation_config.json.

    Its other settings, such as forbidden tokens, would change answers, although the recipe of the
    decoding does not name them.
    """
    from transformers import GenerationConfig

    config = model.generation_config
    names = ("bos_token_id", "eos_token_id", "pad_token_id")
    ids = {name: getattr(config, name, None) for name in names}
    model.generation_config = GenerationConfig(**ids)
