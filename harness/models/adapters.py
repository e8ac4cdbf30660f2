"""LoRA adapters as PEFT folders: read, checked, and as factors of each adapted layer."""

from __future__ import annotations

import json
import logging
import math
import re
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from harness.errors import ModelError, first_line

if TYPE_CHECKING:
    import torch

Read = TypeVar("Read")

WEIGHTS = "adapter_model.safetensors"
CONFIG = "adapter_config.json"
_PREFIX = "base_model.model."
_KEY = re.compile(r"base_model\.model\.(?P<module>.+)\.lora_(?P<side>[AB])\.weight")
_NAMED = re.compile(r"\.(lora_[AB]|lora_embedding_[AB]|lora_magnitude_vector)\.default(?=\.|$)")
_SIDE = re.compile(r"lora_(embedding_)?[AB](?=\.weight$|$)")
_OTHER_SIDE = {
    "lora_A": "lora_B",
    "lora_B": "lora_A",
    "lora_embedding_A": "lora_embedding_B",
    "lora_embedding_B": "lora_embedding_A",
}
_WRAPPERS = ("_orig_mod.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module.")
"""Parts of names that torch.compile, FSDP and activation checkpointing add."""
_BASE_UNCHANGED = (True, False, None, "gaussian", "orthogonal", "eva")
"""Values of ``init_lora_weights`` that do not change the base."""
SAME_RESIDUAL = ("pissa", "olora")
"""Values that subtract the initial update from the base, in a computation that can be repeated."""
log = logging.getLogger("harness")


class Factors(NamedTuple):
    """The update of one layer is ``up @ down``; PEFT's scaling is in ``up``."""

    down: torch.Tensor
    """float32, rank x inputs."""
    up: torch.Tensor
    """float32, outputs x rank."""

    @property
    def delta(self) -> torch.Tensor:
        """float32, outputs x inputs."""
        return self.up @ self.down


def scaling(config: Mapping[str, Any], module: str, rank: int) -> float:
    """PEFT's factor on B @ A of ``module``: alpha / rank, or alpha / sqrt(rank) with rsLoRA.

    ``alpha_pattern`` may give a module an alpha of its own.
    """
    from peft.utils.other import get_pattern_key

    patterns = config.get("alpha_pattern") or {}
    key = get_pattern_key(list(patterns), module)
    alpha = float(patterns.get(key, config.get("lora_alpha") or 0))
    return alpha / math.sqrt(rank) if config.get("use_rslora") else alpha / rank


def lora_config(folder: Path) -> dict[str, Any]:
    """The content of adapter_config.json in ``folder``.

    Raises:
        ModelError: it cannot be read, belongs to no LoRA, or holds a value that no LoRA can have.
    """
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{folder} holds no adapter: {CONFIG} cannot be read ({error})") from error
    kind = config.get("peft_type") if isinstance(config, dict) else None
    if kind != "LORA":
        raise ModelError(f"{folder} is {kind}, not LORA: give a LoRA that PEFT saved")
    _check_numbers(folder, config)
    return dict(config)


def _check_numbers(folder: Path, config: Mapping[str, Any]) -> None:
    """Raises ModelError for values on which PEFT fails with a long traceback, or computes."""
    rank = config.get("r", 8)
    alpha = config.get("lora_alpha", 8)
    if type(rank) is not int or rank < 1:
        raise ModelError(f"{folder}/{CONFIG} has r {rank!r}: write a whole number above 0")
    if isinstance(alpha, bool) or not isinstance(alpha, int | float) or not math.isfinite(alpha):
        raise ModelError(f"{folder}/{CONFIG} has lora_alpha {alpha!r}: write a number")
    for name in ("rank_pattern", "alpha_pattern"):
        patterns = config.get(name) or {}
        if not isinstance(patterns, dict):
            raise ModelError(f"{folder}/{CONFIG} has {name} {patterns!r}: write a table of numbers")
        for module, value in patterns.items():
            if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
                line = f"{folder}/{CONFIG} has {name} {value!r} for {module}"
                raise ModelError(f"{line}: write a number above 0")
    targets = config.get("target_modules")
    names = targets if isinstance(targets, list) else [targets]
    if not names or not all(isinstance(name, str) for name in names) or targets == "":
        wanted = "a list of names, or one pattern"
        raise ModelError(f"{folder}/{CONFIG} has target_modules {targets!r}: write {wanted}")


