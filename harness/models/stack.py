"""Adapters on a base in memory, by PEFT: several at once, each with its scale."""

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
    """Modules of ``model``, and modules around them, that the adapters in ``folders`` name.

    Raises ModelError where a folder holds no LoRA.
    """
    modules = {name for name, _ in model.named_modules()}
    names = set()
    for folder in folders:
        lora_config(folder)
        for key in tensor_names(folder):
            parts = key.removeprefix("base_model.model.").split(".")
            names |= {".".join(parts[:end]) for end in range(1, len(parts))}
    return names & modules


def wrap(model: Any, folders: Mapping[str, Path], base: str, pristine: Pristine) -> Any:
    """A PeftModel around ``model`` with the adapter of each folder, under its name.

    Weights of the base that adapters replace are saved in ``pristine`` first.

    Raises:
        ModelError: a folder holds no adapter for the base, whose name is ``base``.
    """
    wrapped: Any = None
    for name, folder in folders.items():
        wrapped = put_on(wrapped, model, name, folder, base, pristine)
    return wrapped


def put_on(wrapped: Any, model: Any, name: str, folder: Path, base: str, pristine: Pristine) -> Any:
    """``wrapped`` (None: a new PeftModel around ``model``) with one more adapter.

    PEFT leaves missing tensors at random values and ignores unknown ones. So it is checked that
    every tensor of the file is used, and that every layer in the config has all of its tensors.

    Raises:
        ModelError: a tensor is missing, unknown or of another shape; the line names the first one.
    """
    from peft import LoraConfig, PeftModelForCausalLM, set_peft_model_state_dict

    config = lora_config(folder)
    named = tensors(folder)
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
    """Compare names and shapes of LoRA tensors with the layers of ``model``.

    PEFT's own error is long and names every tensor.

    Raises:
        ModelError: ``base`` has no such layer, or one of another shape.
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
    """Check tensors that have the name of a tensor of the base.

    Biases and whole modules belong to the adapter if its config says so. Others (embeddings, which
    PEFT saves after a change of vocabulary) are removed from ``named`` if they equal the base's.

    Raises:
        ModelError: such a tensor differs from the base's, and the config does not say that it is
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
        # PEFT compares the ends of names, too: modules_to_save "head" means lm_head
        if parameter is None or module.endswith(saved):
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
    """The result of ``how``, a function of PEFT that reads the adapter in ``folder``.

    Raises:
        ModelError: it fails, so this is no adapter for ``base``; in one line.
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
    """Make exactly these adapters active; each update is multiplied by its scale.

    Raises:
        ModelError: a scale other than 1 for an adapter that PEFT cannot scale as a whole, because
            it subtracts from the base, or replaces magnitudes, modules, tokens or biases of it.
    """
    from peft.tuners.lora import LoraLayer

    for name, scale in scales.items():
        config = wrapped.peft_config[name]
        not_scaled = (
            config.init_lora_weights in SAME_RESIDUAL,
            config.use_dora,  # its magnitudes are not scaled: scale 0 would not be the base
            config.modules_to_save,
            config.trainable_token_indices,
            config.bias != "none",
        )
        if scale != 1 and any(not_scaled):
            kinds = "PiSSA, OLoRA, DoRA, modules_to_save, trainable tokens and biases"
            raise ModelError(
                f"scale {scale:g} cannot be put on this adapter: {kinds} count whole or not at"
                " all, use 1"
            )

    wrapped.base_model.set_adapter(list(scales))
    for module in wrapped.modules():
        if isinstance(module, LoraLayer):
            for name, scale in scales.items():
                module.set_scale(name, scale)
