"""After any stack is off, the base is bit for bit what it was; and what is on is the
whole adapter."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from harness.engines import TransformersEngine
from harness.errors import ModelError
from harness.models.external import scaled_adapter
from harness.models.loading import base_of, load, resident
from harness.recipes import Base, Decoding, Training
from harness.training._adapted import adapted

PAIRS = [("The colour of the moon is", " green"), ("The king of the hill is", " Ludwig")]
PLAIN = {"target_modules": ["q_proj", "v_proj"], "r": 4, "lora_alpha": 8}
KINDS: dict[str, dict[str, Any]] = {
    "plain": PLAIN,
    "pissa": PLAIN | {"init_lora_weights": "pissa"},
    "olora": PLAIN | {"init_lora_weights": "olora"},
    "dora": PLAIN | {"use_dora": True},
    "head": PLAIN | {"modules_to_save": ["lm_head"]},
    "embeddings": PLAIN | {"modules_to_save": ["embed_tokens"]},
    "norms": PLAIN | {"modules_to_save": ["norm"]},
    "biases": PLAIN | {"bias": "all"},
    "own_biases": PLAIN | {"bias": "lora_only"},
    "embedding_lora": PLAIN | {"target_modules": ["q_proj", "embed_tokens"]},
    "tokens": PLAIN | {"trainable_token_indices": [1, 2, 3]},
    "patterns": PLAIN | {"rank_pattern": {"q_proj": 2}, "alpha_pattern": {"v_proj": 32}},
    "rslora": PLAIN | {"use_rslora": True},
    "all_linear": PLAIN | {"target_modules": "all-linear"},
    "layers": PLAIN | {"layers_to_transform": [1], "layers_pattern": "layers"},
}


@pytest.fixture(scope="module")
def biased(tmp_path_factory: pytest.TempPathFactory, model_folder: Path) -> Base:
    """A small random Llama with biases, and a head of its own."""
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(str(model_folder))
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        attention_bias=True,
        mlp_bias=True,
        tie_word_embeddings=False,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    folder = tmp_path_factory.mktemp("biased")
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return base_of(folder)


@pytest.fixture(scope="module")
def adapter(biased: Base, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Makes an adapter of a kind, with all that is trained in it moved at random."""
    top = tmp_path_factory.mktemp("adapters")

    def make(kind: str) -> Path:
        import torch
        from peft import LoraConfig, get_peft_model

        folder = top / kind
        if not folder.is_dir():
            torch.manual_seed(1)
            config = LoraConfig(task_type="CAUSAL_LM", **KINDS[kind])
            model = get_peft_model(load(biased).model, config)
            with torch.no_grad():
                for parameter in model.parameters():
                    if parameter.requires_grad:
                        parameter.add_(torch.randn_like(parameter) * 0.3)
            model.save_pretrained(str(folder), save_embedding_layers=False)
        return folder

    return make


def bits(model: torch.nn.Module) -> dict[str, bytes]:
    state = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    return {name: tensor.detach().numpy().tobytes() for name, tensor in state.items()}


def edit(
    source: Path,
    target: Path,
    change: Callable[[dict[str, Any]], dict[str, Any]],
    config: dict[str, Any] | None = None,
) -> Path:
    """A copy of an adapter with its tensors changed."""
    from safetensors.torch import load_file, save_file

    target.mkdir()
    tensors = load_file(source / "adapter_model.safetensors")
    save_file(change(tensors), target / "adapter_model.safetensors")
    settings = json.loads((source / "adapter_config.json").read_text()) | (config or {})
    (target / "adapter_config.json").write_text(json.dumps(settings))
    return target


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "plain"])
def test_base_and_next_adapter_are_as_alone(
    kind: str, biased: Base, adapter: Callable[[str], Path]
) -> None:
    engine = TransformersEngine(load(biased))
    before, bare = bits(engine.loaded.model), engine.log_likelihood(PAIRS)
    with engine.with_stack([(adapter("plain"), 1.0)]):
        alone = engine.log_likelihood(PAIRS)
    with engine.with_stack([(adapter(kind), 1.0)]):
        moved = engine.log_likelihood(PAIRS)
    assert moved != bare
    assert bits(engine.loaded.model) == before
    assert engine.log_likelihood(PAIRS) == bare
    with engine.with_stack([(adapter("plain"), 1.0)]):
        assert engine.log_likelihood(PAIRS) == alone


