"""A BPE tokenizer as GGUF metadata, so that the same text has the same tokens.

llama.cpp can split text like a byte-level BPE that does not change the text. For a tokenizer that
normalises it (Qwen's NFC, Gemma's spaces), the file also holds ``tokenizer.huggingface.json``, with
which the engine splits.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from harness.errors import ModelError, first_line
from harness.models.gguf._library import gguf, header

_SPACE = "\u2581"
"""How sentencepiece writes a space in a token."""
_BYTE = re.compile(r"<0x[0-9A-F]{2}>")
"""A token of sentencepiece that stands for one byte."""
_TO_SPACE = {"type": "Replace", "pattern": {"String": _SPACE}, "content": " "}
_FROM_SPACE = {"type": "Replace", "pattern": {"String": " "}, "content": _SPACE}
_GEMMA_DECODER = [_TO_SPACE, {"type": "ByteFallback"}, {"type": "Fuse"}]
"""The steps from tokens to text, as Gemma has them and as llama.cpp takes them.

Llama 2 has one more step, which removes a space, so its tokenizer is not converted.
"""
_CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_LLAMA3 = (
    _CONTRACTIONS
    + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_QWEN2 = _LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
_SPLITS: dict[tuple[tuple[str, ...], bool], str] = {
    (("bytes with the regex of GPT-2",), False): "gpt-2",
    (("single digits", "bytes with the regex of GPT-2"), False): "smollm",
    ((_LLAMA3, "bytes"), True): "llama-bpe",
    ((_QWEN2, "bytes"), False): "qwen2",
}
"""Values of tokenizer.ggml.pre (llama-vocab.cpp): how llama.cpp splits a text before the merges.

