"""Adapters on a base in memory, and the base as it was before."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from harness.errors import ModelError, first_line
from harness.models.adapters import (
    SAME_RESIDUAL,
    check_initialisation,
    lora_config,
    shapes,
    tensor_names,
    tensors,
)

if TYPE_CHECKING:
    import torch
    from torch import nn

_COMPARED_TOKENS = 8
"""Length of the text whose logits are compared."""


class _ModuleState(NamedTuple):
    """What one module held when the model was loaded."""

    module: nn.Module
    children: dict[str, nn.Module | None]
    parameters: dict[str, nn.Parameter | None]
    buffers: dict[str, torch.Tensor | None]
    hooks: tuple[dict[int, Any], dict[int, Any]]
    """Those that run after ``forward``, and those before it."""


class Pristine:
    """Structure, weights and behaviour of a base model when it was loaded.

    PEFT's ``unload`` leaves changes in the base: residuals of PiSSA and similar methods, trained
    copies of whole modules, biases (peft #850, #2184, #2270, #3455). So it is not used here: every
    module gets its own children, parameters and buffers back, and every parameter its memory.
    """

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._attributes = set(vars(model))
        self._states = [
            _ModuleState(
                module,
                dict(module._modules),
                dict(module._parameters),
                dict(module._buffers),
                (dict(module._forward_hooks), dict(module._forward_pre_hooks)),
            )
            for module in model.modules()
        ]
        self._memory = [(p, p.data) for p in _plain_parameters(model)]
        self._saved: dict[nn.Parameter, torch.Tensor] = {}
        self._digests: dict[str, int] = {}
        self._logits: torch.Tensor | None = None
        self.changed = ""
        """The change that an adapter left behind; empty without one."""

    def prepare(self, names: Iterable[str]) -> None:
        """Remember the weights of the modules ``names`` and some logits, for ``difference``.

        The first call reads those weights once and runs two forward passes of a few tokens.
        """
        modules = dict(self._model.named_modules())
        for name in names:
            if name in modules and name not in self._digests:
                self._digests[name] = _digest(modules[name])
        if self._logits is None:
            _logits(self._model)  # some quantised layers arrange their weights at the first pass
            self._logits = _logits(self._model)

    def save(self, parameters: Iterable[nn.Parameter]) -> None:
        """Copy ``parameters`` before they are changed in state."""
        for parameter in parameters:
            if parameter not in self._saved:
                self._saved[parameter] = parameter.detach().clone()

    def restore(self) -> None:
        """Give the model its structure and weights back, without gradients, for evaluation."""
        import torch

        for state in self._states:
            _refill(state.module._modules, state.children)
            _refill(state.module._parameters, state.parameters)
            _refill(state.module._buffers, state.buffers)
            _refill(state.module._forward_hooks, state.hooks[0])
            _refill(state.module._forward_pre_hooks, state.hooks[1])
        for parameter, memory in self._memory:
            if parameter.data_ptr() != memory.data_ptr():
                parameter.data = memory
        with torch.no_grad():
            for parameter, copy in self._saved.items():
                parameter.copy_(copy)
        self._saved.clear()
        for name in set(vars(self._model)) - self._attributes:
            delattr(self._model, name)
        self._model.requires_grad_(False).eval()

    def difference(self) -> str:
        """The first difference from what ``prepare`` remembered; empty without one."""
        import torch

        modules = dict(self._model.named_modules())
        for name, digest in self._digests.items():
            if name not in modules or _digest(modules[name]) != digest:
                return f"the weights of {name}"
        try:
            if self._logits is None or torch.equal(_logits(self._model), self._logits):
                return ""
        except Exception as error:  # a broken quantised layer may raise anything
            return f"it computes nothing any more: {type(error).__name__}"
        return "its logits"


def _refill(target: dict[Any, Any], source: dict[Any, Any]) -> None:
    """Make ``target`` equal ``source``, in place: modules keep this very dictionary."""
    same = list(target) == list(source) and all(target[name] is source[name] for name in source)
    if not same:
        target.clear()
        target.update(source)


def _plain_parameters(model: nn.Module) -> list[nn.Parameter]:
    """Parameters outside quantisation libraries, which may move their own memory."""
    from torch.nn import Parameter

    return [p for p in model.parameters() if type(p) is Parameter and p.is_floating_point()]


def _digest(module: nn.Module) -> int:
    """A hash of the module's own weights and buffers.

    It does not depend on the order of the numbers in a tensor.
    """
    import torch

    total = 0
    for tensor in (*module._parameters.values(), *module._buffers.values()):
        if tensor is not None:
            total = hash((total, torch.hash_tensor(tensor.detach()).item()))
    return total


def _logits(model: Any) -> torch.Tensor:
    """The logits of fixed tokens: int32, 1 x tokens x vocabulary.

    They are the bits of float32 numbers, so that a NaN equals itself.
    """
    import torch

    vocabulary = int(model.config.get_text_config().vocab_size)
    ids = torch.arange(1, _COMPARED_TOKENS + 1, device=model.device) * 7 % vocabulary
    with torch.inference_mode():
        logits = model(input_ids=ids[None], use_cache=False).logits
    bits: torch.Tensor = logits.float().clone().view(torch.int32)
    return bits


def touched(model: Any, folders: Sequence[Path]) -> set[str]:
    """Names of the modules of ``model`` that the adapters in ``folders`` change.

    The modules around them are among these.

    Raises:
        ModelError: a folder holds no LoRA.
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
    """A PeftModel around ``model`` with the adapters in ``folders``, by their names.

    Weights of the base that adapters replace are saved in ``pristine`` first.

    Raises:
        ModelError: a folder holds no adapter for the base, whose name is ``base``.
    """
    wrapped: Any = None
    for name, folder in folders.items():
        wrapped = put_on(wrapped, model, name, folder, base, pristine)
    return wrapped


def put_on(wrapped: Any, model: Any, name: str, folder: Path, base: str, pristine: Pristine) -> Any:
    """``wrapped`` with the adapter in ``folder`` under ``name``; it is not active yet.

    Where ``wrapped`` is None, a new PeftModel is put around ``model``.

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
    settings = call_peft(folder, base, LoraConfig.from_pretrained, str(folder))
    settings.inference_mode = True
    settings.task_type = "CAUSAL_LM"
    if wrapped is None:
        wrapped = call_peft(folder, base, PeftModelForCausalLM, model, settings, adapter_name=name)
    else:
        call_peft(folder, base, wrapped.add_adapter, name, settings)
    result = call_peft(folder, base, set_peft_model_state_dict, wrapped, named, name)
    if result.unexpected_keys:
        key = sorted(result.unexpected_keys)[0].replace(f".{name}", "")
        raise ModelError(
            f"{folder} is not an adapter for {base}: nothing there takes its tensor {key}"
        )
    missing = sorted(
        key for key in result.missing_keys if f".{name}." in key or key.endswith(f".{name}")
    )
    if missing:
        key = missing[0].replace(f".{name}", "")
        line = f"its config adapts a layer whose tensor {key} its file lacks"
        raise ModelError(f"{folder} is not a whole adapter for {base}: {line}, save it again")
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
            raise ModelError(f"{folder} is not an adapter for {base}: {line}") from None
        width = getattr(layer, {"A": "in_features", "B": "out_features"}[side], None)
        adapted = shape[-1 if side == "A" else 0]
        if width is not None and adapted != width:
            name = {"A": "inputs", "B": "outputs"}[side]
            line = f"{module} has {width} {name} there and {adapted} here, give its own base"
            raise ModelError(f"{folder} is not an adapter for {base}: {line}")


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
            raise ModelError(f"{folder} is not a LoRA alone on {base}: {line}")


def call_peft(folder: Path, base: str, function: Any, *args: Any, **options: Any) -> Any:
    """The result of ``function``, which is one of PEFT that reads the adapter in ``folder``.

    Raises:
        ModelError: it fails, so this is not an adapter for ``base``; in one line.
    """
    from safetensors import SafetensorError

    try:
        return function(*args, **options)
    except KeyError as error:
        line = f"its file lacks tensor {error.args[0]}, which its config names"
        raise ModelError(f"{folder} is not a whole adapter for {base}: {line}") from error
    except (OSError, ValueError, TypeError, RuntimeError, SafetensorError) as error:
        raise ModelError(f"{folder} is not an adapter for {base}: {first_line(error)}") from error


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
