"""Named ways to generate. The community presets carry the values of text-generation-webui of 2023."""

from __future__ import annotations

from harness.errors import RecipeError
from harness.recipes import Decoding

DECODINGS: dict[str, Decoding] = {
    "deterministic": Decoding(),
    "coco2023": Decoding(
        max_new_tokens=20, do_sample=True, temperature=0.72, top_p=0.1, top_k=40, repetition_penalty=1.176
    ),
    "default": Decoding(do_sample=True, temperature=0.7, top_p=0.9, top_k=20, repetition_penalty=1.15),
    "llama_precise": Decoding(do_sample=True, temperature=0.7, top_p=0.1, top_k=40, repetition_penalty=1.18),
    "novelai_storywriter": Decoding(do_sample=True, temperature=0.72, top_p=0.73, repetition_penalty=1.1),
    "debug_deterministic": Decoding(),
    "beam_search": Decoding(num_beams=5, early_stopping=True),
}


def decoding(name: str) -> Decoding:
    """The preset called ``name``. Raises RecipeError on an unknown one."""
    if name not in DECODINGS:
        raise RecipeError(f"decoding preset {name!r} is unknown: choose one of {', '.join(DECODINGS)}")
    return DECODINGS[name]
