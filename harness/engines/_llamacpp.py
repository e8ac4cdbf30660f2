"""The llama.cpp engine: GGUF bases of any type, with stacks of GGUF adapters."""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from harness.engines._decoding import Bans, only_token
from harness.engines._engine import (
    Capabilities,
    Likelihood,
    Span,
    check,
    has_stopped,
    seed_of,
    spans,
    stopped,
    total,
)
from harness.engines._llamacpp_model import LlamaModel, Logits
from harness.engines._streaming import Growing
from harness.engines._turns import Turns
from harness.errors import ModelError, RecipeError
from harness.recipes import Decoding, Prompt

_MAX_SCORED = 64
"""Tokens that are scored at once, as each takes the logits of the whole vocabulary."""
_MAX_ADAPTERS = 64
"""Adapters that stay in memory."""

_AdapterKey = tuple[str, int, int]
"""Path, time of change and size of an adapter's file."""


@dataclass
class _Generation:
    """A text that is being generated."""

    tokens: list[int]
    """The prompt's, then the answer's."""
    prompt_length: int
    sampler: Any
    """A chain of llama.cpp's samplers; None takes the most probable token."""
    bans: Bans
    end_tokens: tuple[int, ...]
    """The tokens that end it; empty: those that the model itself ends with."""
    turn_ends: tuple[int, ...] = ()
    """Tokens that end it besides the model's own, unless ``end_tokens`` are given."""
    answer: bytearray = field(default_factory=bytearray)

    @property
    def written(self) -> str:
        """The answer so far."""
        return self.answer.decode("utf-8", "replace")


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
        """``context`` is the longest sequence in tokens; 0 is the model's own length.

        ``threads`` is by default the number of processors that may be used.

        Raises:
            MissingExtraError: llama-cpp-python is not installed.
            ModelError: ``file`` is not a whole GGUF model, or ``context`` is longer than the
                model's.
        """
        began = time.perf_counter()
        self._model = LlamaModel(file, context, threads)
        self.file = file
        self.context = self._model.context
        self.threads = self._model.threads
        self._turns = Turns(self._model.chat_template, self._encode)
        self._adapters: OrderedDict[_AdapterKey, Any] = OrderedDict()
        self._stack: dict[_AdapterKey, float] = {}
        self.load_seconds: float = time.perf_counter() - began

    def close(self) -> None:
        """Free model, caches and adapters. The engine cannot be used any more."""
        self._model.close()

    def count(self, texts: Sequence[str]) -> int:
        """See Engine."""
        return sum(len(self._encode(text)) for text in texts)

    def _encode(self, text: str) -> list[int]:
        return self._model.encode(text, False)

    def _prompt_tokens(self, prompt: Prompt, new: int) -> list[int]:
        """Raises RecipeError where the context has no room for ``prompt`` and ``new`` tokens."""
        tokens = self._model.encode(*self._turns.written(prompt))
        count = len(tokens)
        if count < 1:
            raise RecipeError(f"prompt {prompt!r} has no tokens: write at least one word")
        if count + new > self.context:
            raise RecipeError(
                f"a prompt of {count} tokens with {new} new ones exceeds the context of"
                f" {self.file.name} ({self.context} tokens): shorten it"
            )
        return tokens

    # Answers

    def answer(self, prompts: Sequence[Prompt], decoding: Decoding) -> list[list[str]]:
        """See Engine. Raises RecipeError for beams, and where a prompt leaves no room."""
        # greedy answers to one prompt are all the same, so one is enough
        each = decoding.num_return_sequences if decoding.do_sample else 1
        with self._generations(prompts, decoding, each) as texts:
            for _ in self._generate(texts, decoding):
                pass
        answers = [stopped(text.written, decoding.stop) for text in texts]
        copies = decoding.num_return_sequences // each
        return [answers[i : i + each] * copies for i in range(0, len(answers), each)]

    def length(self, prompt: Prompt) -> int:
        """See StreamingEngine."""
        return len(self._model.encode(*self._turns.written(prompt)))

    def stream(self, prompt: Prompt, decoding: Decoding) -> Generator[str, None, None]:
        """See StreamingEngine."""
        growing = Growing(decoding.stop)
        with self._generations([prompt], decoding, 1) as (text,):
            for _ in self._generate([text], decoding):
                if piece := growing.piece(text.written):
                    yield piece
        if rest := growing.rest(text.written):
            yield rest

    @contextmanager
    def _generations(
        self, prompts: Sequence[Prompt], decoding: Decoding, each: int
    ) -> Iterator[list[_Generation]]:
        """``each`` texts for each prompt, with samplers that are freed at the end."""
        check(decoding, self.capabilities.refuses, "the gguf engine")
        token_lists = [self._prompt_tokens(prompt, decoding.max_new_tokens) for prompt in prompts]
        bans = Bans.of(decoding, self._encode)
        ends = (only_token("eos", decoding.eos, self._encode),) if decoding.eos else ()
        texts: list[_Generation] = []
        try:
            for prompt, tokens in zip(prompts, token_lists, strict=True):
                for copy in range(each):
                    seed = seed_of(decoding, copy, prompt)
                    sampler = self._sampler(decoding, seed) if decoding.do_sample else None
                    turn_ends = () if isinstance(prompt, str) else self._turns.ends
                    texts.append(
                        _Generation(list(tokens), len(tokens), sampler, bans, ends, turn_ends)
                    )
            yield texts
        finally:
            for text in texts:
                if text.sampler is not None:
                    self._model.library.llama_sampler_free(text.sampler)

    def _sampler(self, decoding: Decoding, seed: int) -> Any:
        """Samplers in the order of transformers."""
        library = self._model.library
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

    def _generate(self, texts: list[_Generation], decoding: Decoding) -> Iterator[None]:
        """Complete all ``texts``, several at once; yields after each step.

        Prompts are computed one by one, so that their numbers do not depend on other prompts.
        """
        if not texts:
            return
        model = self._model
        longest = max(text.prompt_length for text in texts)
        model.prepare(len(texts), longest + decoding.max_new_tokens)
        model.clear()
        waiting = deque(texts)
        running: dict[int, _Generation] = {}
        while waiting or running:
            for place in range(model.sequences):
                while place not in running and waiting:
                    text = waiting.popleft()
                    length = text.prompt_length
                    model.decode(text.tokens, range(length), [place] * length, [length - 1])
                    if self._extend(text, model.logits(1)[0], 0, decoding):
                        running[place] = text
                    else:
                        model.forget_text(place)
            yield
            if running:
                self._step(running, decoding)

    def _step(self, running: dict[int, _Generation], decoding: Decoding) -> None:
        """One token more for each of ``running``; those that end are removed."""
        model = self._model
        places = list(running)
        last = [running[place].tokens[-1] for place in places]
        positions = [len(running[place].tokens) - 1 for place in places]
        model.decode(last, positions, places, range(len(places)))
        logits = model.logits(len(places))
        for row, place in enumerate(places):
            if not self._extend(running[place], logits[row], row, decoding):
                del running[place]
                model.forget_text(place)

    def _extend(self, text: _Generation, logits: Logits, row: int, decoding: Decoding) -> bool:
        """Add one token to ``text``; returns whether the text goes on.

        ``logits`` are those of ``row`` in the batch. They are changed in place, so that
        llama.cpp's samplers see the change.
        """
        if decoding.repetition_penalty != 1:
            # as transformers: over the whole text, each token once
            seen = np.unique(text.tokens)
            chosen = logits[seen]
            penalty = np.float32(decoding.repetition_penalty)
            logits[seen] = np.where(chosen < 0, chosen * penalty, chosen / penalty)
        if banned := text.bans.after(text.tokens):
            logits[list(banned)] = -np.inf
        if text.sampler is None:
            token = int(logits.argmax())
        else:
            token = self._model.sample(text.sampler, row)
        if not text.end_tokens and (token in text.turn_ends or self._model.is_end(token)):
            return False
        text.tokens.append(token)
        text.answer += self._model.piece(token)
        new = len(text.tokens) - text.prompt_length
        if token in text.end_tokens or new >= decoding.max_new_tokens:
            return False
        return not (decoding.stop and has_stopped(text.written, decoding.stop))

    # Probabilities

    def log_probabilities(self, prompts: Sequence[Prompt]) -> list[Logits]:
        """Log-probability of every token of the vocabulary after each prompt, in nats.

        Raises RecipeError where a prompt is too long.
        """
        token_lists = [self._prompt_tokens(prompt, 0) for prompt in prompts]
        model = self._model
        model.prepare(1, max(map(len, token_lists), default=1))
        results: list[Logits] = []
        for tokens in token_lists:
            count = len(tokens)
            model.clear()
            model.decode(tokens, range(count), [0] * count, [count - 1])
            logits = model.logits(1)[0].astype(np.float64)
            logits -= logits.max()
            results.append((logits - np.log(np.exp(logits).sum())).astype(np.float32))
        return results

    def log_likelihood(self, pairs: Sequence[tuple[Prompt, str]]) -> list[Likelihood]:
        """See Engine."""
        model = self._model
        written = [(self._turns.written(prompt), text) for prompt, text in pairs]
        span_lists = spans(written, model.encode, model.start_token, self.context)
        if not span_lists:
            return []
        longest = max(len(span.ids) for parts in span_lists for span in parts)
        model.prepare(1, longest, _MAX_SCORED)
        return [total(self._score(span) for span in parts) for parts in span_lists]

    def _score(self, span: Span) -> Likelihood:
        """The last token is not computed, as nothing comes after it."""
        from scipy.special import logsumexp  # slow to import: only where text is scored

        self._model.clear()
        ids = span.ids
        log_sum = 0.0
        matched = 0
        left = 0
        while left < len(ids) - 1:
            first = max(left, span.first - 1)
            right = min(len(ids) - 1, first + _MAX_SCORED)
            rows = range(first - left, right - left)
            self._model.decode(ids[left:right], range(left, right), [0] * (right - left), rows)
            logits = self._model.logits(right - first)
            true = np.array(ids[first + 1 : right + 1])
            chosen = logits[np.arange(len(true)), true]
            log_sum += float((chosen - logsumexp(logits, axis=1)).sum(dtype=np.float64))
            matched += int((logits.argmax(axis=1) == true).sum())
            left = right
        return Likelihood(log_sum, len(ids) - span.first, matched)

    # Adapters

    @contextmanager
    def with_stack(self, adapters: Sequence[tuple[Path, float]]) -> Iterator[None]:
        """See Engine; adapters are files made by ``convert_adapter``.

        They stay in memory, so that a swap reads nothing from disk.

        Raises:
            ModelError: a file is not an adapter for this base.
        """
        self._model.check_open()
        stack: dict[_AdapterKey, float] = {}
        for path, scale in adapters:
            key = self._load(path, stack)
            # llama.cpp would keep only the last scale of an adapter that is named twice
            stack[key] = stack.get(key, 0.0) + scale
        before = self._stack
        self._stack = stack
        try:
            self._apply()
            yield
        finally:
            self._stack = before
            self._apply()

    def _load(self, path: Path, stack: dict[_AdapterKey, float]) -> _AdapterKey:
        """The key of ``path``, which is read only where this very file is not in memory.

        Adapters that neither ``stack`` nor the current stack uses may be freed.
        """
        try:
            status = path.stat()
        except OSError as error:
            raise ModelError(
                f"no such adapter {str(path)!r}: give a file made by convert_adapter"
            ) from error
        key = (str(path.resolve()), status.st_mtime_ns, status.st_size)
        if key not in self._adapters:
            self._adapters[key] = self._model.load_adapter(path)
        self._adapters.move_to_end(key)
        for old in list(self._adapters)[: max(0, len(self._adapters) - _MAX_ADAPTERS)]:
            if old not in stack and old not in self._stack and old != key:
                self._model.free_adapter(self._adapters.pop(old))
        return key

    def _apply(self) -> None:
        """Put the current stack on the model."""
        self._model.put_on(
            (self._adapters[key], scale) for key, scale in self._stack.items() if scale
        )