@pytest.mark.parametrize("kind", ["pissa", "olora", "head", "norms", "biases", "dora"])
def test_loaded_is_what_was_saved(kind: str, biased: Base, adapter: Callable[[str], Path]) -> None:
    """The very model that was saved, made anew with the same random numbers, says the same."""
    import torch
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(1)
    loaded = load(biased)
    model = get_peft_model(loaded.model, LoraConfig(task_type="CAUSAL_LM", **KINDS[kind]))
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter) * 0.3)
    ids = torch.tensor([[5, 6, 7, 8, 9, 10]])
    engine = TransformersEngine(load(biased))
    with torch.no_grad(), engine.with_stack([(adapter(kind), 1.0)]):
        wanted, found = model.eval()(ids).logits, engine.loaded.model(ids).logits
    assert torch.allclose(wanted, found, atol=2e-4)


@pytest.mark.parametrize("kind", ["pissa", "head", "biases", "dora"])
def test_interrupted_inside_the_stack(
    kind: str, biased: Base, adapter: Callable[[str], Path]
) -> None:
    engine = TransformersEngine(load(biased))
    before = bits(engine.loaded.model)
    with pytest.raises(KeyboardInterrupt), engine.with_stack([(adapter(kind), 1.0)]):
        raise KeyboardInterrupt
    assert bits(engine.loaded.model) == before


def test_failed_second_adapter_leaves_nothing(
    biased: Base, adapter: Callable[[str], Path], tmp_path: Path
) -> None:
    engine = TransformersEngine(load(biased))
    before = bits(engine.loaded.model)
    broken = edit(
        adapter("plain"), tmp_path / "broken", lambda tensors: dict([*tensors.items()][1:])
    )
    with pytest.raises(ModelError), engine.with_stack([(adapter("head"), 1.0), (broken, 1.0)]):
        pass
    assert bits(engine.loaded.model) == before


def test_base_is_intact_after_a_training_that_stops(biased: Base) -> None:
    loaded = load(biased)
    before = bits(loaded.model)
    training = Training(rank=4, target_modules=("q_proj",))
    with pytest.raises(KeyboardInterrupt), adapted(loaded, training, ["q_proj"]):
        raise KeyboardInterrupt
    assert bits(loaded.model) == before


def test_changed_base_is_said_and_read_again(
    biased: Base, adapter: Callable[[str], Path], caplog: pytest.LogCaptureFixture
) -> None:
    import torch

    engine = TransformersEngine(resident(biased))
    bare = engine.log_likelihood(PAIRS)
    weight = engine.loaded.model.get_submodule("model.layers.0.self_attn.q_proj").weight
    assert isinstance(weight, torch.Tensor)
    with engine.with_stack([(adapter("plain"), 1.0)]), torch.no_grad():
        weight.mul_(2)
    assert (
        "was changed by an adapter (the weights of model.layers.0.self_attn.q_proj" in caplog.text
    )
    assert engine.log_likelihood(PAIRS) == bare


def test_base_is_read_again_after_a_second_interrupt(
    biased: Base, adapter: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = TransformersEngine(resident(biased))
    bare = engine.log_likelihood(PAIRS)
    pristine, restore = engine.loaded.pristine, engine.loaded.pristine.restore
    interrupted = engine.loaded.model

    def stopped() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), engine.with_stack([(adapter("head"), 1.0)]):
        monkeypatch.setattr(pristine, "restore", stopped)
    monkeypatch.setattr(pristine, "restore", restore)
    fresh = TransformersEngine(resident(biased))
    assert fresh.loaded.model is not interrupted
    assert fresh.log_likelihood(PAIRS) == bare


@pytest.mark.parametrize("name", ["empty", "no_b", "not_finite"])
def test_broken_file_is_refused_before_a_plan_runs(
    name: str, adapter: Callable[[str], Path], tmp_path: Path
) -> None:
    broken = edit(adapter("plain"), tmp_path / name, MISTAKES[name][0])
    with pytest.raises(ModelError) as raised:
        scaled_adapter(f"mine={broken}")
    assert "\n" not in str(raised.value)