def check_initialisation(folder: Path, config: Mapping[str, Any], quantised: bool) -> None:
    """Check that the files of the adapter in ``folder`` hold its whole update.

    PiSSA and OLoRA subtract their initial update from the base. PEFT computes it again when it
    loads such an adapter, which is right on the base in full precision. Other methods start at
    random or need data: the loaded model would differ from the trained one.

    Raises:
        ModelError: the update is not whole, so that no engine can load it.
    """
    kind = config.get("init_lora_weights", True)
    if kind in _BASE_UNCHANGED or (kind in SAME_RESIDUAL and not quantised):
        return
    advice = "save it as plain LoRA (path_initial_model_for_weight_conversion of save_pretrained)"
    where = "on a quantised base " if kind in SAME_RESIDUAL else ""
    raise ModelError(
        f"{folder} has init_lora_weights {kind!r}, {where}which changes the base by what the"
        f" adapter does not hold: {advice}"
    )


def standard_name(key: str) -> str:
    """PEFT's name of a tensor that another tool saved as ``key``.

    Other tools save names without ``base_model.model.``, with the adapter's name in them
    (``lora_A.default.weight``, from a raw ``state_dict``), or with wrappers of torch.
    """
    for wrapper in _WRAPPERS:
        key = key.replace(wrapper, "")
    key = key.removeprefix("module.")
    if not key.startswith(_PREFIX):
        key = _PREFIX + key
    return _NAMED.sub(r".\1", key)


def tensors(folder: Path) -> dict[str, torch.Tensor]:
    """All tensors of the adapter in ``folder``, under PEFT's names, on the CPU.

    Raises:
        ModelError: there is no safetensors file, it is damaged or empty, two tensors have the same
            name, or a number is not finite.
    """
    from safetensors.torch import load_file

    loaded = _opened(folder, load_file)
    if not loaded:
        raise ModelError(f"{folder} holds no adapter: {WEIGHTS} has no tensors, save it again")
    named: dict[str, torch.Tensor] = {}
    for key, tensor in loaded.items():
        name = standard_name(key)
        if name in named:
            raise ModelError(f"{folder} has two tensors for {name}: save it again, as one adapter")
        if not bool(tensor.isfinite().all()):
            raise ModelError(f"tensor {key} of {folder} is not finite: its training went wrong")
        named[name] = tensor
    if renamed := [key for key in loaded if standard_name(key) != key]:
        line = "adapter %s: %d tensors have names of another tool, %s is read as %s"
        log.warning(line, folder, len(renamed), renamed[0], standard_name(renamed[0]))
    return named


def tensor_names(folder: Path) -> list[str]:
    """PEFT's names of the tensors in ``folder``, from the header alone. Raises ModelError."""
    from safetensors import safe_open

    def read_header(path: Path) -> list[str]:
        with safe_open(path, framework="pt") as opened:
            return list(opened.keys())

    return [standard_name(key) for key in _opened(folder, read_header)]


def _opened(folder: Path, read: Callable[[Path], Read]) -> Read:
    """The result of ``read`` on the weights in ``folder``. Raises ModelError where it fails."""
    from safetensors import SafetensorError

    if not (folder / WEIGHTS).is_file():
        advice = "save it with save_pretrained, as pickle is unsafe"
        raise ModelError(f"{folder} has no {WEIGHTS}: {advice}")
    try:
        return read(folder / WEIGHTS)
    except (OSError, ValueError, SafetensorError) as error:
        line = f"{WEIGHTS} cannot be read ({first_line(error)})"
        raise ModelError(f"{folder} holds no adapter: {line}") from error


def check_files(folder: Path) -> None:
    """Check that ``folder`` holds a whole LoRA, as far as that is possible without its base.

    Raises:
        ModelError: the config or a tensor cannot be used, or a layer lacks one of its two tensors.
    """
    lora_config(folder)
    named = tensors(folder)
    for key in sorted(named):
        match = _SIDE.search(key)
        if match and (other := _SIDE.sub(_OTHER_SIDE[match[0]], key)) not in named:
            line = f"its file has {key} and lacks {other}"
            raise ModelError(f"{folder} is not a whole adapter: {line}, save it again")


def factors(folder: Path) -> dict[str, Factors]:
    """The factors of each module, by name.

    Raises ModelError where ``folder`` holds no plain LoRA of linear layers.
    """
    config = lora_config(folder)
    check_plain(folder, config)
    return {
        module: Factors(down.float(), up.float() * scaling(config, module, len(down)))
        for module, (down, up) in pairs(folder, tensors(folder)).items()
    }


