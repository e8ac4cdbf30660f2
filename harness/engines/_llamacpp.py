"""The llama.cpp engine: GGUF bases of any type, with stacks of GGUF adapters swapped while the base
stays loaded."""

from __future__ import annotations

import ctypes
import os
import time
import weakref
from collections import OrderedDict, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.engines._decoding import Bans, only_token
from harness.engines._engine import (
    Capabilities,
    Likelihood,
    Span,
    check,
    seed_of,
    spans,
    stopped,
    total,
)
from harness.errors import ModelError, RecipeError
from harness.measure.machine import processors
from harness.measure.machine import threads as computing_threads
from harness.models.gguf import check_file
from harness.models.gguf._library import forget, llama, reason
from harness.recipes import Decoding

_SEQUENCES = 32
"""Texts generated at once. Each has a key-value cache of its own, so that none depends on its
neighbours."""
_CELLS = 8_192
"""Tokens that all caches hold together; with long prompts fewer texts are generated at once."""
_STEP = 256
"""llama.cpp rounds the length of a cache up to this."""
_SCORED = 64
"""Tokens that are scored at once, as each takes the logits of the whole vocabulary."""
_KEPT = 64
"""Adapters that stay in memory."""


@dataclass
class _Text:
    """A text on its way."""

    tokens: list[int]
    """The prompt's, then the answer's."""
    prompt: int
    """Length of the prompt."""
    sampler: Any
    """A chain of llama.cpp's samplers; None: the most probable token."""
    bans: Bans
    ends: tuple[int, ...]
    """The tokens that end it; none: those that the model itself ends with."""
    answer: bytearray = field(default_factory=bytearray)


