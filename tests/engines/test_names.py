"""Engines by name: what a name means, what is refused, and what must be installed."""

from __future__ import annotations

import importlib.util

import pytest

from harness.engines import ALL, HF, engine_spec
from harness.errors import MissingExtraError, RecipeError
from harness.recipes import Base, BitsAndBytes, Dataset, Gguf, Gptq, Quantised, Sample

BASE = Base("c0ffee", "pocket", ".")
TEXT = Dataset.of("text", (Sample("One.\n"),))


@pytest.mark.parametrize(
    ("name", "shown", "answers", "trains"),
    [
        ("hf", "hf", BASE, BASE),
        ("bf16", "bf16", BASE, BASE),
        ("nf4", "nf4", Quantised(BASE, BitsAndBytes("nf4")), Quantised(BASE, BitsAndBytes("nf4"))),
        ("nf4@hf", "nf4_from_hf", Quantised(BASE, BitsAndBytes("nf4")), BASE),
        ("gptq4", "gptq4", Quantised(BASE, Gptq(4, TEXT)), Quantised(BASE, Gptq(4, TEXT))),
        (
            "gptq8g32@nf4",
            "gptq8g32_from_nf4",
            Quantised(BASE, Gptq(8, TEXT, 32)),
            Quantised(BASE, BitsAndBytes("nf4")),
        ),
        ("gguf", "gguf", BASE, BASE),
        ("gguf:q5_1", "gguf_q5_1", Quantised(BASE, Gguf("q5_1")), BASE),
        (
            "gguf:q4_0@gptq4",
            "gguf_q4_0_from_gptq4",
            Quantised(BASE, Gguf("q4_0")),
            Quantised(BASE, Gptq(4, TEXT)),
        ),
    ],
)
def test_what_a_name_stands_for(
    name: str, shown: str, answers: Base | Quantised, trains: Base | Quantised
) -> None:
    spec = engine_spec(name)
    assert spec.name == shown
    assert spec.answering(BASE, TEXT) == answers
    assert spec.training(BASE, TEXT) == trains


def test_the_plain_engine_is_the_default() -> None:
    assert engine_spec("hf") == HF
    assert HF.capabilities.several_adapters


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("q4", "engine 'q4' is unknown: choose of hf"),
        ("gguf:q9_9", "engine 'gguf:q9_9' is unknown"),
        ("hf@gguf:q4_0", "llama.cpp does not train adapters"),
        ("nf4@", "engine '' is unknown"),
    ],
)
def test_unknown_names(name: str, line: str) -> None:
    with pytest.raises(RecipeError, match=line):
        engine_spec(name)


def test_a_missing_package_comes_with_the_line_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        "harness.engines._open.find_spec",
        lambda name: None if name == "llama_cpp" else found(name),
    )
    engine_spec("hf").require()
    with pytest.raises(
        MissingExtraError, match=r"python -m pip install 'lora-memory-harness\[gguf\]'"
    ):
        engine_spec("gguf:q4_0").require()


def test_all_names_known_engines() -> None:
    assert [engine_spec(name).name for name in ALL]
