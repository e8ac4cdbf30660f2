"""Base models: found by folder or hub id, addressed by content, loaded without running anyone's
code."""

from __future__ import annotations

import hashlib
import logging
import re
import time
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from harness.data.facts import FIXTURES
from harness.errors import HarnessError, ModelError, first_line
from harness.models.checkpoint import check_complete, config_of, read_object, weight_files
from harness.models.pristine import Pristine
from harness.models.quiet import quiet
from harness.recipes import Base, BitsAndBytes

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

SHIPPED = FIXTURES / "models" / "pocket"
"""The model that comes along."""
JUDGE = FIXTURES / "models" / "judge"
"""The judge that comes along, trained for that."""
log = logging.getLogger("harness")
DTYPES = ("float32", "bfloat16", "float16")
_TOKENIZER = re.compile(
    r"(tokenizer.*|special_tokens_map\.json|added_tokens\.json|vocab\..*|merges\.txt|.*\.tiktoken)"
)
_HUB_FILES = ["*.safetensors", "*.json", "tokenizer*", "merges.txt", "vocab.*"]
_HUB_TWICE = ["consolidated*"]
"""Weights that Mistral's repositories have once more, in a form of their own."""


class Loaded(NamedTuple):
    """A base model in memory. What wraps ``model`` in adapters does so within ``borrowed``."""

    base: Base
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    device: torch.device
    seconds: float
    """Time to read the weights and put them on the device; without that of importing libraries."""
    pristine: Pristine
    """How ``model`` was when it was loaded."""
    dtype: str = "float32"
    by: BitsAndBytes | None = None

    @property
    def context(self) -> int:
        """Longest sequence in tokens that the model takes."""
        return int(
            getattr(self.model.config.get_text_config(), "max_position_embeddings", None) or 1 << 30
        )


def base_of(path_or_id: str | Path) -> Base:
    """Address a model by the content of its folder, or of its hub snapshot.

    Raises:
        ModelError: no such folder or hub id, or no config.json, weights or tokenizer in it, or one
            that is damaged.
    """
    folder = Path(path_or_id).expanduser()
    if not folder.is_dir():
        folder = _snapshot(str(path_or_id))
    files = _files(folder)
    name = folder.resolve().name if Path(path_or_id).expanduser().is_dir() else str(path_or_id)
    return Base(content=_content(files), name=name, path=str(folder.resolve()))


def shipped_content() -> str | None:
    """Content of the model that comes along; None where it does not lie beside the package."""
    return base_of(SHIPPED).content if SHIPPED.is_dir() else None


def load(
    base: Base, dtype: str = "float32", device: str | None = None, by: BitsAndBytes | None = None
) -> Loaded:
    """Load ``base`` in ``dtype`` on ``device`` (None: CUDA where there is one, else the CPU),
    quantised ``by``.

    Raises:
        ModelError: the folder is gone, transformers cannot read it, weights of the model are not in
            it, there is no such device, or the model reads later tokens.
    """
    import torch

    if dtype not in DTYPES:
        raise ModelError(f"dtype {dtype!r} is unknown: choose one of {', '.join(DTYPES)}")
    _files(Path(base.path))
    # PEFT calls what transformers renamed, and imports bitsandbytes, which scripts a dozen
    # functions
    warnings.filterwarnings("ignore", ".*is_gradient_checkpointing", FutureWarning)
    warnings.filterwarnings("ignore", "`torch.jit.script", DeprecationWarning)
    place = _device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    try:
        model, tokenizer, seconds = _read(base.path, getattr(torch, dtype), place, by)
    except HarnessError:
        raise
    except Exception as error:  # what the libraries raise on damaged files shares no base class
        raise ModelError(f"{base.path} cannot be loaded: {first_line(error)}") from error
    model.requires_grad_(False).eval()
    _check_causal(model, base)
    return Loaded(base, model, tokenizer, place, seconds, Pristine(model), dtype, by)


@contextmanager
def borrowed(loaded: Loaded, modules: Iterable[str]) -> Iterator[Pristine]:
    """What is put on ``loaded.model`` within the block, on ``modules``, is off afterwards.

    That holds after an exception and Ctrl-C, too. A base that is not bit for bit as it was is not
    used again: the line that says so goes to the log, and ``renewed`` reads it anew.
    """
    pristine = loaded.pristine
    pristine.restore()  # the end of the last block may have been interrupted
    pristine.prepare(modules)
    try:
        yield pristine
    finally:
        pristine.changed = "its restoration was interrupted"  # stays where a second Ctrl-C comes
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
    """``load``, keeping the last model in memory: neighbouring cells of a grid share it."""
    loaded = _resident(base, dtype, device, by)
    if loaded.pristine.changed:
        _resident.cache_clear()
        loaded = _resident(base, dtype, device, by)
    return loaded


_resident = lru_cache(maxsize=1)(load)


def _device(name: str) -> torch.device:
    """Raises ModelError where there is none of that name here."""
    import torch

    try:
        found = torch.device(name)
    except RuntimeError as error:
        raise ModelError(
            f"device {name!r} is unknown: choose cpu, cuda, or one of several GPUs as cuda:1"
        ) from error
    count = torch.cuda.device_count()
    if found.type == "cuda" and (found.index or 0) >= count:
        raise ModelError(
            f"device {name!r} is not there: torch sees {count} GPUs here, choose another or cpu"
        )
    return found


