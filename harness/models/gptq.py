"""GPTQ: bases with linear layers in 2 to 8 bits, by transformers, Optimum and GPTQModel."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import MissingExtraError, ModelError, first_line
from harness.models.files import INDEX, check_complete, encode
from harness.models.quiet import quiet

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

BITS = (2, 3, 4, 8)
GROUPS = (16, 32, 64, 128, 256, 512, 1024)
"""Group sizes that the kernel knows."""
_PACKAGE = "gptqmodel"
_WORD = 32
"""Layers are packed into words of 32 bits: inputs and outputs must be multiples of it."""
_KERNEL = "gptq_torch"
"""The only kernel that trains on any device, in any dtype and at any width. The one that GPTQModel
picks may only infer (AVX-512), and gptq_torch_aten passes no gradients after it has answered in
bfloat16."""


@cache
def use() -> None:
    """Import GPTQModel silently. Raises MissingExtraError where that is not possible."""
    if not (find_spec(_PACKAGE) and find_spec("optimum")):
        raise MissingExtraError("GPTQModel", "gptq")
    try:
        with quiet():
            from logbar import LogBar

            LogBar.shared().setLevel("CRITICAL")  # it ignores the levels of Python's logging
            from gptqmodel.nn_modules.qlinear import torch as kernel
            from gptqmodel.utils import torch as compiled
    except ImportError as error:
        raise MissingExtraError(
            "GPTQModel", "gptq", f"found, but its import failed: {error}"
        ) from error
    # Otherwise inductor compiles each kernel with a C++ compiler, at its first answer and again at
    # its first training step.
    compiled.TORCH_HAS_COMPILE = False
    # GPT-2 initialises the weights of some layers by name. A packed layer shows only their shape,
    # and this mark says that there is nothing to initialise.
    if metadata := getattr(kernel, "_LinearWeightMetadata", None):
        metadata._is_hf_initialized = True
    _refresh_peft()


def spare() -> None:
    """Keep PEFT from importing GPTQModel for a base that does not need it.

    PEFT checks once whether GPTQModel is installed, and remembers that. ``use`` makes it check
    again.
    """
    if _PACKAGE in sys.modules or find_spec(_PACKAGE) is None:
        return
    modules: dict[str, Any] = sys.modules
    modules[_PACKAGE] = None  # Python then treats the module as not installed
    try:
        with quiet():  # PEFT imports torchao, which comes with GPTQModel and warns
            _refresh_peft()
    finally:
        del modules[_PACKAGE]


def _refresh_peft() -> None:
    """Make PEFT check again whether GPTQModel is there."""
    from peft.import_utils import is_gptqmodel_available

    is_gptqmodel_available.cache_clear()
    is_gptqmodel_available()


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
    """Quantise the transformers model in ``folder``; transformers can load the result in ``out``.

    Symmetric, format ``gptq`` (version 1). The same input gives the same bytes on the same machine
    with the same number of threads.

    Args:
        bits: 2, 3, 4 or 8.
        group: number of a layer's inputs that share a scale.
        desc_act: quantise inputs in the order of their activation: slower, sometimes better.
        calibration: texts whose activations weight the errors, cut at the model's context.
        device: where the layers are quantised; None: CUDA where there is one, else the CPU.

    Raises:
        MissingExtraError: GPTQModel is not installed.
        ModelError: bits, group or calibration are invalid, or the model in ``folder`` cannot be
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
    # Without the variable GPTQModel compiles C++ into the home directory, for 40 s.
    with quiet(GPTQMODEL_DISABLE_PACK_EXT="1"):
        model, tokenizer, dtype = _read(folder, device)
        _check(model, folder, group)
        rows = _rows(tokenizer, model, calibration)
        quantised = _quantised(model, rows, bits, group, desc_act)
        _save(quantised, folder, out, dtype)


