"""A GGUF model in llama.cpp: its tokens, its caches and the logits of a batch."""

from __future__ import annotations

import ctypes
import os
import weakref
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.errors import ModelError
from harness.measure.machine import processors
from harness.measure.machine import threads as computing_threads
from harness.models.chat_templates import CHAT_TEMPLATE, ChatTemplate, template_of_gguf
from harness.models.gguf import check_file, forget, header, llama, reason

_MAX_SEQUENCES = 32
"""Texts generated at once. Each has a key-value cache of its own, so none depends on the others."""
_MAX_CELLS = 8_192
"""Tokens that all caches hold together; with long prompts fewer texts are generated at once."""
_STEP = 256
"""llama.cpp rounds the length of a cache up to this."""

Logits = npt.NDArray[np.float32]


class LlamaModel:
    """A loaded GGUF file with a context (caches) that grows when more room is needed."""

    def __init__(self, file: Path, context: int = 0, threads: int | None = None) -> None:
        """See LlamaCppEngine."""
        self.library = library = llama()
        self.file = file
        self.threads = threads or min(computing_threads(), processors())
        params = library.llama_model_default_params()
        params.check_tensors = True
        forget()
        self._model: Any = library.llama_model_load_from_file(os.fsencode(file), params)
        if not self._model:
            raise ModelError(f"{file} cannot be loaded: {reason()}")
        self._handles: dict[str, Any] = {"model": self._model}
        self._finalizer = weakref.finalize(self, _release, library, self._handles)
        self._vocab: Any = library.llama_model_get_vocab(self._model)
        self.vocabulary: int = library.llama_vocab_n_tokens(self._vocab)
        self._tokenizer: Any = self._huggingface_tokenizer()
        self._adds_bos = bool(library.llama_vocab_get_add_bos(self._vocab))
        trained = int(library.llama_model_n_ctx_train(self._model))
        if context > trained:
            raise ModelError(
                f"context is {context}: {file.name} takes at most {trained} tokens, lower it"
            )
        self.context: int = context or trained
        self._pieces: dict[int, bytes] = {}
        self._adapters: list[tuple[Any, float]] = []
        self.sequences = 0
        """Texts that the caches have room for."""
        self._length = 0
        self._outputs = 0
        self._not_finite = False
        """Whether a number in the caches may be infinite or NaN."""
        self.prepare(1, 1)

    def close(self) -> None:
        """Free model, caches and adapters. A second call does nothing."""
        self._finalizer()

    def check_open(self) -> None:
        """Raises ModelError after ``close``."""
        if "model" not in self._handles:
            raise ModelError(f"{self.file.name} was closed: make another engine")

    # Tokens

    @property
    def start_token(self) -> int | None:
        """The token that stands before a text without context: BOS, else EOS."""
        tokens = (
            self.library.llama_vocab_bos(self._vocab),
            self.library.llama_vocab_eos(self._vocab),
        )
        return next((token for token in tokens if token >= 0), None)

    def encode(self, text: str, special: bool) -> list[int]:
        """Token ids of ``text``, as the model's tokenizer gives them.

        Special tokens that are written in the text count as such. BOS is added only with
        ``special``.
        """
        self.check_open()
        if self._tokenizer is not None:
            bos = self.library.llama_vocab_bos(self._vocab)
            start = [bos] if special and self._adds_bos else []
            return [*start, *self._tokenizer.encode(text, add_special_tokens=False).ids]
        raw = text.encode()
        buffer = (ctypes.c_int32 * (len(raw) + 2))()
        count = self.library.llama_tokenize(
            self._vocab, raw, len(raw), buffer, len(buffer), special, True
        )
        return list(buffer[:count])

    def piece(self, token: int) -> bytes:
        """Bytes of ``token``; none for special ones.

        One character may be spread over several tokens.
        """
        if token not in self._pieces:
            size = 64
            count = -1
            while count < 0:  # a negative count is the size that the buffer needs
                buffer = ctypes.create_string_buffer(size)
                count = self.library.llama_token_to_piece(
                    self._vocab, token, buffer, size, 0, False
                )
                size = -count
            self._pieces[token] = buffer.raw[:count]
        return self._pieces[token]

    def chat_template(self) -> ChatTemplate:
        """The template in the file. Raises RecipeError where it has none."""
        bos, eos = (
            self.library.llama_vocab_get_text(self._vocab, token).decode() if token >= 0 else ""
            for token in (
                self.library.llama_vocab_bos(self._vocab),
                self.library.llama_vocab_eos(self._vocab),
            )
        )
        source = str(header(self.file).get(CHAT_TEMPLATE, ""))
        return template_of_gguf(self.file.name, source, bos, eos)

    def is_end(self, token: int) -> bool:
        """Whether the model itself ends a text with ``token``."""
        return bool(self.library.llama_vocab_is_eog(self._vocab, token))

    def _huggingface_tokenizer(self) -> Any:
        """The tokenizer that the file holds beside llama.cpp's; None without one."""
        key = b"tokenizer.huggingface.json"
        get = self.library.llama_model_meta_val_str
        length = get(self._model, key, ctypes.create_string_buffer(1), 1)
        if length <= 0:
            return None
        from tokenizers import Tokenizer

        buffer = ctypes.create_string_buffer(length + 1)
        get(self._model, key, buffer, len(buffer))
        return Tokenizer.from_str(buffer.value.decode())

    # Adapters

    def load_adapter(self, path: Path) -> Any:
        """A handle of the GGUF adapter ``path``. Raises ModelError where it does not fit."""
        forget()
        adapter = self.library.llama_adapter_lora_init(self._model, os.fsencode(path))
        if not adapter:
            raise ModelError(f"{path} is not an adapter for {self.file.name}: {reason()}")
        try:
            check_file(path)
        except ModelError:
            self.free_adapter(adapter)
            raise
        return adapter

    def free_adapter(self, adapter: Any) -> None:
        self.library.llama_adapter_lora_free(adapter)

    def put_on(self, adapters: Iterable[tuple[Any, float]]) -> None:
        """Make exactly these adapters (handle, scale) active, and forget computed texts."""
        self._adapters = list(adapters)
        size = len(self._adapters)
        handles = (self.library.llama_adapter_lora_p_ctypes * size)(
            *(handle for handle, _ in self._adapters)
        )
        scales = (ctypes.c_float * size)(*(scale for _, scale in self._adapters))
        context = self._handles["context"]
        if self.library.llama_set_adapters_lora(context, handles, size, scales):
            raise ModelError(f"adapters cannot be put on {self.file.name}: {reason()}")
        self.clear()

    # Computation

    def prepare(self, sequences: int, length: int, outputs: int = 0) -> None:
        """Make room for ``sequences`` texts of ``length`` tokens; a larger context stays.

        ``outputs`` is how many tokens of one batch get logits; at least one in each text does.
        """
        length = max(self._length, -(-length // _STEP) * _STEP)
        room = min(max(self.sequences, sequences), _MAX_SEQUENCES, _MAX_CELLS // length)
        sequences = max(1, room)
        outputs = max(self._outputs, outputs, sequences)
        if (sequences, length, outputs) == (self.sequences, self._length, self._outputs):
            return
        library = self.library
        if "context" in self._handles:
            library.llama_free(self._handles.pop("context"))
            self.sequences = self._length = self._outputs = 0
        params = library.llama_context_default_params()
        params.n_ctx = sequences * length
        params.n_batch = max(length, sequences)
        params.n_seq_max = sequences
        params.n_outputs_max = outputs
        params.n_threads = params.n_threads_batch = self.threads
        params.kv_unified = False
        # Half precision in attention would move log-probabilities by 0.01. Without it they differ
        # from transformers' by a thousandth of that.
        params.flash_attn_type = library.LLAMA_FLASH_ATTN_TYPE_DISABLED
        params.type_k = params.type_v = library.GGML_TYPE_F32
        forget()
        context = library.llama_init_from_model(self._model, params)
        if not context:
            raise ModelError(
                f"{sequences} texts of {length} tokens do not fit into memory: {reason()}"
            )
        self._handles["context"] = context
        self._memory: Any = library.llama_get_memory(context)
        self.sequences = sequences
        self._length = length
        self._outputs = outputs
        self._batch = _Batch(library, params.n_batch)
        self.put_on(self._adapters)

    def clear(self) -> None:
        """Forget all texts.

        Their numbers stay in memory, masked. A number that is not finite would spoil later texts
        in spite of the mask, so it is wiped. Wiping always would take as long as loading a small
        model.
        """
        self.library.llama_memory_clear(self._memory, self._not_finite)
        self._not_finite = False

    def forget_text(self, place: int) -> None:
        """Empty the cache of the text at ``place``."""
        self.library.llama_memory_seq_rm(self._memory, place, -1, -1)

    def decode(
        self,
        tokens: Sequence[int],
        positions: Sequence[int],
        places: Sequence[int],
        rows: Sequence[int],
    ) -> None:
        """Compute ``tokens`` at ``positions`` of the texts at ``places``.

        ``rows`` are the indices of the tokens that get logits.
        """
        forget()
        batch = self._batch.fill(tokens, positions, places, rows)
        code = self.library.llama_decode(self._handles["context"], batch)
        if code:
            raise ModelError(
                f"{self.file.name} cannot decode {len(tokens)} tokens (code {code}): {reason()}"
            )

    def logits(self, count: int) -> Logits:
        """Rows x vocabulary, in llama.cpp's own memory: valid until the next ``decode``."""
        pointer = self.library.llama_get_logits(self._handles["context"])
        logits = np.ctypeslib.as_array(pointer, shape=(count, self.vocabulary))
        # One such number in a text makes its whole row NaN, so the first column is enough.
        self._not_finite |= not np.isfinite(logits[:, 0]).all()
        return logits

    def sample(self, sampler: Any, row: int) -> int:
        """The token that ``sampler`` draws from the logits of ``row``."""
        context = self._handles["context"]
        return int(self.library.llama_sampler_sample(sampler, context, self._batch.rows[row]))


class _Batch:
    """A ``llama_batch`` over numpy arrays, which are filled without a loop in Python."""

    def __init__(self, library: Any, size: int) -> None:
        self._tokens = np.zeros(size, np.int32)
        self._positions = np.zeros(size, np.int32)
        self._places = np.zeros(size, np.int32)
        self._counts = np.ones(size, np.int32)
        self._has_logits = np.zeros(size, np.int8)
        # seq_id is an array of pointers: each token belongs to one text, at its place in _places
        addresses = self._places.ctypes.data + 4 * np.arange(size)
        self._pointers = addresses.astype(np.dtype(np.uintp))
        self.rows: Sequence[int] = []
        self._struct: Any = library.llama_batch()
        integers = ctypes.POINTER(ctypes.c_int32)
        self._struct.token = self._tokens.ctypes.data_as(integers)
        self._struct.pos = self._positions.ctypes.data_as(integers)
        self._struct.n_seq_id = self._counts.ctypes.data_as(integers)
        self._struct.seq_id = self._pointers.ctypes.data_as(ctypes.POINTER(integers))
        self._struct.logits = self._has_logits.ctypes.data_as(ctypes.POINTER(ctypes.c_int8))

    def fill(
        self,
        tokens: Sequence[int],
        positions: Sequence[int],
        places: Sequence[int],
        rows: Sequence[int],
    ) -> Any:
        """The structure for ``llama_decode``; see LlamaModel.decode."""
        count = len(tokens)
        self._tokens[:count] = tokens
        self._positions[:count] = positions
        self._places[:count] = places
        self._has_logits[:count] = 0
        self._has_logits[list(rows)] = 1
        self.rows = rows
        self._struct.n_tokens = count
        return self._struct


def _release(library: Any, handles: dict[str, Any]) -> None:
    """Adapters are freed with their model."""
    if "context" in handles:
        library.llama_free(handles.pop("context"))
    if "model" in handles:
        library.llama_model_free(handles.pop("model"))
