"""GPTQ: a base whose linear layers are stored in 2 to 8 bits, by transformers, Optimum and
GPTQModel."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import MissingExtraError, ModelError
from harness.models.checkpoint import check_complete
from harness.models.quiet import quiet
from harness.models.tokens import encode

NAME = "gptqmodel"


@cache
def use() -> None:
    """Import GPTQModel without a word. Raises MissingExtraError where it cannot be."""
    if not (find_spec(NAME) and find_spec("optimum")):
        raise MissingExtraError("GPTQModel", "gptq")
    try:
        with quiet():
            from logbar import LogBar

            LogBar.shared().setLevel("CRITICAL")  # its own logger, which obeys nothing else
            from gptqmodel.utils import torch as compiled
    except ImportError as error:
        raise MissingExtraError(
            "GPTQModel", "gptq", f"found, but its import failed: {error}"
        ) from error
    # else inductor compiles each kernel at its first answer and again at its first training step,
    # with a C++ compiler
    compiled.TORCH_HAS_COMPILE = False
    _tell_peft()


def spare() -> None:
    """Keep PEFT from importing GPTQModel for the layers of a base that is not quantised with it.

    PEFT asks whether it is installed and remembers the answer; a base that needs it makes PEFT ask
    again.
    """
    if NAME in sys.modules or find_spec(NAME) is None:
        return
    blocked: dict[str, Any] = (
        sys.modules
    )  # None for a module is Python's own way of saying that it is not there
    blocked[NAME] = None
    try:
        with quiet():  # PEFT imports torchao, which comes with GPTQModel and warns
            _tell_peft()
    finally:
        del blocked[NAME]


def _tell_peft() -> None:
    from peft.import_utils import is_gptqmodel_available as asked

    asked.cache_clear()
    asked()


if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

BITS = (2, 3, 4, 8)
GROUPS = (16, 32, 64, 128, 256, 512, 1024)
"""Group sizes that the kernel knows."""
_PACKED = 32
"""Layers are packed in words of 32 bits, so their inputs and outputs come in multiples of it."""
_KERNEL = "gptq_torch"
"""The one kernel that trains, on any device, in any dtype, at any width. The one picked
automatically may only infer (AVX-512), and gptq_torch_aten stops passing gradients on once it has
answered in bfloat16."""


def gptq(
    folder: Path,
    out: Path,
    *,
    bits: int,
    group: int,
    desc_act: bool,
    calibration: Sequence[str],
    device: str | None = None,
) -> None:
    """Quantise the transformers model in ``folder`` into the folder ``out``, which transformers
    loads.

    Symmetric, format ``gptq`` (version 1). The same input gives the same bytes on one machine with
    one number of threads.

    Args:
        bits: 2, 3, 4 or 8.
        group: how many inputs of a layer share a scale.
        desc_act: quantise inputs in the order of their activation: slower, sometimes better.
        calibration: texts on whose activations the errors are weighed, cut at the model's context.
        device: where the layers are quantised; None: CUDA where there is one, else the CPU.

    Raises:
        MissingExtraError: GPTQModel is not installed.
        ModelError: bits, group or calibration do not fit, or ``folder`` holds no model that can be
            quantised.
    """
    if bits not in BITS:
        raise ModelError(f"bits is {bits}: gptq takes one of {', '.join(map(str, BITS))}")
    if group not in GROUPS:
        raise ModelError(f"group is {group}: gptq takes one of {', '.join(map(str, GROUPS))}")
    if not any(text.strip() for text in calibration):
        raise ModelError(
            f"calibration holds no text ({len(calibration)} given): give some that the model should"
            " keep"
        )
    use()
    with quiet(
        GPTQMODEL_DISABLE_PACK_EXT="1"
    ):  # else it compiles C++ into the home directory: 40 s
        model, tokenizer, dtype = _read(folder, device)
        _check(model, folder, group)
        made = _quantised(model, _rows(tokenizer, model, calibration), bits, group, desc_act)
        _save(made, folder, out, dtype)


def loading(folder: Path, training: bool = True, device: str = "cpu") -> dict[str, Any]:
    """What ``AutoModelForCausalLM.from_pretrained`` needs on top for the model in ``folder``.

    Nothing for one that is not quantised with GPTQ, which then also stays clear of GPTQModel.
    Without ``training`` the fastest kernel for ``device`` is picked, which may take neither
    gradients nor float32.

    Raises:
        MissingExtraError: the model is a GPTQ one and GPTQModel is not installed.
    """
    settings: dict[str, Any] = (
        json.loads((folder / "config.json").read_text()).get("quantization_config") or {}
    )
    if settings.get("quant_method") != "gptq":
        spare()
        return {}
    use()
    from transformers import AutoConfig

    config: Any = AutoConfig.from_pretrained(
        str(folder), local_files_only=True, trust_remote_code=False
    )
    config.quantization_config["backend"] = _KERNEL if training else "auto"
    return {"config": config} | ({} if device == "cpu" else {"device_map": {"": device}})


def _read(
    folder: Path, device: str | None
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase, torch.dtype]:
    """The model in float32, its tokenizer, and the dtype that it is stored in."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    kept: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    try:
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(str(folder), **kept)
        read: Any = AutoModelForCausalLM.from_pretrained
        model, told = read(
            str(folder), dtype=torch.float32, use_safetensors=True, output_loading_info=True, **kept
        )
    except (OSError, ValueError, KeyError, ImportError) as error:
        line = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelError(f"{folder} cannot be quantised: {line}") from error
    check_complete(str(folder), told)
    if getattr(model.config, "quantization_config", None):
        raise ModelError(f"{folder} is quantised already: give the model that it was made from")
    stored = json.loads((folder / "config.json").read_text())
    name = stored.get("dtype") or stored.get("torch_dtype") or "float32"
    model.to(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    return model, tokenizer, getattr(torch, name)


def _check(model: PreTrainedModel, folder: Path, group: int) -> None:
    """Raise ModelError for the first layer that does not fit, before minutes are spent on those
    that do."""
    from optimum.gptq.utils import get_block_name_with_pattern, get_layers

    try:
        blocks = get_block_name_with_pattern(model)
    except ValueError as error:
        kind = model.config.model_type
        raise ModelError(
            f"{folder} is of type {kind!r}: gptq knows no layers in it, take another base"
        ) from error
    for name, layer in get_layers(model, prefix=blocks).items():
        outputs, inputs = layer.weight.shape
        if inputs % group:
            raise ModelError(
                f"group is {group}: it does not divide the {inputs} inputs of {name}, choose"
                " another"
            )
        if inputs % _PACKED or outputs % _PACKED:
            raise ModelError(
                f"{name} has {inputs} inputs and {outputs} outputs: gptq packs multiples of"
                f" {_PACKED}, use another base"
            )


def _rows(
    tokenizer: PreTrainedTokenizerBase, model: PreTrainedModel, calibration: Sequence[str]
) -> list[dict[str, list[list[int]]]]:
    context = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    found = [encode(tokenizer, text)[:context] for text in calibration]
    return [{"input_ids": [ids], "attention_mask": [[1] * len(ids)]} for ids in found if ids]


def _quantised(
    model: PreTrainedModel, rows: list[Any], bits: int, group: int, desc_act: bool
) -> Any:
    """``model`` with packed layers, and its settings in its config."""
    from gptqmodel.utils.model import hf_convert_gptq_v2_to_v1_format
    from optimum.gptq import GPTQQuantizer

    method = GPTQQuantizer(
        bits=bits,
        group_size=group,
        desc_act=desc_act,
        act_group_aware=not desc_act,  # the two exclude each other
        dataset=rows,
        backend=_KERNEL,
    )
    made: Any = method.quantize_model(model)
    # it works in version 2 of the format; version 1 is what every other tool reads
    made, _ = hf_convert_gptq_v2_to_v1_format(
        made, True, bits, method.quant_linear, method.format, method.meta
    )
    method.format = "gptq"
    settings = {name: value for name, value in method.to_dict().items() if name != "dataset"}
    made.config.quantization_config = {
        **settings,
        "quant_method": "gptq",
        "checkpoint_format": "gptq",
    }
    return made


def _save(model: Any, folder: Path, out: Path, dtype: torch.dtype) -> None:
    """The packed layers, what is left of the model in the dtype that it was stored in, and the
    tokenizer's files."""
    for left in model.parameters():
        left.data = left.data.to(dtype)
    model.config.dtype = dtype
    out.mkdir(parents=True, exist_ok=True)
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.suffix in {".json", ".jinja", ".model", ".txt", ".tiktoken"}:
            shutil.copyfile(path, out / path.name)
    (out / "model.safetensors.index.json").unlink(
        missing_ok=True
    )  # that of the unquantised weights
    model.save_pretrained(str(out))