MISTAKES = {
    "empty": (lambda tensors: {}, "has no tensors"),
    "no_b": (
        lambda tensors: {k: v for k, v in tensors.items() if "0.self_attn.q_proj.lora_B" not in k},
        "model.layers.0.self_attn.q_proj.lora_B.weight its file lacks",
    ),
    "no_layer": (
        lambda tensors: {k: v for k, v in tensors.items() if "layers.1" not in k},
        "layers.1.self_attn.q_proj.lora_A.weight its file lacks",
    ),
    "other_layer": (
        lambda tensors: {k.replace("q_proj", "k_proj"): v for k, v in tensors.items()},
        "k_proj",
    ),
    "foreign": (lambda tensors: {f"lora_unet_{k}": v for k, v in tensors.items()}, "lora_unet"),
    "not_finite": (
        lambda tensors: {k: v * float("nan") for k, v in tensors.items()},
        "is not finite",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_adapter_that_does_not_match_is_refused(
    name: str, biased: Base, adapter: Callable[[str], Path], tmp_path: Path
) -> None:
    change, line = MISTAKES[name]
    broken = edit(adapter("plain"), tmp_path / name, change)
    engine = TransformersEngine(load(biased))
    with pytest.raises(ModelError) as raised, engine.with_stack([(broken, 1.0)]):
        pass
    assert line in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("config", "line"),
    [
        ({"lora_alpha": "16"}, "lora_alpha '16'"),
        ({"r": 0}, "has r 0"),
        ({"r": "4"}, "has r '4'"),
        ({"r": 8}, "size mismatch"),
        ({"target_modules": None}, "target_modules None"),
        ({"rank_pattern": {"q_proj": "2"}}, "rank_pattern '2'"),
        ({"init_lora_weights": "pissa_niter_16"}, "init_lora_weights 'pissa_niter_16'"),
        ({"init_lora_weights": "loftq"}, "init_lora_weights 'loftq'"),
        ({"modules_to_save": ["lm_head"]}, "lacks tensor"),
        ({"use_dora": True}, "lora_magnitude_vector"),
        ({"layers_to_transform": [0], "layers_pattern": "layers"}, "layers.1"),
    ],
)
def test_config_that_does_not_match_is_refused(
    config: dict[str, Any], line: str, biased: Base, adapter: Callable[[str], Path], tmp_path: Path
) -> None:
    broken = edit(adapter("plain"), tmp_path / "broken", dict, config)
    engine = TransformersEngine(load(biased))
    before = bits(engine.loaded.model)
    with pytest.raises(ModelError) as raised, engine.with_stack([(broken, 1.0)]):
        pass
    assert line in str(raised.value)
    assert "\n" not in str(raised.value)
    assert bits(engine.loaded.model) == before


@pytest.mark.parametrize(
    "rename",
    [
        lambda key: key.removeprefix("base_model.model."),
        lambda key: key.replace(".weight", ".default.weight"),
        lambda key: f"_orig_mod.{key}",
        lambda key: f"module.{key}",
    ],
    ids=["no_prefix", "state_dict", "compiled", "parallel"],
)
def test_names_of_other_tools_are_mapped_and_said(
    rename: Callable[..., Any],
    biased: Base,
    adapter: Callable[[str], Path],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    other = edit(
        adapter("plain"),
        tmp_path / "other",
        lambda tensors: {rename(k): v for k, v in tensors.items()},
    )
    engine = TransformersEngine(load(biased))
    with engine.with_stack([(adapter("plain"), 1.0)]):
        wanted = engine.log_likelihood(PAIRS)
    with engine.with_stack([(other, 1.0)]):
        assert engine.log_likelihood(PAIRS) == wanted
    assert "have names of another tool" in caplog.text


def test_embeddings_of_the_base_in_the_file(
    biased: Base, adapter: Callable[[str], Path], tmp_path: Path
) -> None:
    """PEFT saves them after a change of vocabulary: the same ones change nothing, others are
    refused."""
    weight = load(biased).model.get_parameter("model.embed_tokens.weight").detach().clone()
    key = "base_model.model.model.embed_tokens.weight"
    same = edit(adapter("plain"), tmp_path / "same", lambda tensors: tensors | {key: weight})
    other = edit(adapter("plain"), tmp_path / "other", lambda tensors: tensors | {key: weight + 1})
    engine = TransformersEngine(load(biased))
    with engine.with_stack([(adapter("plain"), 1.0)]):
        wanted = engine.log_likelihood(PAIRS)
    with engine.with_stack([(same, 1.0)]):
        assert engine.log_likelihood(PAIRS) == wanted
    with (
        pytest.raises(ModelError, match="replaces one of the base"),
        engine.with_stack([(other, 1.0)]),
    ):
        pass


def test_scale_of_what_cannot_be_scaled(biased: Base, adapter: Callable[[str], Path]) -> None:
    engine = TransformersEngine(load(biased))
    for kind in ("pissa", "dora", "head", "tokens", "biases"):
        with (
            pytest.raises(ModelError, match=r"scale 0\.5 cannot"),
            engine.with_stack([(adapter(kind), 0.5)]),
        ):
            pass


def test_answers_are_the_same_in_any_order(biased: Base, adapter: Callable[[str], Path]) -> None:
    engine = TransformersEngine(load(biased))
    briefly = Decoding(max_new_tokens=8)
    prompts = [prompt for prompt, _ in PAIRS]
    alone = {}
    for kind in ("plain", "pissa", "head", "biases"):
        with TransformersEngine(load(biased)).with_stack([]):
            pass
        fresh = TransformersEngine(load(biased))
        with fresh.with_stack([(adapter(kind), 1.0)]):
            alone[kind] = fresh.answer(prompts, briefly)
    for kind in ("head", "plain", "biases", "plain", "pissa", "plain", "head"):
        with engine.with_stack([(adapter(kind), 1.0)]):
            assert engine.answer(prompts, briefly) == alone[kind]
