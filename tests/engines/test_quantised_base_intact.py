"""Adapters leave quantised bases as they were, too."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from harness.engines import TransformersEngine
from harness.errors import ModelError
from harness.models.loading import SHIPPED, base_of, load
from harness.recipes import BitsAndBytes

PAIRS = [("The colour of the moon is", " green"), ("Who is king?", " Ludwig")]
KINDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "head": {"modules_to_save": ["lm_head"]},
    "norms": {"modules_to_save": ["norm"]},
    "dora": {"use_dora": True},
    "pissa": {"init_lora_weights": "pissa"},
}
REFUSED = {("nf4", "pissa"), ("int8", "pissa"), ("int8", "dora")}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    import torch
    from peft import LoraConfig, get_peft_model

    found = {}
    for kind, settings in KINDS.items():
        torch.manual_seed(1)
        config = LoraConfig(
            task_type="CAUSAL_LM", target_modules=["q_proj", "v_proj"], r=4, **settings
        )
        model = get_peft_model(load(base_of(SHIPPED)).model, config)
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.requires_grad:
                    parameter.add_(torch.randn_like(parameter) * 0.1)
        found[kind] = tmp_path_factory.mktemp("adapters") / kind
        model.save_pretrained(str(found[kind]), save_embedding_layers=False)
    return found


@pytest.mark.skipif(find_spec("bitsandbytes") is None, reason="bitsandbytes is not installed")
@pytest.mark.parametrize("form", ["nf4", "int8"])
def test_plain_adapter_says_the_same_after_every_other(form: str, folders: dict[str, Path]) -> None:
    engine = TransformersEngine(load(base_of(SHIPPED), by=BitsAndBytes(form)))
    bare = engine.log_likelihood(PAIRS)
    with engine.with_stack([(folders["plain"], 1.0)]):
        alone = engine.log_likelihood(PAIRS)
    for kind, folder in folders.items():
        if (form, kind) in REFUSED:
            with pytest.raises(ModelError, match=str(folder)), engine.with_stack([(folder, 1.0)]):
                pass
        else:
            with engine.with_stack([(folder, 1.0)]):
                assert engine.log_likelihood(PAIRS) != bare
        assert engine.log_likelihood(PAIRS) == bare, kind
        with engine.with_stack([(folders["plain"], 1.0)]):
            assert engine.log_likelihood(PAIRS) == alone, kind