def loading(folder: Path, training: bool = True, device: str = "cpu") -> dict[str, Any]:
    """Arguments that ``AutoModelForCausalLM.from_pretrained`` needs for the model in ``folder``.

    Empty for a model without GPTQ, for which GPTQModel is not imported. Without ``training``
    GPTQModel picks the fastest kernel for ``device``, which may lack gradients and float32.

    Raises:
        MissingExtraError: the model is a GPTQ one and GPTQModel is not installed.
    """
    settings = _config(folder).get("quantization_config") or {}
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


def _config(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "config.json").read_text()))


def _read(
    folder: Path, device: str | None
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase, torch.dtype]:
    """The model in float32, its tokenizer, and the dtype that it is stored in."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    local: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    try:
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(str(folder), **local)
        read: Any = AutoModelForCausalLM.from_pretrained
        model, loading_info = read(
            str(folder),
            dtype=torch.float32,
            use_safetensors=True,
            output_loading_info=True,
            **local,
        )
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise ModelError(f"{folder} cannot be quantised: {first_line(error)}") from error
    check_complete(str(folder), loading_info)
    if getattr(model.config, "quantization_config", None):
        raise ModelError(f"{folder} is quantised already: give the model that it was made from")
    stored = _config(folder)
    name = stored.get("dtype") or stored.get("torch_dtype") or "float32"
    model.to(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    return model, tokenizer, getattr(torch, name)


def _check(model: PreTrainedModel, folder: Path, group: int) -> None:
    """Raise ModelError for the first layer that does not fit, before minutes are spent."""
    from optimum.gptq.utils import get_block_name_with_pattern, get_layers
    from transformers.pytorch_utils import Conv1D

    try:
        layers = get_layers(model, prefix=get_block_name_with_pattern(model))
    except ValueError:
        layers = {}
    if not layers:  # Falcon's are of a class of its own, and would stay as they are
        kind = model.config.model_type
        raise ModelError(
            f"{folder} is of type {kind!r}: gptq knows no layers in it, take another base"
        )
    for name, layer in layers.items():
        outputs, inputs = layer.weight.shape[:: -1 if isinstance(layer, Conv1D) else 1]
        if inputs % group:
            raise ModelError(
                f"group is {group}: it does not divide the {inputs} inputs of {name}, choose"
                " another"
            )
        if inputs % _WORD or outputs % _WORD:
            raise ModelError(
                f"{name} has {inputs} inputs and {outputs} outputs: gptq packs multiples of"
                f" {_WORD}, use another base"
            )


def _rows(
    tokenizer: PreTrainedTokenizerBase, model: PreTrainedModel, calibration: Sequence[str]
) -> list[dict[str, list[list[int]]]]:
    """The calibration texts as GPTQModel takes them, each a batch of one row."""
    context = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    rows = [encode(tokenizer, text)[:context] for text in calibration]
    return [{"input_ids": [ids], "attention_mask": [[1] * len(ids)]} for ids in rows if ids]


def _quantised(
    model: PreTrainedModel, rows: list[Any], bits: int, group: int, desc_act: bool
) -> Any:
    """``model`` with packed layers, and the settings of GPTQ in its config."""
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
    quantised: Any = method.quantize_model(model)
    # GPTQModel computes in version 2 of the format; every other tool reads version 1
    quantised, _ = hf_convert_gptq_v2_to_v1_format(
        quantised, True, bits, method.quant_linear, method.format, method.meta
    )
    method.format = "gptq"
    settings = {name: value for name, value in method.to_dict().items() if name != "dataset"}
    quantised.config.quantization_config = {
        **settings,
        "quant_method": "gptq",
        "checkpoint_format": "gptq",
    }
    return quantised


def _save(model: Any, folder: Path, out: Path, dtype: torch.dtype) -> None:
    """Write the model and the tokenizer's files; unpacked weights get their stored ``dtype``."""
    for parameter in model.parameters():
        parameter.data = parameter.data.to(dtype)
    model.config.dtype = dtype
    out.mkdir(parents=True, exist_ok=True)
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.suffix in {".json", ".jinja", ".model", ".txt", ".tiktoken"}:
            shutil.copyfile(path, out / path.name)
    (out / INDEX).unlink(missing_ok=True)  # it lists the shards of the unquantised weights
    model.save_pretrained(str(out))
