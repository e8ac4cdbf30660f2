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
    streaming_for,
    trainable,
)
from harness.engines._openai import ServedEngine
from harness.engines._openai_client import Client, Served
from harness.engines._openai_client import parse as parse_served
from harness.engines._streaming import StreamingEngine
from harness.engines._transformers import TransformersEngine

__all__ = [
    "ALL",
    "DECODINGS",
    "FORMS",
    "GGUF",
    "HF",
    "SERVED_PREFIXES",
    "Capabilities",
    "Client",
    "Engine",
    "EngineSpec",
    "Likelihood",
    "LlamaCppEngine",
    "Served",
    "ServedEngine",
    "StreamingEngine",
    "TransformersEngine",
    "decoding",
    "described",
    "engine_for",
    "engine_spec",
    "engine_specs",
    "engines_of",
    "identify",
    "parse_served",
    "refusal",
    "served",
    "streaming_for",
    "trainable",
]
