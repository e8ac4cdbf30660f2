"""Bases: the same tokens and the same probabilities as in transformers, in every type."""

from __future__ import annotations

import json
import re
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from harness.engines import TransformersEngine, decoding
from harness.engines._llamacpp import LlamaCppEngine
from harness.errors import MissingExtraError, ModelError, install
from harness.models.gguf import TYPES, convert_base, quantise
from harness.models.gguf._library import llama
from harness.models.gguf._tokenizer import _LLAMA3, _QWEN2
from harness.models.loading import Loaded, base_of
from tests.models.gguf.gguf_helpers import MODELS, TEXTS, expected, worst

pytest.importorskip("llama_cpp")
BOUNDS = {
    "f32": (1e-3, 1.0, 1.0),
    "f16": (0.01, 1.0, 0.51),
    "bf16": (0.06, 1.0, 0.51),  # .03: llama.cpp rounds what goes into a layer, too
    "q8": (0.3, 1.0, 0.28),
    "q6": (0.5, 0.93, 0.22),
    "q5": (1.0, 0.9, 0.21),
    "q4": (2.5, 0.87, 0.18),
    "iq4": (2.5, 0.87, 0.17),
    "q3": (2.5, 0.84, 0.17),
    "q2": (5.0, 0.75, 0.14),  # 4.3 with AVX-512
}
"""By the beginning of a type's name: the largest difference of the top token's log-probability,
the least share of prompts with the same top token, and the largest file as a share of the f32 one.
Differences are two to three times what one CPU measures, as kernels differ between CPUs. A wrong
layout of the weights would leave hardly a top token the same."""


@pytest.mark.parametrize("name", MODELS)
def test_tokens_are_those_of_transformers(
    name: str, engines: dict[str, LlamaCppEngine], loaded: dict[str, Loaded], prompts: list[str]
) -> None:
    for text in (*TEXTS, *prompts):
        assert engines[name]._prompt_tokens(text, 0) == loaded[name].tokenizer(text)["input_ids"], (
            text
        )
    assert engines[name].count(TEXTS) == TransformersEngine(loaded[name]).count(TEXTS)


@pytest.mark.parametrize("name", MODELS)
def test_probabilities_are_those_of_transformers(
    name: str, engines: dict[str, LlamaCppEngine], loaded: dict[str, Loaded], prompts: list[str]
) -> None:
    asked = [*TEXTS, *prompts[::4]]
    found, wanted = engines[name].log_probabilities(asked), expected(loaded[name], asked)
    difference = worst(found, wanted)
    assert difference <= 1e-3
    assert all(row.dtype == np.float32 and row.shape == (4096,) for row in found)
    assert [row.argmax() for row in found] == [row.argmax() for row in wanted]


@pytest.mark.parametrize("kind", TYPES)
def test_every_type(
    kind: str, files: dict[str, Path], loaded: dict[str, Loaded], prompts: list[str], tmp_path: Path
) -> None:
    asked = prompts[::3]
    quantise(files["pocket"], tmp_path / "it.gguf", kind)
    engine = LlamaCppEngine(tmp_path / "it.gguf")
    found, wanted = engine.log_probabilities(asked), expected(loaded["pocket"], asked)
    difference = worst(found, wanted)
    alike = np.mean([a.argmax() == b.argmax() for a, b in zip(found, wanted, strict=True)])
    size = (tmp_path / "it.gguf").stat().st_size / files["pocket"].stat().st_size
    (bounds,) = (bounds for start, bounds in BOUNDS.items() if kind.partition("_")[0] == start)
    most_different, least_alike, largest = bounds
    assert difference <= most_different
    assert alike >= least_alike
    assert size <= largest
    engine.close()


def test_direct_and_quantised_halves_agree(
    folders: dict[str, Path], files: dict[str, Path], tmp_path: Path
) -> None:
    convert_base(folders["pocket"], tmp_path / "direct.gguf", "f16")
    quantise(files["pocket"], tmp_path / "quantised.gguf", "f16")
    direct, quantised = (
        LlamaCppEngine(tmp_path / f"{name}.gguf") for name in ("direct", "quantised")
    )
    for a, b in zip(
        direct.log_probabilities(TEXTS), quantised.log_probabilities(TEXTS), strict=True
    ):
        assert (a == b).all()


