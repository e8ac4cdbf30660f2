"""Engines: they load a model, with or without adapters, and answer prompts."""

from harness.engines._decoding import DECODINGS, decoding, described
from harness.engines._engine import Capabilities, Engine, Likelihood, refusal
from harness.engines._llamacpp import LlamaCppEngine
from harness.engines._open import (
    ALL,
    FORMS,
    GGUF,
    HF,
    SERVED_PREFIXES,
    EngineSpec,
    engine_for,
    engine_spec,
    engine_specs,
    engines_of,
    identify,
    served,
    trainable,
)
from harness.engines._openai import ServedEngine
from harness.engines._openai_client import Served
from harness.engines._transformers import TransformersEngine

__all__ = [
    "ALL",
    "DECODINGS",
    "FORMS",
    "GGUF",
    "HF",
    "SERVED_PREFIXES",
    "Capabilities",
    "Engine",
    "EngineSpec",
    "Likelihood",
    "LlamaCppEngine",
    "Served",
    "ServedEngine",
    "TransformersEngine",
    "decoding",
    "described",
    "engine_for",
    "engine_spec",
    "engine_specs",
    "engines_of",
    "identify",
    "refusal",
    "served",
    "trainable",
]
