"""The work of a training or of answers, by arithmetic: how much is computed, not how long."""

from __future__ import annotations

import json
import struct
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from harness.models.files import config_of, weight_files
from harness.models.gguf import header
from harness.recipes import (
    ALL_LINEAR,
    ATTENTION,
    MLP,
    Adapter,
    Chat,
    Dataset,
    Decoding,
    Lora,
    Merged,
    ProbeSet,
    Stack,
    Training,
)
from harness.training import loss_from, spans_of, steps

_CHARACTERS = 4.0
"""Of English text in a token, where there is no tokenizer.json to count by."""
_TEXTS = 200
"""Samples of a dataset whose tokens are counted; those of the others follow from their length."""
_TURN = 12
"""Tokens that a chat template writes around a turn, beside those at the start of all."""
_ROWS = 64
"""Texts that the transformers engine computes at once."""
_BLOCK = 64
"""Windows that the frozen base computes at once in a training."""
_FIRST, _LONGER = 12, 0.5
"""Tokens of its first pass, and the share of answers that are taken to be longer."""


class Work(NamedTuple):
    """What is computed."""

    operations: float
    """Floating-point operations: two for each weight and token of a pass."""
    calls: float
    """How many times a decoder layer is run, each with a cost that does not depend on its size."""

    def __add__(self, other: object) -> Work:
        if not isinstance(other, Work):
            return NotImplemented
        return Work(self.operations + other.operations, self.calls + other.calls)

    def times(self, factor: float) -> Work:
        """So many times the work."""
        return Work(self.operations * factor, self.calls * factor)


class Shape(NamedTuple):
    """The size of a model."""

    layers: int
    hidden: int
    head: int
    """Weights of the output matrix."""
    matrices: tuple[tuple[str, int, int, float], ...]
    """Of the layers: name, rows, columns, and how many of them a token passes."""

    @property
    def body(self) -> float:
        """Weights of the layers that a token passes."""
        return sum(rows * columns * count for _, rows, columns, count in self.matrices)

    @property
    def parameters(self) -> float:
        """Weights that a token passes."""
        return self.body + self.head

    def lora(self, training: Training) -> float:
        """Weights of an adapter; where no layer has a targeted name, all layers are adapted."""
        targets = set(training.target_modules)
        known = {name for name, *_ in self.matrices}
        if ALL_LINEAR in targets or (targets == {*ATTENTION, *MLP} and not targets <= known):
            targets = known
        sides = sum(
            (rows + columns) * count for name, rows, columns, count in self.matrices
            if name in targets
        )  # fmt: skip
        return training.rank * sides * (1 - training.skip_layers)


@lru_cache(maxsize=16)
def shape_of(path: Path) -> Shape | None:
    """The size of the model in a folder or GGUF file, by headers alone; None where they lack it."""
    try:
        return _of_file(path) if path.is_file() else _of_folder(path)
    except (KeyError, TypeError, ValueError, OSError, struct.error):
        return None


def _of_folder(folder: Path) -> Shape:
    config = config_of(folder)
    config = {**config, **(config.get("text_config") or {})}
    vocabulary, hidden = int(config["vocab_size"]), int(config["hidden_size"])
    experts = config.get("num_local_experts") or config.get("num_experts") or 0
    active = config.get("num_experts_per_tok", 1) / experts if experts else 1.0
    found: Counter[tuple[str, int, int]] = Counter()
    shares: dict[tuple[str, int, int], float] = {}
    for name, shape in _tensors(folder):
        if len(shape) < 2 or vocabulary in shape[:2]:
            continue
        kind = (name.removesuffix(".weight").rpartition(".")[2], *_sides(shape))
        found[kind] += shape[0] if len(shape) == 3 else 1
        shares[kind] = active if "experts" in name else 1.0
    matrices = tuple((*kind, count * shares[kind]) for kind, count in found.items())
    return Shape(int(config["num_hidden_layers"]), hidden, vocabulary * hidden, matrices)


def _sides(shape: Sequence[int]) -> tuple[int, int]:
    return int(shape[-2]), int(shape[-1])