def test_a_quantised_type_in_one_go(folders: dict[str, Path], tmp_path: Path) -> None:
    convert_base(folders["tiny"], tmp_path / "it.gguf", "q8_0")
    assert (
        len(LlamaCppEngine(tmp_path / "it.gguf").answer(["Who?"], decoding("deterministic"))) == 1
    )
    assert [path.name for path in tmp_path.iterdir()] == ["it.gguf"]


def test_greedy_answers_in_half_precision_are_those_of_transformers(
    folders: dict[str, Path], prompts: list[str], tmp_path: Path
) -> None:
    convert_base(folders["pocket"], tmp_path / "it.gguf", "f16")
    greedy = replace(decoding("deterministic"), max_new_tokens=24)
    found = LlamaCppEngine(tmp_path / "it.gguf").answer(prompts, greedy)
    wanted = TransformersEngine(base_of(folders["pocket"])).answer(prompts, greedy)
    share = np.mean([a == b for a, b in zip(found, wanted, strict=True)])
    assert share >= 0.98


def bytewise(regex: bool = True) -> pre_tokenizers.ByteLevel:
    return pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=regex)


def by_regex(pattern: str) -> pre_tokenizers.Sequence:
    return pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(pattern), "isolated"), bytewise(False)]
    )


@pytest.mark.parametrize(
    ("split", "ignore_merges"),
    [
        (
            pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), bytewise()]),
            False,
        ),
        (by_regex(_LLAMA3), True),
        (by_regex(_QWEN2), False),
    ],
    ids=["smollm", "llama-bpe", "qwen2"],
)
def test_other_tokenizers(
    split: pre_tokenizers.PreTokenizer,
    ignore_merges: bool,
    folders: dict[str, Path],
    prompts: list[str],
    tmp_path: Path,
) -> None:
    """Without BOS, with an added token, and with fewer tokens than the embedding has rows."""
    tokenizer = Tokenizer(models.BPE(ignore_merges=ignore_merges))
    tokenizer.pre_tokenizer, tokenizer.decoder = split, decoders.ByteLevel()
    special = ["<s>", "</s>", "<pad>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=2000, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator([*TEXTS, *prompts] * 3, trainer)
    tokenizer.add_tokens(["<tool>"])
    folder = shutil.copytree(folders["tiny"], tmp_path / "model")
    whole = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", pad_token="<pad>"
    )
    whole.save_pretrained(folder)
    convert_base(folder, tmp_path / "it.gguf")
    engine = LlamaCppEngine(tmp_path / "it.gguf")
    for text in (*TEXTS, *prompts, "a <tool>b", "x" * 50 + "\n\n\n  y \t z"):
        assert engine._prompt_tokens(text, 0) == whole(text)["input_ids"], text


def changed(folder: Path, out: Path, file: str, **settings: object) -> Path:
    """A copy of ``folder`` with other settings in one of its JSON files."""
    shutil.copytree(folder, out)
    found = json.loads((out / file).read_text())
    (out / file).write_text(json.dumps({**found, **settings}))
    return out