class LlamaCppEngine:
    """Answers with a GGUF model in llama.cpp."""

    name = "gguf"
    capabilities = Capabilities(
        several_adapters=True,
        scales=True,
        vram_known=False,
        log_likelihood=True,
        refuses=("num_beams",),
    )

    def __init__(self, file: Path, context: int = 0, threads: int | None = None) -> None:
        """``context`` is the longest sequence in tokens (0: the model's), ``threads`` by default
        all that may be used.

        Raises:
            MissingExtraError: llama-cpp-python is not installed.
            ModelError: ``file`` is no whole GGUF model, or ``context`` exceeds it.
        """
        began = time.perf_counter()
        self._library = library = llama()
        self.file = file
        self.threads = threads or min(computing_threads(), processors())
        params = library.llama_model_default_params()
        params.check_tensors = True
        forget()
        self._model: Any = library.llama_model_load_from_file(os.fsencode(file), params)
        if not self._model:
            raise ModelError(f"{file} cannot be loaded: {reason()}")
        self._held: dict[str, Any] = {"model": self._model}
        self._finalizer = weakref.finalize(self, _release, library, self._held)
        self._vocab: Any = library.llama_model_get_vocab(self._model)
        self.vocabulary: int = library.llama_vocab_n_tokens(self._vocab)
        self._splitter: Any = self._huggingface()
        self._begins = bool(library.llama_vocab_get_add_bos(self._vocab))
        known = int(library.llama_model_n_ctx_train(self._model))
        if context > known:
            raise ModelError(
                f"context is {context}: {file.name} takes at most {known} tokens, lower it"
            )
        self.context: int = context or known
        self._pieces: dict[int, bytes] = {}
        self._adapters: OrderedDict[tuple[str, int, int], Any] = OrderedDict()
        self._stack: dict[tuple[str, int, int], float] = {}
        self._length = self._sequences = self._outputs = 0
        self._not_finite = False
        """Whether a number in the caches may be infinite or none."""
        self._prepare(1, 1)
        self.load_seconds: float = time.perf_counter() - began

    def close(self) -> None:
        """Free model, caches and adapters. The engine cannot be used any more."""
        self._finalizer()

    def answer(self, prompts: Sequence[str], decoding: Decoding) -> list[list[str]]:
        """See Engine. Raises RecipeError where a prompt leaves no room, or for beams."""
        check(decoding, self.capabilities.refuses, "the gguf engine")
        each = (
            decoding.num_return_sequences if decoding.do_sample else 1
        )  # greedy answers are all the same
        known = [self._tokens(prompt, decoding.max_new_tokens) for prompt in prompts]
        bans, ends = Bans.of(decoding, self._plain), self._ends(decoding)
        texts: list[_Text] = []
        try:
            for prompt, tokens in zip(prompts, known, strict=True):
                for i in range(each):
                    sampler = (
                        self._sampler(decoding, seed_of(decoding, i, prompt))
                        if decoding.do_sample
                        else None
                    )
                    texts.append(_Text(list(tokens), len(tokens), sampler, bans, ends))
            self._generate(texts, decoding)
        finally:
            for text in texts:
                if text.sampler is not None:
                    self._library.llama_sampler_free(text.sampler)
        said = [stopped(text.answer.decode("utf-8", "replace"), decoding.stop) for text in texts]
        copies = decoding.num_return_sequences // each
        return [said[i : i + each] * copies for i in range(0, len(said), each)]

    def count(self, texts: Sequence[str]) -> int:
        """See Engine."""
        return sum(len(self._encode(text, False)) for text in texts)

    def log_probabilities(self, prompts: Sequence[str]) -> list[npt.NDArray[np.float32]]:
        """Of every token of the vocabulary to come after each prompt. Raises RecipeError on too
        long a prompt."""
        known = [self._tokens(prompt, 0) for prompt in prompts]
        self._prepare(1, max(map(len, known), default=1))
        found: list[npt.NDArray[np.float32]] = []
        for tokens in known:
            self._clear()
            self._decode(tokens, range(len(tokens)), [0] * len(tokens), [len(tokens) - 1])
            logits = self._logits(1)[0].astype(np.float64)
            logits -= logits.max()
            found.append((logits - np.log(np.exp(logits).sum())).astype(np.float32))
        return found

    def log_likelihood(self, pairs: Sequence[tuple[str, str]]) -> list[Likelihood]:
        """See Engine."""
        library = self._library
        ends = (library.llama_vocab_bos(self._vocab), library.llama_vocab_eos(self._vocab))
        start = next((token for token in ends
                      if token >= 0), None)  # fmt: skip
        cut = spans(pairs, self._encode, start, self.context)
        if not cut:
            return []
        self._prepare(1, max(len(span.ids) for parts in cut for span in parts), _SCORED)
        return [total(self._scored(span) for span in parts) for parts in cut]

    def _scored(self, span: Span) -> Likelihood:
        """The last token is not computed, as nothing comes after it."""
        from scipy.special import logsumexp  # a second that the command line's help need not take

        self._clear()
        ids, logs, matched = span.ids, 0.0, 0
        left = 0
        while left < len(ids) - 1:
            first = max(left, span.first - 1)
            right = min(len(ids) - 1, first + _SCORED)
            self._decode(
                ids[left:right],
                range(left, right),
                [0] * (right - left),
                range(first - left, right - left),
            )
            logits, true = self._logits(right - first), np.array(ids[first + 1 : right + 1])
            chosen = logits[np.arange(len(true)), true]
            logs += float((chosen - logsumexp(logits, axis=1)).sum(dtype=np.float64))
            matched += int((logits.argmax(axis=1) == true).sum())
            left = right
        return Likelihood(logs, len(ids) - span.first, matched)

    @contextmanager
    def with_stack(self, adapters: Sequence[tuple[Path, float]]) -> Iterator[None]:
        """See Engine; adapters are files made by ``convert_adapter``. They stay in memory, so swaps
        read nothing.

        Raises:
            ModelError: a file is no adapter for this base.
        """
        self._check_open()
        stack: dict[tuple[str, int, int], float] = {}
        for path, scale in adapters:
            key = self._adapter(path, stack)
            stack[key] = stack.get(key, 0.0) + scale  # llama.cpp would keep the last scale only
        before, self._stack = self._stack, stack
        try:
            self._apply()
            yield
        finally:
            self._stack = before
            self._apply()

    def _check_open(self) -> None:
        if "model" not in self._held:
            raise ModelError(f"{self.file.name} was closed: make another engine")

    def _adapter(
        self, path: Path, wanted: dict[tuple[str, int, int], float]
    ) -> tuple[str, int, int]:
        """Load ``path`` unless this very file is loaded, and name it."""
        try:
            seen = path.stat()
        except OSError as error:
            raise ModelError(
                f"no such adapter {str(path)!r}: give a file made by convert_adapter"
            ) from error
        key = (str(path.resolve()), seen.st_mtime_ns, seen.st_size)
        if key not in self._adapters:
            forget()
            loaded = self._library.llama_adapter_lora_init(self._model, os.fsencode(path))
            if not loaded:
                raise ModelError(f"{path} is no adapter for {self.file.name}: {reason()}")
            try:
                check_file(path)
            except ModelError:
                self._library.llama_adapter_lora_free(loaded)
                raise
            self._adapters[key] = loaded
        self._adapters.move_to_end(key)
        for old in list(self._adapters)[: max(0, len(self._adapters) - _KEPT)]:
            if old not in wanted and old not in self._stack and old != key:
                self._library.llama_adapter_lora_free(self._adapters.pop(old))
        return key

    def _apply(self) -> None:
        """Put the stack on the context, and forget what other stacks computed."""
        used = {key: scale for key, scale in self._stack.items() if scale}
        handles = (self._library.llama_adapter_lora_p_ctypes * len(used))(
            *(self._adapters[key] for key in used)
        )
        scales = (ctypes.c_float * len(used))(*used.values())
        if self._library.llama_set_adapters_lora(self._held["context"], handles, len(used), scales):
            raise ModelError(f"adapters cannot be put on {self.file.name}: {reason()}")
        self._clear()

    def _prepare(self, sequences: int, length: int, outputs: int = 0) -> None:
        """A context with room for ``sequences`` texts of ``length`` tokens; a larger one is kept.

        Logits are had of ``outputs`` tokens at once, and of one in each text.
        """
        length = max(self._length, -(-length // _STEP) * _STEP)
        sequences = max(1, min(max(self._sequences, sequences), _SEQUENCES, _CELLS // length))
        outputs = max(self._outputs, outputs, sequences)
        if (sequences, length, outputs) == (self._sequences, self._length, self._outputs):
            return
        library = self._library
        if "context" in self._held:
            library.llama_free(self._held.pop("context"))
            self._sequences = self._length = self._outputs = 0
        params = library.llama_context_default_params()
        params.n_ctx = sequences * length
        params.n_batch = max(length, sequences)
        params.n_seq_max, params.n_outputs_max = sequences, outputs
        params.n_threads = params.n_threads_batch = self.threads
        params.kv_unified = False
        # half precision in attention would move probabilities by 0.01, a thousand times what is
        # left without it
        params.flash_attn_type = library.LLAMA_FLASH_ATTN_TYPE_DISABLED
        params.type_k = params.type_v = library.GGML_TYPE_F32
        forget()
        context = library.llama_init_from_model(self._model, params)
        if not context:
            raise ModelError(
                f"{sequences} texts of {length} tokens do not fit into memory: {reason()}"
            )
        self._held["context"] = context
        self._memory: Any = library.llama_get_memory(context)
        self._sequences, self._length, self._outputs = sequences, length, outputs
        self._batch = _Batch(library, params.n_batch)
        self._apply()

    def _clear(self) -> None:
        """Forget all texts.

        Their numbers stay in memory, masked, unless one is not finite: that would spoil what is
        computed from the place where it is. To wipe all takes as long as to load a small model.
        """
        self._library.llama_memory_clear(self._memory, self._not_finite)
        self._not_finite = False

    def _tokens(self, prompt: str, new: int) -> list[int]:
        """Raises RecipeError where the context has no room for ``prompt`` and ``new`` tokens."""
        found = self._encode(prompt, True)
        count = len(found)
        if count < 1:
            raise RecipeError(f"prompt {prompt!r} has no tokens: write at least one word")
        if count + new > self.context:
            raise RecipeError(
                f"a prompt of {count} tokens with {new} new ones exceeds the context of"
                f" {self.file.name} ({self.context} tokens): shorten it"
            )
        return found

    def _encode(self, text: str, special: bool) -> list[int]:
        """As the model's tokenizer does it, special tokens in the text included; BOS only where
        ``special`` is set."""
        self._check_open()
        if self._splitter is not None:
            start = [self._library.llama_vocab_bos(self._vocab)] if special and self._begins else []
            return [*start, *self._splitter.encode(text, add_special_tokens=False).ids]
        raw = text.encode()
        room = (ctypes.c_int32 * (len(raw) + 2))()
        count = self._library.llama_tokenize(
            self._vocab, raw, len(raw), room, len(room), special, True
        )
        return list(room[:count])

    def _huggingface(self) -> Any:
        """The tokenizer that the file holds beside llama.cpp's; None without."""
        key, ask = b"tokenizer.huggingface.json", self._library.llama_model_meta_val_str
        length = ask(self._model, key, ctypes.create_string_buffer(1), 1)
        if length <= 0:
            return None
        from tokenizers import Tokenizer

        room = ctypes.create_string_buffer(length + 1)
        ask(self._model, key, room, len(room))
        return Tokenizer.from_str(room.value.decode())

    def _plain(self, text: str) -> list[int]:
        return self._encode(text, False)

    def _ends(self, decoding: Decoding) -> tuple[int, ...]:
        """The token that ends an answer in place of the model's own, where ``decoding``
        names one."""
        return (only_token("eos", decoding.eos, self._plain),) if decoding.eos else ()

    def _piece(self, token: int) -> bytes:
        """Bytes of ``token``; none for special ones. A character may be spread over
        several tokens."""
        if token not in self._pieces:
            room, count = ctypes.create_string_buffer(64), -1
            while count < 0:  # then it is the length that it takes
                count = self._library.llama_token_to_piece(
                    self._vocab, token, room, len(room), 0, False
                )
                piece, room = room.raw[: max(count, 0)], ctypes.create_string_buffer(max(-count, 1))
            self._pieces[token] = piece
        return self._pieces[token]

    def _sampler(self, decoding: Decoding, seed: int) -> Any:
        """Samplers in the order of transformers."""
        library = self._library
        chain = library.llama_sampler_chain_init(library.llama_sampler_chain_default_params())
        steps = [library.llama_sampler_init_temp(decoding.temperature)]
        if decoding.top_k > 0:
            steps.append(library.llama_sampler_init_top_k(decoding.top_k))
        if decoding.top_p < 1:
            steps.append(library.llama_sampler_init_top_p(decoding.top_p, 1))
        if decoding.min_p > 0:
            steps.append(library.llama_sampler_init_min_p(decoding.min_p, 1))
        if decoding.typical_p < 1:
            steps.append(library.llama_sampler_init_typical(decoding.typical_p, 1))
        steps.append(library.llama_sampler_init_dist(seed))
        for step in steps:
            library.llama_sampler_chain_add(chain, step)
        return chain

    def _generate(self, texts: list[_Text], decoding: Decoding) -> None:
        """Prompts one by one, as their computation then never differs; answers side by side."""
        if not texts:
            return
        self._prepare(len(texts), max(text.prompt for text in texts) + decoding.max_new_tokens)
        self._clear()
        waiting, running = deque(texts), dict[int, _Text]()
        while waiting or running:
            for place in range(self._sequences):
                while place not in running and waiting:
                    text = waiting.popleft()
                    self._decode(
                        text.tokens, range(text.prompt), [place] * text.prompt, [text.prompt - 1]
                    )
                    if self._next(text, self._logits(1)[0], 0, decoding):
                        running[place] = text
                    else:
                        self._library.llama_memory_seq_rm(self._memory, place, -1, -1)
            if not running:
                continue
            places = list(running)
            last = [running[place].tokens[-1] for place in places]
            self._decode(
                last,
                [len(running[place].tokens) - 1 for place in places],
                places,
                range(len(places)),
            )
            logits = self._logits(len(places))
            for i, place in enumerate(places):
                if not self._next(running[place], logits[i], i, decoding):
                    del running[place]
                    self._library.llama_memory_seq_rm(self._memory, place, -1, -1)

    def _next(
        self, text: _Text, logits: npt.NDArray[np.float32], row: int, decoding: Decoding
    ) -> bool:
        """Add one token to ``text``; whether there is more to come. ``logits`` are those of ``row``
        in the batch."""
        if (
            decoding.repetition_penalty != 1
        ):  # in place, so that llama.cpp's samplers see it; as transformers does it
            seen = np.unique(text.tokens)
            chosen = logits[seen]
            penalty = np.float32(decoding.repetition_penalty)
            logits[seen] = np.where(chosen < 0, chosen * penalty, chosen / penalty)
        if banned := text.bans.after(text.tokens):
            logits[list(banned)] = -np.inf
        if text.sampler is None:
            token = int(logits.argmax())
        else:
            token = int(
                self._library.llama_sampler_sample(
                    text.sampler, self._held["context"], self._batch.rows[row]
                )
            )
        if not text.ends and self._library.llama_vocab_is_eog(self._vocab, token):
            return False
        text.tokens.append(token)
        text.answer += self._piece(token)
        if token in text.ends or len(text.tokens) - text.prompt >= decoding.max_new_tokens:
            return False
        said = text.answer.decode("utf-8", "replace") if decoding.stop else ""
        return not any(stop in said for stop in decoding.stop)

    def _decode(
        self,
        tokens: Sequence[int],
        positions: Sequence[int],
        places: Sequence[int],
        rows: Sequence[int],
    ) -> None:
        """Run ``tokens`` at ``positions`` of the sequences ``places``; logits are kept
        of ``rows``."""
        forget()
        code = self._library.llama_decode(
            self._held["context"], self._batch.fill(tokens, positions, places, rows)
        )
        if code:
            raise ModelError(
                f"{self.file.name} cannot decode {len(tokens)} tokens (code {code}): {reason()}"
            )

    def _logits(self, count: int) -> npt.NDArray[np.float32]:
        """llama.cpp's own memory, valid up to the next ``_decode``."""
        found = self._library.llama_get_logits(self._held["context"])
        logits = np.ctypeslib.as_array(found, shape=(count, self.vocabulary))
        self._not_finite |= not np.isfinite(
            logits[:, 0]
        ).all()  # one such number makes a row of them
        return logits


class _Batch:
    """A ``llama_batch`` whose arrays are numpy's: filled without a loop in Python."""

    def __init__(self, library: Any, size: int) -> None:
        self.tokens, self.positions, self.places = (np.zeros(size, np.int32) for _ in range(3))
        self.counts, self.wanted = np.ones(size, np.int32), np.zeros(size, np.int8)
        address = np.dtype(np.uintp)
        self.each = (self.places.ctypes.data + 4 * np.arange(size)).astype(address)
        self.rows: Sequence[int] = []
        self.struct: Any = library.llama_batch()
        integers = ctypes.POINTER(ctypes.c_int32)
        self.struct.token = self.tokens.ctypes.data_as(integers)
        self.struct.pos = self.positions.ctypes.data_as(integers)
        self.struct.n_seq_id = self.counts.ctypes.data_as(integers)
        self.struct.seq_id = self.each.ctypes.data_as(ctypes.POINTER(integers))
        self.struct.logits = self.wanted.ctypes.data_as(ctypes.POINTER(ctypes.c_int8))

    def fill(
        self,
        tokens: Sequence[int],
        positions: Sequence[int],
        places: Sequence[int],
        rows: Sequence[int],
    ) -> Any:
        count = len(tokens)
        self.tokens[:count], self.positions[:count], self.places[:count] = tokens, positions, places
        self.wanted[:count] = 0
        self.wanted[list(rows)] = 1
        self.rows = rows
        self.struct.n_tokens = count
        return self.struct


def _release(library: Any, held: dict[str, Any]) -> None:
    """Adapters go with their model."""
    if "context" in held:
        library.llama_free(held.pop("context"))
    if "model" in held:
        library.llama_model_free(held.pop("model"))