The key is how transformers splits it: the pre-tokenizers, as ``_step`` names them, and
``ignore_merges``.
"""


_BOS = "tokenizer.ggml.bos_token_id"
_ROLES = (
    ("bos_token", _BOS),
    ("eos_token", "tokenizer.ggml.eos_token_id"),
    ("pad_token", "tokenizer.ggml.padding_token_id"),
    ("unk_token", "tokenizer.ggml.unknown_token_id"),
)
"""Special tokens of transformers, and the keys of their ids in GGUF."""
LOCAL: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
"""Arguments with which transformers downloads nothing and runs no code of a model."""


def add_tokenizer(writer: Any, folder: Path, rows: int) -> None:
    """Add the tokenizer in ``folder`` to ``writer``, a ``gguf.GGUFWriter``.

    The embedding of the model has ``rows`` rows. What is added are vocabulary, merges, token
    types, special ids and the BOS flag of the tokenizer that transformers loads, under the keys of
    the GGUF specification (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md).

    Raises:
        ModelError: there is no tokenizer.json, it is not a BPE with an EOS token, it has more
            tokens than the embedding has rows, or llama.cpp is not known to give the same tokens.
    """
    if not (folder / "tokenizer.json").is_file():
        raise ModelError(f"{folder} has no tokenizer.json: save its tokenizer with save_pretrained")
    tokenizer = _load(folder)
    parts = json.loads(tokenizer.backend_tokenizer.to_str())
    _check_model(folder, parts["model"])
    tokens, types = _tokens(folder, parts, rows)
    if tokenizer.eos_token_id is None:
        raise ModelError(
            f"{folder} has a tokenizer without an EOS token: set eos_token, as answers end with it"
        )
    sentencepiece = bool(parts["model"].get("byte_fallback"))
    if sentencepiece:
        _check_sentencepiece(folder, parts)
    writer.add_tokenizer_model("llama" if sentencepiece else "gpt2")
    writer.add_tokenizer_pre("default" if sentencepiece else _split(folder, parts))
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    if sentencepiece:
        writer.add_token_scores(_scores(tokens, parts["model"]))
    else:
        writer.add_token_merges(_merges(parts["model"]))
    if parts.get("normalizer"):
        settings = {**parts, "truncation": None, "padding": None}
        writer.add_string(gguf().Keys.Tokenizer.HF_JSON, json.dumps(settings, ensure_ascii=False))
    writer.add_eos_token_id(tokenizer.eos_token_id)
    if tokenizer.bos_token_id is not None:
        writer.add_bos_token_id(tokenizer.bos_token_id)
    if tokenizer.pad_token_id is not None:
        writer.add_pad_token_id(tokenizer.pad_token_id)
    writer.add_add_bos_token(_adds_bos(folder, tokenizer))
    writer.add_add_eos_token(False)  # prompts never end with EOS, see harness.models.files.encode
    writer.add_add_space_prefix(False)
    if isinstance(tokenizer.chat_template, str):
        writer.add_chat_template(tokenizer.chat_template)


def tokenizer_of(file: Path) -> Any:
    """The tokenizer of the GGUF ``file``, for transformers.

    It is ``tokenizer.huggingface.json`` where the file has that; else what transformers makes of
    the vocabulary, which splits as ``tokenizer.ggml.pre`` says where ``_SPLITS`` has it.
    """
    from tokenizers import Tokenizer
    from tokenizers.processors import TemplateProcessing
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    metadata = header(file)
    if text := metadata.get(gguf().Keys.Tokenizer.HF_JSON):
        backend: Any = Tokenizer.from_str(text)
    else:
        made: Any = AutoTokenizer.from_pretrained(str(file.parent), gguf_file=file.name, **LOCAL)
        backend = made.backend_tokenizer
        _set_split(backend, str(metadata.get("tokenizer.ggml.pre", "")))
    words = {name: backend.id_to_token(metadata[key]) for name, key in _ROLES if key in metadata}
    first = words.get("bos_token")
    # llama.cpp adds BOS by this flag alone; EOS is never added to a prompt
    single = f"{first} $A" if first and metadata.get("tokenizer.ggml.add_bos_token") else "$A"
    special = [(first, metadata[_BOS])] if first else []
    backend.post_processor = TemplateProcessing(single=single, special_tokens=special)
    tokenizer: Any = PreTrainedTokenizerFast(tokenizer_object=backend, **words)
    tokenizer.chat_template = metadata.get("tokenizer.chat_template")
    return tokenizer


def _set_split(backend: Any, pre: str) -> None:
    """Make ``backend`` split a text before its merges as llama.cpp does by ``pre``."""
    from tokenizers import Regex, pre_tokenizers

    steps = next((key for key, value in _SPLITS.items() if value == pre), None)
    if steps is None:
        return
    names, ignore_merges = steps
    made = {
        "bytes with the regex of GPT-2": pre_tokenizers.ByteLevel(add_prefix_space=False),
        "bytes": pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        "single digits": pre_tokenizers.Digits(individual_digits=True),
    }
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [made.get(name) or pre_tokenizers.Split(Regex(name), "isolated") for name in names]
    )
    backend.model.ignore_merges = ignore_merges


def _load(folder: Path) -> Any:
    """The fast tokenizer in ``folder``. Raises ModelError."""
    from transformers import AutoTokenizer

    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(str(folder), **LOCAL)
    except Exception as error:  # tokenizers raises bare Exception on a broken tokenizer.json
        line = first_line(error)
        raise ModelError(f"the tokenizer of {folder} cannot be loaded: {line}") from error
    if not getattr(tokenizer, "is_fast", False):
        raise ModelError(
            f"the tokenizer of {folder} is {type(tokenizer).__name__}: only tokenizer.json is"
            " converted"
        )
    return tokenizer


def _check_model(folder: Path, model: dict[str, Any]) -> None:
    """Check that ``model``, of tokenizer.json, is a BPE that llama.cpp has. Raises ModelError."""
    if model["type"] != "BPE":
        line = f"the tokenizer of {folder} is {model['type']}, not BPE"
        raise ModelError(f"{line}: it is not converted")
    for name in ("dropout", "continuing_subword_prefix", "end_of_word_suffix"):
        if model.get(name):
            raise ModelError(
                f"the tokenizer of {folder} has {name} {model[name]!r}: llama.cpp has no such"
                " setting"
            )


def _check_sentencepiece(folder: Path, parts: dict[str, Any]) -> None:
    """Check that spaces become tokens, and tokens text, as in llama.cpp. Raises ModelError."""
    decoder = parts.get("decoder") or {}
    if parts.get("normalizer") != _FROM_SPACE or decoder.get("decoders") != _GEMMA_DECODER:
        line = f"the tokenizer of {folder} does not treat spaces as Gemma's"
        raise ModelError(f"{line}: it is not converted")


def _merges(model: dict[str, Any]) -> list[str]:
    """Pairs of tokens to merge, by priority; a space stands between the two."""
    return [merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"]]


def _scores(tokens: list[str], model: dict[str, Any]) -> list[float]:
    """A score for each token, as in sentencepiece: the earlier its merge, the higher."""
    ranks: dict[str, int] = {}
    for rank, merge in enumerate(_merges(model)):
        ranks.setdefault(merge.replace(" ", ""), rank)
    return [-float(ranks.get(token, 0)) for token in tokens]


def _split(folder: Path, parts: dict[str, Any]) -> str:
    """The value of ``tokenizer.ggml.pre`` for a byte-level BPE. Raises ModelError without one."""
    model = parts["model"]
    kind = (parts.get("normalizer") or {}).get("type")
    if kind not in (None, "NFC"):
        raise ModelError(
            f"the tokenizer of {folder} normalises text ({kind}): llama.cpp would not, it is not"
            " converted"
        )
    steps = parts.get("pre_tokenizer") or {}
    steps = steps.get("pretokenizers", [steps])
    names = tuple(_step(step) for step in steps)
    split = _SPLITS.get((names, bool(model.get("ignore_merges"))))
    if split is None:
        raise ModelError(
            f"the pre-tokenizer of {folder} ({', '.join(names)}) is none that llama.cpp is known to"
            " reproduce: use a model that splits like GPT-2, SmolLM, Llama 3 or Qwen 2"
        )
    return split


def _step(step: dict[str, Any]) -> str:
    """A pre-tokenizer as named in ``_SPLITS``."""
    kind = step.get("type", "none")
    if kind == "ByteLevel" and not step.get("add_prefix_space"):
        return "bytes with the regex of GPT-2" if step.get("use_regex", True) else "bytes"
    if kind == "Digits" and step.get("individual_digits"):
        return "single digits"
    if kind == "Split" and step.get("behavior") == "Isolated" and not step.get("invert"):
        return str(step["pattern"].get("Regex", step["pattern"]))
    return str(kind)


def _tokens(folder: Path, parts: dict[str, Any], rows: int) -> tuple[list[str], list[int]]:
    """Text and type of each token, two lists of ``rows`` items in the order of ids.

    Raises:
        ModelError: an id is beyond the rows, a token takes the spaces beside it, or it stands for
            whole words only.
    """
    token_type = gguf().TokenType
    tokens = [f"[PAD{i}]" for i in range(rows)]  # the embedding may have more rows than tokens
    types = [int(token_type.UNUSED)] * rows
    added = {token["id"]: token for token in parts["added_tokens"]}
    byte_fallback = parts["model"].get("byte_fallback")
    texts = {
        **{i: text for text, i in parts["model"]["vocab"].items()},
        **{i: token["content"] for i, token in added.items()},
    }
    if max(texts) >= rows:
        raise ModelError(
            f"the tokenizer of {folder} has token {max(texts)}, but the embedding has {rows} rows"
        )
    for i, text in texts.items():
        tokens[i] = text
        is_byte = byte_fallback and _BYTE.fullmatch(text)
        types[i] = int(token_type.BYTE if is_byte else token_type.NORMAL)
        if i in added:
            strips = any(added[i].get(flag) for flag in ("lstrip", "rstrip", "single_word"))
            if strips and not parts.get("normalizer"):
                raise ModelError(
                    f"token {text!r} of {folder} strips its neighbours: llama.cpp would not"
                )
            types[i] = int(token_type.CONTROL if added[i]["special"] else token_type.USER_DEFINED)
            if byte_fallback and not added[i]["special"]:
                tokens[i] = text.replace(_SPACE, " ")
    return tokens, types


def _adds_bos(folder: Path, tokenizer: Any) -> bool:
    """Whether the tokenizer puts BOS before a text.

    A text is tokenized to see that, as the settings of the tokenizer may be wrong.

    Raises:
        ModelError: it puts other tokens there.
    """
    text = "a"
    plain = tokenizer(text, add_special_tokens=False)["input_ids"]
    full = tokenizer(text)["input_ids"]
    starts = (i for i in range(len(full)) if full[i : i + len(plain)] == plain)
    prefix = full[: next(starts, len(full))]
    if prefix not in ([], [tokenizer.bos_token_id]):
        raise ModelError(
            f"the tokenizer of {folder} puts tokens {prefix} before a text: only BOS is converted"
        )
    return len(prefix) == 1