@pytest.mark.parametrize(
    ("file", "settings", "message"),
    [
        ("config.json", {"model_type": "mixtral"}, "is a mixtral model: only llama, mistral"),
        ("config.json", {"hidden_act": "gelu"}, "hidden_act 'gelu'"),
        ("config.json", {"num_hidden_layers": 3}, r"lacks tensor model\.layers\.2\."),
        ("config.json", {"num_hidden_layers": 1}, r"tensor model\.layers\.1\..* has no place"),
        (
            "config.json",
            {"rope_parameters": {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 1.0}},
            "are not conv",
        ),
        (
            "tokenizer.json",
            {"pre_tokenizer": {"type": "Whitespace"}},
            r"pre-tokenizer of .* \(Whitespace\) is none",
        ),
        ("tokenizer.json", {"pre_tokenizer": None}, r"\(none\) is none"),
        ("tokenizer.json", {"normalizer": {"type": "NFKC"}}, r"normalises text \(NFKC\)"),
    ],
)
def test_what_llama_cpp_would_get_wrong_is_refused(
    file: str, settings: dict[str, Any], message: str, folders: dict[str, Path], tmp_path: Path
) -> None:
    folder = changed(folders["tiny"], tmp_path / "model", file, **settings)
    with pytest.raises(ModelError, match=message):
        convert_base(folder, tmp_path / "it.gguf")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_tokenizer_larger_than_the_embedding(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = changed(folders["tiny"], tmp_path / "model", "config.json", vocab_size=4000)
    with pytest.raises(ModelError, match="has token 4095, but the embedding has 4000 rows"):
        convert_base(folder, tmp_path / "it.gguf")


@pytest.mark.parametrize("missing", ["config.json", "model.safetensors", "tokenizer.json"])
def test_an_incomplete_folder(missing: str, folders: dict[str, Path], tmp_path: Path) -> None:
    folder = changed(folders["tiny"], tmp_path / "model", "config.json")
    (folder / missing).unlink()
    with pytest.raises(ModelError, match="has no " + missing):
        convert_base(folder, tmp_path / "it.gguf")


def test_broken_weights(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = changed(folders["tiny"], tmp_path / "model", "config.json")
    (folder / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:5000])
    with pytest.raises(ModelError, match=r"model\.safetensors cannot be read"):
        convert_base(folder, tmp_path / "it.gguf")


def test_unknown_types(folders: dict[str, Path], files: dict[str, Path], tmp_path: Path) -> None:
    for make in (convert_base, quantise):
        with pytest.raises(ModelError, match="type 'q9' is unknown: choose one of f32, f16"):
            make(files["tiny"], tmp_path / "it.gguf", "q9")


def test_rows_that_do_not_fit(files: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(
        ModelError, match=r"q4_k_m needs rows divisible by 256, but \S+ has \d+: choose .*q4_0"
    ):
        quantise(files["tiny"], tmp_path / "it.gguf", "q4_k_m")
    assert not list(tmp_path.iterdir())


def broken(file: Path, out: Path, how: str) -> Path:
    content = bytearray(file.read_bytes())
    if how == "truncated":
        content = content[: len(content) // 2]
    elif how == "header only":
        content = content[:1000]
    elif how == "garbage":
        content[:] = bytes(i * 37 % 256 for i in range(4096))
    elif how == "huge counts":
        content[8:24] = b"\xff" * 16
    else:
        content = bytearray()
    out.write_bytes(content)
    return out


@pytest.mark.parametrize("how", ["truncated", "header only", "garbage", "huge counts", "empty"])
def test_broken_files(how: str, files: dict[str, Path], tmp_path: Path) -> None:
    file = broken(files["tiny"], tmp_path / "broken.gguf", how)
    with pytest.raises(ModelError, match=r"broken\.gguf cannot be loaded: \S+") as load:
        LlamaCppEngine(file)
    with pytest.raises(ModelError, match=r"broken\.gguf cannot be quantised to q8_0: \S+") as made:
        quantise(file, tmp_path / "out.gguf", "q8_0")
    assert "\n" not in str(load.value) + str(made.value)
    assert [path.name for path in tmp_path.iterdir()] == ["broken.gguf"]


def test_missing_files(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such file"):
        quantise(tmp_path / "none.gguf", tmp_path / "out.gguf", "q8_0")
    with pytest.raises(ModelError, match=r"none\.gguf cannot be loaded"):
        LlamaCppEngine(tmp_path / "none.gguf")


def test_a_missing_library(
    files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "llama_cpp", None)
    llama.cache_clear()
    for make in (
        lambda: LlamaCppEngine(files["tiny"]),
        lambda: quantise(files["tiny"], tmp_path / "it.gguf", "f16"),
    ):
        with pytest.raises(MissingExtraError, match=re.escape(install("gguf"))):
            make()


def test_llama_cpp_prints_nothing(
    files: dict[str, Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    quantise(files["tiny"], tmp_path / "it.gguf", "q4_0")
    LlamaCppEngine(tmp_path / "it.gguf").answer(["Who?"], decoding("deterministic"))
    assert capfd.readouterr() == ("", "")