def _tensors(folder: Path) -> Iterable[tuple[str, list[int]]]:
    """Names and shapes, from the headers of the safetensors files."""
    for file in weight_files(folder):
        with file.open("rb") as stream:
            (length,) = struct.unpack("<Q", stream.read(8))
            entries = json.loads(stream.read(length))
        for name, entry in entries.items():
            if name != "__metadata__":
                yield name, entry["shape"]


def _of_file(file: Path) -> Shape:
    """A GGUF file of an architecture like Llama's: its metadata say all sizes but the vocabulary's.

    The output matrix is small beside the layers, and is left out where the metadata lack it.
    """
    metadata = header(file)
    arch = metadata["general.architecture"]

    def value(key: str, default: Any = None) -> int:
        return int(metadata.get(f"{arch}.{key}", default))

    layers, hidden = value("block_count"), value("embedding_length")
    heads, inner = value("attention.head_count"), value("feed_forward_length")
    width = value("attention.key_length", hidden // heads)
    keys = value("attention.head_count_kv", heads) * width
    sizes = {
        **dict.fromkeys(("k_proj", "v_proj"), (keys, hidden)),
        **dict.fromkeys(("gate_proj", "up_proj"), (inner, hidden)),
        "q_proj": (heads * width, hidden),
        "o_proj": (hidden, heads * width),
        "down_proj": (hidden, inner),
    }
    matrices = tuple((name, *sides, float(layers)) for name, sides in sizes.items())
    return Shape(layers, hidden, value("vocab_size", 0) * hidden, matrices)


def training_work(recipe: Adapter, shape: Shape, folder: Path) -> Work:
    """The work of all epochs of a training; ``folder`` has the tokenizer.

    What lies below the first adapted layer, and what the base says of replayed text, are computed
    once for each window that is used.
    """
    training = recipe.training
    text = _windows(recipe.dataset, _of_windows(training), folder)
    replay, used = _Windows(0, 0, 0), 0.0
    if recipe.replay and training.replay:
        known = _windows(recipe.replay, _of_windows(training), folder)
        drawn = round(training.replay * text.number)
        replay = known.part(drawn / known.number if known.number else 0.0)
        # each epoch draws anew, without repeating a window before all were drawn
        fresh = max(0.0, 1 - drawn / known.number) if known.number else 0.0
        used = known.number * (1 - fresh**training.epochs) / max(1, drawn)
    total = steps(text.number, training)
    per_epoch = text.number + replay.number
    micros = total * -(-min(training.batch, per_epoch) // training.micro_batch)
    body, lora, head = (2 * weights for weights in (shape.body, shape.lora(training), shape.head))
    deep = 1 - training.skip_layers
    tokens, bearing = text.tokens + replay.tokens, text.bearing + replay.bearing
    # forward, then backward: through the adapter twice, for its inputs and its weights
    each = tokens * (2 * body * deep + 3 * lora) + bearing * 2 * head
    once = (text.tokens + used * replay.tokens) * body * (1 - deep)
    passes = 3 * deep * micros
    if training.kl and replay.number:
        once += used * (replay.tokens * body * deep + replay.bearing * head)
        each += replay.bearing * head
        passes += used * replay.number / _BLOCK
    return Work(training.epochs * each + once, passes * shape.layers)


def micro_batch(recipe: Adapter, folder: Path) -> tuple[float, float]:
    """Tokens of a micro-batch, and those of them that bear loss, on average."""
    training = recipe.training
    text = _windows(recipe.dataset, _of_windows(training), folder)
    tokens, bearing, number = text.tokens, text.bearing, float(text.number)
    if recipe.replay and training.replay:
        known = _windows(recipe.replay, _of_windows(training), folder)
        share = training.replay * text.number / max(1, known.number)
        tokens += share * known.tokens
        bearing += share * known.bearing
        number += share * known.number
    rows = min(training.micro_batch, training.batch, number) / max(1.0, number)
    return rows * tokens, rows * bearing


class _Windows(NamedTuple):
    """Sums over the windows of a dataset."""

    number: int
    tokens: float
    bearing: float
    """Tokens that bear loss."""

    def part(self, share: float) -> _Windows:
        """So large a share of them."""
        return _Windows(round(share * self.number), share * self.tokens, share * self.bearing)


def _of_windows(training: Training) -> Training:
    """Only what windows depend on, so that settings share them."""
    fields = {name: getattr(training, name) for name in ("cutoff", "overlap", "loss_on")}
    return Training(**fields)


@lru_cache(maxsize=256)
def _windows(dataset: Dataset, training: Training, folder: Path) -> _Windows:
    each = _characters(dataset, folder)
    spans = [
        span
        for sample in dataset.samples
        for span in spans_of(
            max(2, round(len(sample.text) / each)) + _of_turn(sample.chat),
            loss_from(
                sample,
                max(1, round((len(sample.text) - len(sample.completion)) / each))
                + _of_turn(sample.chat),
                training,
            ),
            training,
        )
    ]
    return _Windows(
        len(spans),
        sum(length for *_, length in spans),
        sum(length - start for _, start, length in spans),
    )


def _of_turn(chat: Chat | None) -> int:
    """Tokens that a template adds to a turn; what all turns begin with is computed once a row."""
    return _TURN if chat else 0


@lru_cache(maxsize=256)
def _characters(data: Dataset | ProbeSet, folder: Path) -> float:
    """Characters in a token of some texts of ``data``."""
    tokenizer = _tokenizer(folder)
    if isinstance(data, Dataset):
        texts = [sample.text for sample in data.samples]
    else:
        texts = [probe.prompt for probe in data.probes]
    texts = texts[:: -(-len(texts) // _TEXTS)]
    if tokenizer is None:
        return _CHARACTERS
    tokens = sum(len(encoding.ids) for encoding in tokenizer.encode_batch(texts))
    return max(1, sum(map(len, texts))) / max(1, tokens)


@lru_cache(maxsize=4)
def _tokenizer(folder: Path) -> Any:
    """None without a tokenizer.json; transformers, which reads all kinds, takes seconds to load."""
    from tokenizers import Tokenizer

    file = folder / "tokenizer.json"
    try:
        return Tokenizer.from_file(str(file)) if file.is_file() else None
    except Exception:  # the library raises no class of its own; the count is then by characters
        return None


def answers_work(
    stack: Stack, probes: ProbeSet, decoding: Decoding, shape: Shape, folder: Path, whole: int = 0
) -> Work:
    """The work of answers; ``whole``: so many tokens each, which stop strings do not end."""
    copies = max(decoding.num_beams, decoding.num_return_sequences)
    rows = copies * len(probes.probes)
    turns = sum(_of_turn(p.chat) for p in probes.probes)
    characters = sum(len(p.prompt) for p in probes.probes)
    prompts = copies * (turns + characters / _characters(probes, folder))
    weights = 2 * (shape.parameters + sum(lora_weights(lora, shape) for lora in stack.loras))
    batches = -(-rows // _ROWS)
    limit = whole or decoding.max_new_tokens
    greedy = not decoding.do_sample and decoding.num_beams == 1
    if whole or not greedy or limit <= 2 * _FIRST:
        return Work((prompts + rows * limit) * weights, batches * (1 + limit) * shape.layers)
    first = Work((prompts + rows * _FIRST) * weights, batches * (1 + _FIRST) * shape.layers)
    rest = limit - _FIRST
    again = prompts + rows * (_FIRST + rest)
    return first + Work(again * weights, batches * (1 + rest) * shape.layers).times(_LONGER)


def reading_work(probes: ProbeSet, stack: Stack, shape: Shape, folder: Path) -> Work:
    """The work of scoring accepted answers, each after its prompt."""
    each = _characters(probes, folder)
    texts = [len(p.prompt) + len(answer) for p in probes.probes for answer in p.accepted]
    weights = 2 * (shape.parameters + sum(lora_weights(lora, shape) for lora in stack.loras))
    batches = -(-len(texts) // _ROWS)
    return Work(sum(texts) / each * weights, batches * shape.layers)


def lora_weights(lora: Lora, shape: Shape) -> float:
    """Weights of an adapter that is made here."""
    if isinstance(lora, Merged):
        return sum(lora_weights(adapter, shape) for adapter, _ in lora.adapters)
    return shape.lora(lora.training)