# Settings that change the update beside A and B, with their values that change nothing
_MORE_THAN_LORA: dict[str, tuple[Any, ...]] = {
    "use_dora": (False,),
    "modules_to_save": ([],),
    "bias": ("none",),
    "lora_bias": (False,),
    "trainable_token_indices": ([], {}),
    "target_parameters": ([],),
    "layer_replication": ([],),
    "alora_invocation_tokens": ([],),
    "use_qalora": (False,),
}


def check_plain(folder: Path, config: Mapping[str, Any]) -> None:
    """Check that the update is B @ A of linear layers and nothing else. Raises ModelError."""
    for name, harmless in _MORE_THAN_LORA.items():
        value = config.get(name)
        if value is not None and value not in harmless:
            line = (
                f"{folder} has {name} {value!r}: neither a merge nor a GGUF adapter can hold that"
            )
            raise ModelError(f"{line}, train without it")
    kind = config.get("init_lora_weights", True)
    if kind not in _BASE_UNCHANGED:
        advice = "train with the default, or save it as plain LoRA"
        raise ModelError(
            f"{folder} has init_lora_weights {kind!r}, which changes the base: {advice}"
        )


def pairs(
    folder: Path, named: Mapping[str, torch.Tensor]
) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """A and B of each module.

    Raises ModelError for a tensor that is neither, and for an A or B alone.
    """
    sides: dict[str, dict[str, torch.Tensor]] = {}
    for key, tensor in named.items():
        match = _KEY.fullmatch(key)
        if match is None:
            raise ModelError(
                f"tensor {key} of {folder} is not a LoRA of a linear layer: give a plain LoRA"
            )
        sides.setdefault(match["module"], {})[match["side"]] = tensor
    for module, side in sides.items():
        if len(side) != 2 or len(side["A"]) != side["B"].shape[1]:
            raise ModelError(
                f"{module} of {folder} lacks a fitting lora_A or lora_B: save it again"
            )
    return {module: (side["A"], side["B"]) for module, side in sides.items()}


def check_whole(
    folder: Path, config: Mapping[str, Any], modules: Iterable[str], adapted: Container[str]
) -> None:
    """Check that every one of the linear ``modules`` that ``config`` targets is in ``adapted``.

    Raises:
        ModelError: one is not, so the adapter lacks a layer.
    """
    from peft import LoraConfig
    from peft.tuners.tuners_utils import check_target_module_exists

    try:
        settings = LoraConfig.from_pretrained(str(folder))
    except (TypeError, ValueError, RuntimeError, re.error) as error:
        line = first_line(error)
        raise ModelError(f"{folder}/{CONFIG} is not a config of a LoRA: {line}") from error
    for module in modules:
        if module not in adapted and check_target_module_exists(settings, module):
            line = f"its config adapts {module}, of which its file has no lora_A"
            raise ModelError(f"{folder} is not a whole adapter: {line}, save it again")


def shapes(
    named: Mapping[str, torch.Tensor],
) -> Iterator[tuple[str, str, tuple[int, ...]]]:
    """Module, side (``A`` or ``B``) and shape of each LoRA tensor of a linear layer."""
    for key, tensor in named.items():
        if match := _KEY.fullmatch(key):
            yield match["module"], match["side"], tuple(tensor.shape)


def write(folder: Path, config: Mapping[str, Any], layers: Mapping[str, Factors]) -> None:
    """Write a PEFT adapter of ``layers``, all of the same rank, to ``folder``.

    Other settings of ``config`` stay as they are.
    """
    from safetensors.torch import save_file

    rank = len(next(iter(layers.values())).down)
    settings = {
        **config,
        "rank_pattern": {},
        "alpha_pattern": {},
        "use_rslora": False,
        "r": rank,
        "lora_alpha": rank,  # scaling 1: it is in the factors already
        "target_modules": sorted(layers),
        "layers_to_transform": None,
        "layers_pattern": None,
        "init_lora_weights": True,
    }
    (folder / CONFIG).write_text(json.dumps(settings, indent=1, sort_keys=True), encoding="utf-8")
    named = {
        f"{_PREFIX}{module}.lora_{side}.weight": tensor.contiguous()
        for module, pair in layers.items()
        for side, tensor in (("A", pair.down), ("B", pair.up))
    }
    save_file(named, folder / WEIGHTS, metadata={"format": "pt"})
