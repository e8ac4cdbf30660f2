"""Adapters: the same probabilities as in PEFT, alone and together; off again, the base is what it
was."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from harness.engines import LlamaCppEngine, TransformersEngine
from harness.errors import ModelError
from harness.models.gguf import convert_adapter
from harness.models.loading import base_of
from tests.models.gguf.conftest import MakeAdapter
from tests.models.gguf.gguf_helpers import MODELS, TEXTS, expected, random_adapter, worst

pytest.importorskip("llama_cpp")
SETTINGS = {
    "plain": {},
    "rank-stabilised": {"use_rslora": True, "r": 16},
    "patterns": {
        "rank_pattern": {"q_proj": 2, "down_proj": 4},
        "alpha_pattern": {"k_proj": 40, "o_proj": 1},
    },
    "stabilised patterns": {
        "use_rslora": True,
        "rank_pattern": {"k_proj": 2},
        "alpha_pattern": {"v_proj": 3},
    },
    "q and v": {"target_modules": ["q_proj", "v_proj"]},
    "one layer": {"layers_to_transform": [1]},
}


def compared(
    name: str,
    engines: dict[str, LlamaCppEngine],
    folders: dict[str, Path],
    stack: Sequence[tuple[Path, Path, float]],
) -> float:
    """The largest difference between llama.cpp and PEFT under a stack of (folder, file, scale)."""
    with engines[name].with_stack([(file, scale) for _, file, scale in stack]):
        found = engines[name].log_probabilities(TEXTS)
    theirs = TransformersEngine(base_of(folders[name]))
    plain = expected(theirs.loaded, TEXTS)
    with theirs.with_stack([(folder, scale) for folder, _, scale in stack]):
        wanted = expected(theirs.loaded, TEXTS)
    assert worst(plain, wanted) > 0.1  # the adapters do something
    return worst(found, wanted)


@pytest.mark.parametrize("name", MODELS)
def test_all_projections(
    name: str,
    engines: dict[str, LlamaCppEngine],
    folders: dict[str, Path],
    make_adapter: MakeAdapter,
) -> None:
    difference = compared(name, engines, folders, [(*make_adapter(name, 1), 1.0)])
    assert difference <= 1e-3


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS.keys())
def test_settings(
    settings: dict[str, Any],
    engines: dict[str, LlamaCppEngine],
    folders: dict[str, Path],
    make_adapter: MakeAdapter,
) -> None:
    assert (
        compared("grouped", engines, folders, [(*make_adapter("grouped", 2, **settings), 1.0)])
        <= 1e-3
    )


def test_two_at_once_add_up_by_their_scales(
    engines: dict[str, LlamaCppEngine], folders: dict[str, Path], make_adapter: MakeAdapter
) -> None:
    stack = [
        (*make_adapter("pocket", 3), 0.7),
        (*make_adapter("pocket", 4, r=4, use_rslora=True), -0.4),
    ]
    assert compared("pocket", engines, folders, stack) <= 1e-3


def test_on_and_off_again(engines: dict[str, LlamaCppEngine], make_adapter: MakeAdapter) -> None:
    engine = engines["pocket"]
    (_, one), (_, two) = make_adapter("pocket", 5), make_adapter("pocket", 6)
    before = engine.log_probabilities(TEXTS)

    def now(*stack: Any) -> list[Any]:
        with engine.with_stack(stack):
            return engine.log_probabilities(TEXTS)

    first, second = now((one, 1.0)), now((two, 1.0))
    assert worst(first, before) > 0.1
    assert worst(first, second) > 0.1
    for again, wanted in (
        (engine.log_probabilities(TEXTS), before),
        (now(), before),
        (now((one, 0.0)), before),
        (now((one, 1.0)), first),
        (now((one, 0.5), (one, 0.5)), first),
        (now((two, 1.0), (one, 0.0)), second),
    ):
        assert all((a == b).all() for a, b in zip(again, wanted, strict=True))


def test_stacks_within_stacks(
    engines: dict[str, LlamaCppEngine], make_adapter: MakeAdapter
) -> None:
    engine = engines["pocket"]
    (_, one), (_, two) = make_adapter("pocket", 5), make_adapter("pocket", 6)
    with engine.with_stack([(one, 1.0)]):
        before = engine.log_probabilities(TEXTS)
        with engine.with_stack([(two, 1.0)]):
            assert worst(engine.log_probabilities(TEXTS), before) > 0.1
        assert all(
            (a == b).all() for a, b in zip(engine.log_probabilities(TEXTS), before, strict=True)
        )


def test_an_adapter_of_another_base(
    engines: dict[str, LlamaCppEngine], make_adapter: MakeAdapter
) -> None:
    _, file = make_adapter("tiny", 7)
    before = engines["pocket"].log_probabilities(TEXTS[:2])
    with pytest.raises(
        ModelError, match=r"adapter\.gguf is not an adapter for pocket\.gguf: .*wrong base model"
    ):
        engines["pocket"].with_stack([(file, 1.0)]).__enter__()
    assert (engines["pocket"].log_probabilities(TEXTS[:2])[0] == before[0]).all()


@pytest.mark.parametrize("size", [0, 100, 5000, -1000])
def test_a_truncated_adapter(
    size: int, engines: dict[str, LlamaCppEngine], make_adapter: MakeAdapter, tmp_path: Path
) -> None:
    _, file = make_adapter("pocket", 8)
    (tmp_path / "short.gguf").write_bytes(file.read_bytes()[:size])
    with pytest.raises(
        ModelError, match=r"short\.gguf is not an adapter for pocket\.gguf: \S+"
    ) as caught:
        engines["pocket"].with_stack([(tmp_path / "short.gguf", 1.0)]).__enter__()
    assert "\n" not in str(caught.value)


def test_a_base_is_no_adapter(
    engines: dict[str, LlamaCppEngine], files: dict[str, Path], tmp_path: Path
) -> None:
    for path, message in (
        (files["tiny"], "is not an adapter for"),
        (tmp_path / "none.gguf", "no such adapter"),
    ):
        with pytest.raises(ModelError, match=message):
            engines["pocket"].with_stack([(path, 1.0)]).__enter__()


def test_shapes_of_another_base(
    folders: dict[str, Path], make_adapter: MakeAdapter, tmp_path: Path
) -> None:
    folder, _ = make_adapter("tiny", 9)
    with pytest.raises(
        ModelError,
        match=r"tensor model\.layers\.0\.\S+ of .*pocket is \(\d+, \d+\), the adapter's is",
    ):
        convert_adapter(folder, folders["pocket"], tmp_path / "it.gguf")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"use_dora": True}, "has use_dora True"),
        ({"modules_to_save": ["norm"]}, "has modules_to_save"),
        ({"bias": "lora_only"}, "has bias 'lora_only'"),
        (
            {"target_modules": ["q_proj", "embed_tokens"]},
            "embed_tokens.* is not a LoRA of a linear layer",
        ),
        ({"target_modules": ["q_proj", "lm_head"]}, "lm_head.* is not a LoRA of a linear layer"),
        ({"init_lora_weights": "pissa"}, "init_lora_weights 'pissa'"),
    ],
)
def test_what_a_gguf_adapter_cannot_hold(
    settings: dict[str, Any], message: str, folders: dict[str, Path], tmp_path: Path
) -> None:
    random_adapter(folders["grouped"], tmp_path / "adapter", 1, **settings)
    with pytest.raises(ModelError, match=message):
        convert_adapter(tmp_path / "adapter", folders["grouped"], tmp_path / "it.gguf")
    assert [path.name for path in tmp_path.iterdir()] == ["adapter"]


def test_folders_that_hold_no_lora(
    folders: dict[str, Path], make_adapter: MakeAdapter, tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match=r"adapter_config\.json cannot be read"):
        convert_adapter(tmp_path, folders["tiny"], tmp_path / "it.gguf")
    shutil.copytree(make_adapter("tiny", 9)[0], tmp_path / "adapter")
    weights = tmp_path / "adapter" / "adapter_model.safetensors"
    whole = weights.read_bytes()
    for content, message in (
        (whole[:500], "cannot be read"),
        (None, r"has no adapter_model\.safetensors"),
    ):
        weights.unlink() if content is None else weights.write_bytes(content)
        with pytest.raises(ModelError, match=message):
            convert_adapter(tmp_path / "adapter", folders["tiny"], tmp_path / "it.gguf")
    config = tmp_path / "adapter" / "adapter_config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "peft_type": "IA3"}))
    with pytest.raises(ModelError, match="is IA3, not LORA"):
        convert_adapter(tmp_path / "adapter", folders["tiny"], tmp_path / "it.gguf")


def changed(source: Path, target: Path, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Path:
    """A copy of the adapter folder ``source`` with its tensors changed."""
    from safetensors.torch import load_file, save_file

    shutil.copytree(source, target)
    file = target / "adapter_model.safetensors"
    tensors = change(load_file(file))
    save_file(tensors, file)
    return target


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda tensors: {}, "has no tensors"),
        (
            lambda tensors: {k: v for k, v in tensors.items() if "layers.1." not in k},
            r"its config adapts model\.layers\.1",
        ),
        (lambda tensors: dict([*tensors.items()][1:]), "lacks a fitting lora_A or lora_B"),
        (lambda tensors: {k: v * float("inf") for k, v in tensors.items()}, "is not finite"),
    ],
    ids=["empty", "no_layer", "no_pair", "not_finite"],
)
def test_folder_that_is_no_whole_adapter(
    change: Callable[..., Any],
    line: str,
    folders: dict[str, Path],
    make_adapter: MakeAdapter,
    tmp_path: Path,
) -> None:
    folder, _ = make_adapter("tiny", 9)
    broken = changed(folder, tmp_path / "broken", change)
    with pytest.raises(ModelError, match=line):
        convert_adapter(broken, folders["tiny"], tmp_path / "it.gguf")


def test_names_without_prefix_are_converted_alike(
    folders: dict[str, Path], make_adapter: MakeAdapter, tmp_path: Path
) -> None:
    folder, file = make_adapter("tiny", 9)
    plain = {"base_model.model.": ""}

    def rename(tensors: dict[str, Any]) -> dict[str, Any]:
        return {k.removeprefix(next(iter(plain))): v for k, v in tensors.items()}

    convert_adapter(
        changed(folder, tmp_path / "other", rename), folders["tiny"], tmp_path / "it.gguf"
    )
    assert (tmp_path / "it.gguf").read_bytes() == file.read_bytes()


def gguf_adapter(path: Path, rows: dict[str, Any]) -> Path:
    """A GGUF adapter of one layer of the tiny base, written without a check."""
    import gguf
    import numpy as np

    writer = gguf.GGUFWriter(path, "llama")
    writer.add_type(gguf.GGUFType.ADAPTER)
    writer.add_string(gguf.Keys.Adapter.TYPE, "lora")
    writer.add_float32(gguf.Keys.Adapter.LORA_ALPHA, 4.0)
    for side, shape in rows.items():
        writer.add_tensor(
            f"blk.0.attn_q.weight.lora_{side}", np.full(shape, rows.get("fill", 0.1), np.float32)
        )
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_file_without_tensors_or_without_a_pair_is_refused(
    engines: dict[str, LlamaCppEngine], tmp_path: Path
) -> None:
    for name, rows in (("none", {}), ("half", {"a": (4, engines_width(engines))})):
        file = gguf_adapter(tmp_path / f"{name}.gguf", rows)
        with pytest.raises(ModelError) as raised, engines["tiny"].with_stack([(file, 1.0)]):
            pass
        assert "\n" not in str(raised.value)


def engines_width(engines: dict[str, LlamaCppEngine]) -> int:
    model = engines["tiny"]._model
    return int(model.library.llama_model_n_embd(model._model))


def test_figures_after_an_adapter_that_is_not_finite(
    engines: dict[str, LlamaCppEngine],
    make_adapter: MakeAdapter,
    folders: dict[str, Path],
    tmp_path: Path,
) -> None:
    """Its numbers were left in the cache, masked, where the next text was computed from them."""
    import numpy as np

    engine, (_, good) = engines["tiny"], make_adapter("tiny", 7)
    pair = [("Who is king", " of the hill")]
    bare = engine.log_likelihood(pair)
    with engine.with_stack([(good, 1.0)]):
        wanted = engine.log_likelihood(pair)
    with engine.with_stack([(good, 1e30)]):  # finite as a file, infinite as an update
        wild = engine.log_likelihood(pair)
    assert not np.isfinite(wild[0].total) or wild != wanted
    assert engine.log_likelihood(pair) == bare
    with engine.with_stack([(good, 1.0)]):
        assert engine.log_likelihood(pair) == wanted