def _check_causal(model: Any, base: Base) -> None:
    """Ask two rows that differ in their last token only: what stands before it must not change.

    Rows of a batch may differ by rounding, so a difference counts only beside the logits' spread.

    Raises:
        ModelError: ``model`` reads later tokens, as BERT does.
    """
    import torch

    ends = model.config.get_text_config().vocab_size - 1
    rows = torch.tensor([[0, ends, 0], [0, ends, ends]], device=model.device)
    with torch.inference_mode():
        logits = model(input_ids=rows, use_cache=False).logits[:, :2]
    quantised = (
        getattr(model, "hf_quantizer", None) is not None
    )  # int8 rounds by what is in the batch
    rounding = torch.finfo(torch.bfloat16 if quantised else logits.dtype).eps ** 0.5
    change = (logits[0] - logits[1]).abs().max()
    if change > rounding * logits.float().std():  # false for NaN, which is another fault
        raise ModelError(
            f"{base.name} reads later tokens, as BERT does: give a causal language model"
        )


def _read(
    path: str, dtype: torch.dtype, place: torch.device, by: BitsAndBytes | None
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase, float]:
    from transformers import (
        MODEL_FOR_CAUSAL_LM_MAPPING,
        AutoConfig,
        AutoModelForCausalLM,
        AutoTokenizer,
    )
    from transformers.utils.logging import disable_progress_bar

    from harness.models.gptq import loading

    disable_progress_bar()
    kept: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    packed = loading(Path(path), device=str(place))
    if by and packed:
        raise ModelError(
            f"{path} is quantised by GPTQ already: ask for it with --engine hf, not {by.kind}"
        )
    tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(path, **kept)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    more = {**kept, **packed, **_bits(by, dtype, place)}
    MODEL_FOR_CAUSAL_LM_MAPPING.get(
        type(AutoConfig.from_pretrained(path, **kept)), None
    )  # imports the model's module
    with quiet() if packed or by else nullcontext():
        began = time.perf_counter()
        read: Any = AutoModelForCausalLM.from_pretrained
        model: PreTrainedModel
        model, told = read(
            path,
            dtype=dtype,
            use_safetensors=True,
            # whatever config.json asks for: SDPA, or eager where an architecture lacks it
            attn_implementation=None,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # they are told in one line below
            **more,
        )
        check_complete(path, told)
        placed: Any = model
        if not getattr(
            model, "hf_quantizer", None
        ):  # quantised weights are where they belong already
            placed.to(place)
        seconds = time.perf_counter() - began
    for layer in model.modules():
        if hasattr(layer, "support_avx512bf16_for_cpu"):
            # On such a CPU bitsandbytes packs weights anew at the first answer: it fails where a
            # width is no multiple
            # of its block, and computes in bfloat16 whatever was asked for.
            layer.support_avx512bf16_for_cpu = False  # type: ignore[assignment]
    return model, tokenizer, seconds


def _bits(by: BitsAndBytes | None, dtype: torch.dtype, place: torch.device) -> dict[str, Any]:
    """What ``from_pretrained`` needs to quantise while it loads. Computation is in ``dtype``."""
    if by is None:
        return {}
    from transformers import BitsAndBytesConfig

    logging.getLogger("bitsandbytes").setLevel(
        logging.ERROR
    )  # int8 says at every layer that it casts its inputs
    four = {
        "bnb_4bit_quant_type": by.kind,
        "bnb_4bit_use_double_quant": by.double,
        "bnb_4bit_compute_dtype": dtype,
    }
    config: Any = BitsAndBytesConfig
    made = config(load_in_8bit=True) if by.kind == "int8" else config(load_in_4bit=True, **four)
    return {"quantization_config": made, "device_map": {"": str(place)}}


def _snapshot(name: str) -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, allow_patterns=_HUB_FILES, ignore_patterns=_HUB_TWICE))
    except (
        Exception
    ) as error:  # the hub client's errors share no base class, and all mean the same here
        raise ModelError(
            f"no such folder {name!r} and hub id not downloadable: {first_line(error)}"
        ) from error


def _files(folder: Path) -> list[Path]:
    """The files that decide what the model says, in a fixed order."""
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
    return [folder / "config.json", *_ends_elsewhere(folder), *weights, *tokenizer]


def _ends_elsewhere(folder: Path) -> list[Path]:
    """generation_config.json where it is there and ends answers at other tokens than
    config.json."""
    path = folder / "generation_config.json"
    return [path] if path.is_file() and _ends(read_object(path)) != _ends(config_of(folder)) else []


def _ends(settings: Mapping[str, Any]) -> list[Any]:
    text = settings.get("text_config") or {}
    found = settings.get(
        "eos_token_id", text.get("eos_token_id") if isinstance(text, dict) else None
    )
    return sorted(found, key=str) if isinstance(found, list) else [found]


def _content(files: list[Path]) -> str:
    total = hashlib.sha256()
    for path in files:
        with path.open("rb") as stream:
            total.update(
                f"{path.name}\0{hashlib.file_digest(stream, 'sha256').hexdigest()}\n".encode()
            )
    return total.hexdigest()
