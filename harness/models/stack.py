"""Adapters on a base in memory: loaded by PEFT, several active at once, each with its scale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import ModelError, first_line
from harness.models.adapters import (
    SAME_RESIDUAL,
    check_initialisation,
    lora_config,
    shapes,
    tensor_names,
    tensors,
)
from harness.models.pristine import Pristine

if TYPE_CHECKING:
    import torch


def touched(model: Any, folders: Sequence[Path]) -> set[str]:
    """Modules of ``model`` that the adapters in ``folders`` name. Raises ModelError."""
    names = {name for name, _ in model.named_modules()}
    found = set()
    for folder in folders:
        lora_config(folder)
        for key in tensor_names(folder):
            parts = key.removeprefix("base_model.model.").split(".")
            found |= {".".join(parts[:end]) for end in range(1, len(parts))} & names
    return found


def wrap(model: Any, folders: Mapping[str, Path], base: str, pristine: Pristine) -> Any:
    """A PeftModel around ``model`` with an adapter of each folder, under its name.

    What it writes into the base itself is saved in ``pristine`` first.

    Raises:
        ModelError: a folder holds no adapter for the base, whose name is ``base``.
    """
    wrapped: Any = None
    for name, folder in folders.items():
        wrapped = put_on(wrapped, model, name, folder, base, pristine)
    return wrapped


def put_on(wrapped: Any, model: Any, name: str, folder: Path, base: str, pristine: Pristine) -> Any:
    """``wrapped`` (None: a new PeftModel around ``model``) with one adapter more.

    Every tensor of the file is used, and every layer that the config names has all of its tensors:
    PEFT leaves what is missing at random values, and passes over what does not match.

    Raises:
        ModelError: that does not hold. The line names the first tensor that does not fit.
    """
    from peft import LoraConfig, PeftModelForCausalLM, set_peft_model_state_dict

    config, named = lora_config(folder), tensors(folder)
    check_initialisation(folder, config, quantised=getattr(model, "hf_quantizer", None) is not None)
    if config.get("use_dora") and getattr(model, "is_loaded_in_8bit", False):
        raise ModelError(f"{folder} is DoRA: PEFT breaks an int8 base with it, use nf4 or hf")
    _check_shapes(folder, named, model, base)
    _check_base_tensors(folder, config, named, model, base, pristine)
    settings = read(folder, base, LoraConfig.from_pretrained, str(folder))
    settings.inference_mode = True
    settings.task_type = "CAUSAL_LM"
    if wrapped is None:
        wrapped = read(folder, base, PeftModelForCausalLM, model, settings, adapter_name=name)
    else:
        read(folder, base, wrapped.add_adapter, name, settings)
    result = read(folder, base, set_peft_model_state_dict, wrapped, named, name)
    if result.unexpected_keys:
        key = sorted(result.unexpected_keys)[0].replace(f".{name}", "")
        raise ModelError(f"{folder} is no adapter for {base}: nothing there takes its tensor {key}")
    marks = (f".{name}.", f".{name}")
    missing = sorted(k for k in result.missing_keys if marks[0] in k or k.endswith(marks[1]))
    if missing:
        key = missing[0].replace(f".{name}", "")
        line = f"its config adapts a layer whose tensor {key} its file lacks"
        raise ModelError(f"{folder} is no whole adapter for {base}: {line}, save it again")
    return wrapped


def _check_shapes(folder: Path, named: Mapping[str, torch.Tensor], model: Any, base: str) -> None:
    """Names and shapes of LoRA tensors against the layers of ``model``: PEFT takes many lines for
    it.

    Raises:
        ModelError: they are not those of ``base``.
    """
    for module, side, shape in shapes(named):
        try:
            layer = model.get_submodule(module)
        except AttributeError:
            line = f"that has no {module}, give its own base"
            raise ModelError(f"{folder} is no adapter for {base}: {line}") from None
        width = getattr(layer, {"A": "in_features", "B": "out_features"}[side], None)
        here = shape[-1 if side == "A" else 0]
        if width is not None and here != width:
            name = {"A": "inputs", "B": "outputs"}[side]
            line = f"{module} has {width} {name} there and {here} here, give its own base"
            raise ModelError(f"{folder} is no adapter for {base}: {line}")


def _check_base_tensors(
    folder: Path,
    config: Mapping[str, Any],
    named: dict[str, torch.Tensor],
    model: Any,
    base: str,
    pristine: Pristine,
) -> None:
    """Tensors that have the name of one of the base's own.

    Biases and whole modules belong to the adapter where its config says so. Others (embeddings, as
    PEFT saves them after a change of vocabulary) are left out where they are what the base has.

    Raises:
        ModelError: such a tensor is another than the base's, and the config does not say that it is
            trained.
    """
    import torch

    parameters = dict(model.named_parameters(remove_duplicate=False))
    saved = tuple(config.get("modules_to_save") or ())
    biases = config.get("bias", "none") != "none"
    for key in list(named):
        name = key.removeprefix("base_model.model.").replace(".base_layer.", ".")
        parameter = parameters.get(name)
        module = name.rpartition(".")[0]
        if parameter is None or module.endswith(saved):  # PEFT matches ends, too: "head" is lm_head
            continue
        if biases and name.endswith("bias"):
            pristine.save([parameter])
        elif parameter.shape == named[key].shape and torch.equal(
            parameter.cpu(), named[key].to(parameter.dtype)
        ):
            del named[key]
        else:
            line = f"its tensor {key} replaces one of the base, and its config does not say so"
            raise ModelError(f"{folder} is no LoRA alone on {base}: {line}")


def read(folder: Path, base: str, how: Any, *args: Any, **named: Any) -> Any:
    """What ``how`` makes of ``folder``.

    Raises:
        ModelError: in one line, where that is no adapter for ``base``.
    """
    from safetensors import SafetensorError

    try:
        return how(*args, **named)
    except KeyError as error:
        line = f"its file lacks tensor {error.args[0]}, which its config names"
        raise ModelError(f"{folder} is no whole adapter for {base}: {line}") from error
    except (OSError, ValueError, TypeError, RuntimeError, SafetensorError) as error:
        raise ModelError(f"{folder} is no adapter for {base}: {first_line(error)}") from error


def switch_on(wrapped: Any, scales: Mapping[str, float]) -> None:
    """Make exactly these adapters active; each update counts ``scale`` times.

    Raises:
        ModelError: a scale other than 1 for an adapter that took a part out of the base, or
            replaces magnitudes, modules, tokens or biases of it: the update is then not what is
            scaled.
    """
    from peft.tuners.lora import LoraLayer

    for name, scale in scales.items():
        config = wrapped.peft_config[name]
        whole = (
            config.init_lora_weights in SAME_RESIDUAL,
            config.use_dora,  # its magnitudes stay whole, so that scale 0 is not the base
            config.modules_to_save,
            config.trainable_token_indices,
            config.bias != "none",
        )
        if scale != 1 and any(whole):
            line = (
                "PiSSA, OLoRA, DoRA, modules_to_save, trainable tokens and biases count whole or"
                " not at all"
            )
            raise ModelError(f"scale {scale:g} cannot be put on this adapter: {line}, use 1")

    wrapped.base_model.set_adapter(list(scales))
    for module in wrapped.modules():
        if isinstance(module, LoraLayer):
            for name, scale in scales.items():
                module.set_scale(name, scale)
