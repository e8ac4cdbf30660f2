"""Named ways to generate. The community presets carry the values of text-generation-webui of 2023."""

from __future__ import annotations

from dataclasses import fields

from harness.errors import RecipeError
from harness.recipes import Decoding, changed

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


def decoding(text: str) -> Decoding:
    """The preset called ``text``, or ``NAME,field=value,...``: a preset with fields of its own.

    Items of a list are separated by ``|``. Raises RecipeError on an unknown preset or field, or a value that cannot be.
    """
    name, *settings = text.split(",")
    if name not in DECODINGS:
        raise RecipeError(f"decoding preset {name!r} is unknown: choose one of {', '.join(DECODINGS)}")
    return changed(DECODINGS[name], settings, "decoding", between="|")


def described(by: Decoding) -> str:
    """``greedy``, or the fields that differ from it, in their order."""
    off = Decoding()
    pairs = ((f.name, getattr(by, f.name), getattr(off, f.name)) for f in fields(by))
    return ", ".join(f"{name} {value!r}" for name, value, default in pairs if value != default) or "greedy"
