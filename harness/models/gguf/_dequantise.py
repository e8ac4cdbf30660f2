"""GGUF files as folders for transformers, on which adapters for them are trained."""

from __future__ import annotations

from copy import deepcopy
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any

import numpy as np

from harness.errors import HarnessError, ModelError, first_line
from harness.models.gguf._convert import rope_factors
from harness.models.gguf._families import shape_of
from harness.models.gguf._library import Array, gguf, header
from harness.models.gguf._tokenizer import LOCAL, tokenizer_of
from harness.models.quiet import quiet


def dequantise(file: Path, folder: Path) -> None:
    """Write the model in the GGUF ``file`` to ``folder``, for transformers.

    The numbers stay as they are in the file. Each tensor has the smallest type that holds all of
    its numbers: float16 or bfloat16 for what is stored so, float32 for quantised weights.

    Raises:
        ModelError: transformers cannot read the file, or it has rotary settings that are not read.
        MissingExtraError: ``gguf`` is not installed.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    gguf()
    arguments: dict[str, Any] = {"gguf_file": file.name, **LOCAL}
    read: Any = AutoModelForCausalLM.from_pretrained
    try:
        with quiet():
            config: Any = AutoConfig.from_pretrained(str(file.parent), **arguments)
            factors = _complete(config, file)
            given = deepcopy(config)  # it becomes that of a quantised model, which is not saved
            model = read(str(file.parent), config=given, dtype=torch.float32, **arguments)
            tokenizer = tokenizer_of(file)
            with torch.device("meta"):
                copy: Any = AutoModelForCausalLM.from_config(config)
            state = {name: _smallest(tensor) for name, tensor in model.state_dict().items()}
            copy.load_state_dict(state, assign=True)
            copy.tie_weights()
            copy.generation_config = model.generation_config
            copy.save_pretrained(str(folder))
            tokenizer.save_pretrained(str(folder))
    except HarnessError:
        raise
    except Exception as error:  # of the libraries, for what a file has and they do not know
        raise ModelError(
            f"{file} cannot be dequantised by transformers: {first_line(error)}"
        ) from error
    if factors is None:
        return
    restored = rope_factors(shape_of(folder))
    if restored is None or not np.allclose(restored, factors, rtol=1e-3):
        raise ModelError(f"{file} has rotary factors that are not those of Llama 3: not trained on")


def _complete(config: Any, file: Path) -> Array | None:
    """Add to ``config`` what transformers does not read in ``file``; the rotary factors in it."""
    metadata = header(file)
    arch = metadata["general.architecture"]
    if width := metadata.get(f"{arch}.attention.key_length"):
        config.head_dim = width
    scaling = metadata.get(f"{arch}.rope.scaling.type", "none")
    if scaling not in ("none", "linear"):
        raise ModelError(
            f"{file} has the rotary scaling {scaling!r}: only linear is read, not trained on"
        )
    rope = dict(config.rope_parameters)
    if scaling == "linear":
        factor = float(metadata[f"{arch}.rope.scaling.factor"])
        config.rope_parameters = {**rope, "rope_type": "linear", "factor": factor}
    factors = _stored_factors(file)
    if factors is not None:
        config.rope_parameters = {**rope, **_llama3(factors, float(rope["rope_theta"]))}
    return factors


def _stored_factors(file: Path) -> Array | None:
    """The tensor ``rope_freqs.weight``; None without it."""
    with file.open("rb") as stream, mmap(stream.fileno(), 0, access=ACCESS_READ) as content:
        # the reader takes seconds, and most files have no such tensor
        if content.find(b"rope_freqs.weight") < 0:
            return None
    tensors = {tensor.name: tensor for tensor in gguf().GGUFReader(file).tensors}
    return np.array(tensors["rope_freqs.weight"].data, dtype=np.float64)


def _llama3(factors: Array, theta: float) -> dict[str, Any]:
    """The settings behind rotary ``factors``, by ``rope_factors`` the other way round.

    The file holds the factors alone. 1 and 4 are the limits in all models of Llama 3.
    """
    low, high = 1.0, 4.0
    factor = float(factors.max())
    wavelengths = 2 * np.pi * theta ** (np.arange(len(factors)) / len(factors))
    smooth = (1 / factors - 1 / factor) / (1 - 1 / factor) if factor > 1 else factors * 0
    between = (smooth > 0.001) & (smooth < 0.999)
    contexts = wavelengths[between] * (smooth[between] * (high - low) + low)
    return {
        "rope_type": "llama3",
        "factor": factor,
        "low_freq_factor": low,
        "high_freq_factor": high,
        "original_max_position_embeddings": round(float(np.median(contexts)))
        if len(contexts)
        else 0,
    }


def _smallest(tensor: Any) -> Any:
    """``tensor`` in the smallest type that holds all of its numbers."""
    import torch

    for dtype in (torch.float16, torch.bfloat16):
        if torch.equal(tensor.to(dtype).to(tensor.dtype), tensor):
            return tensor.to(dtype)
    return tensor
