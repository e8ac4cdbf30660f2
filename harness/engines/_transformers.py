"""The transformers engine: float32 or bfloat16, on CPU or CUDA."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import cached_property, partial
from itertools import islice
from pathlib import Path
from typing import Any

from harness.engines._decoding import bad_words_ids, only_token
from harness.engines._engine import (
    Capabilities,
    Likelihood,
    Span,
    has_stopped,
    seed_of,
    spans,
    stopped,
    total,
)
from harness.engines._generate import generate_arguments, reset_generation_config
from harness.engines._shared_start import Start, cache_name, shared_start, shares_starts
from harness.engines._streaming import Growing, Tokens
from harness.engines._turns import Turns
from harness.errors import RecipeError
from harness.models.chat_templates import chat_template
from harness.models.files import encode
from harness.models.loading import Loaded, borrowed, renewed, resident
from harness.models.stack import switch_on, touched, wrap
from harness.recipes import Base, Decoding, Prompt

_MAX_LOGITS = 1 << 26
"""Numbers in the logits of a batch: a quarter of a GiB in float32."""
_FIRST_PASS = 12
"""Tokens of the first pass of greedy answers; most short answers have ended by then."""

_Row = list[int]
"""Token ids of one text."""


class TransformersEngine:
    """Answers with a model that transformers loads and PEFT adapts."""

    name = "hf"
    capabilities = Capabilities(
        several_adapters=True, scales=True, vram_known=True, log_likelihood=True, trains=True
    )

    def __init__(
        self,
        base: Base | Loaded,
        dtype: str = "float32",
        device: str | None = None,
        batch: int = 64,
    ) -> None:
        """``batch`` is how many texts are computed at once; answers do not depend on it.

        Raises ModelError.
        """
        self.loaded = resident(base, dtype, device) if isinstance(base, Base) else base
        self.load_seconds = self.loaded.seconds
        self.batch = batch
        self._turns = Turns(
            lambda: chat_template(self.loaded.base.name, self.loaded.tokenizer), self._encode
        )
        reset_generation_config(self.loaded.model)

    def count(self, texts: Sequence[str]) -> int:
        """See Engine."""
        rows = self.loaded.tokenizer(list(texts), add_special_tokens=False)["input_ids"]
        return sum(len(ids) for ids in rows)

    def answer(self, prompts: Sequence[Prompt], decoding: Decoding) -> list[list[str]]:
        """See Engine. Raises RecipeError where a prompt leaves no room for the answer.

        A batch takes as long as its longest answer. Greedy answers are mostly short, so they are
        computed in two passes: those that have not ended after a few tokens go on together.
        """
        arguments = self._arguments(decoding)
        greedy = not decoding.do_sample and decoding.num_beams == 1
        results = self._continued(prompts, arguments, decoding)
        copies = decoding.num_return_sequences if greedy else 1
        return [
            [stopped(self._text(ids), decoding.stop) for ids in texts] * copies for texts in results
        ]

    @property
    def context(self) -> int:
        """See StreamingEngine."""
        return self.loaded.context

    def length(self, prompt: Prompt) -> int:
        """See StreamingEngine."""
        return len(self._ids(prompt))

    def stream(self, prompt: Prompt, decoding: Decoding) -> Generator[str, None, None]:
        """See StreamingEngine."""
        if decoding.num_beams > 1:
            yield self.answer([prompt], decoding)[0][0]
            return
        decoding = replace(decoding, num_return_sequences=1)
        tokens: Tokens[list[list[_Row]]] = Tokens()
        arguments = self._arguments(decoding) | tokens.arguments
        growing = Growing(decoding.stop)
        ids: _Row = []
        with closing(
            tokens.run(self._streams, lambda: self._continued([prompt], arguments, decoding))
        ) as new:
            for more in new:
                ids += more
                if piece := growing.piece(self._text(ids)):
                    yield piece
        if rest := growing.rest(self._text(tokens.result[0][0])):
            yield rest

    @cached_property
    def _streams(self) -> ThreadPoolExecutor:
        """One thread for all streams: torch gives each thread that computes helpers of its own."""
        return ThreadPoolExecutor(1, "stream")

    def _continued(
        self, prompts: Sequence[Prompt], arguments: dict[str, Any], decoding: Decoding
    ) -> list[list[_Row]]:
        rows = [self._prompt(prompt, decoding) for prompt in prompts]
        if decoding.do_sample:
            return self._sampled(prompts, rows, arguments, decoding)
        if decoding.num_beams == 1 and decoding.max_new_tokens > 2 * _FIRST_PASS:
            return self._in_two_passes(rows, arguments, decoding)
        return self._generated(rows, arguments)

    def _in_two_passes(
        self, rows: Sequence[_Row], arguments: dict[str, Any], decoding: Decoding
    ) -> list[list[_Row]]:
        results = self._generated(rows, {**arguments, "max_new_tokens": _FIRST_PASS})
        unfinished = [
            i for i, ids in enumerate(results) if not self._ended(ids[0], arguments, decoding)
        ]
        rest = {**arguments, "max_new_tokens": decoding.max_new_tokens - _FIRST_PASS}
        more = self._generated([rows[i] + results[i][0] for i in unfinished], rest)
        for i, ids in zip(unfinished, more, strict=True):
            results[i] = [results[i][0] + ids[0]]
        return results

    def _sampled(
        self,
        prompts: Sequence[Prompt],
        rows: Sequence[_Row],
        arguments: dict[str, Any],
        decoding: Decoding,
    ) -> list[list[_Row]]:
        """Sampled continuations; each text has random numbers of its own.

        Beams draw from torch's global stream, so they are searched prompt by prompt.
        """
        import torch

        from harness.engines._sampling import drawn

        if decoding.num_beams > 1:
            results = []
            for prompt, row in zip(prompts, rows, strict=True):
                torch.manual_seed(seed_of(decoding, 0, prompt))
                results += self._generated([row], arguments)
            return results
        each = decoding.num_return_sequences
        seeds = [seed_of(decoding, copy, prompt) for prompt in prompts for copy in range(each)]
        repeated = [row for row in rows for _ in range(each)]
        texts = self._generated(
            repeated, arguments, lambda batch: drawn(decoding, [seeds[i] for i in batch])
        )
        flat = [ids for (ids,) in texts]
        return [flat[left : left + each] for left in range(0, len(flat), each)]

    @cached_property
    def _turn_ends(self) -> tuple[int, ...]:
        """Tokens that end a turn, besides those that end every text of the model.

        They end answers to any prompt, so that no answer depends on what else is asked.
        """
        if not self.loaded.tokenizer.chat_template:
            return ()
        try:
            ends = self._turns.ends
        except RecipeError:  # told where a prompt needs the template
            return ()
        return tuple(end for end in ends if end not in self._own_ends)

    @property
    def _own_ends(self) -> tuple[int, ...]:
        config = self.loaded.model.generation_config
        ends = config.eos_token_id if config else None
        return (ends,) if isinstance(ends, int) else tuple(ends or ())

    def _prompt(self, prompt: Prompt, decoding: Decoding) -> _Row:
        """Token ids of ``prompt``. Raises RecipeError where they leave no room for the answer."""
        ids = self._ids(prompt)
        if len(ids) + decoding.max_new_tokens > self.loaded.context:
            raise RecipeError(
                f"a prompt of {len(ids)} tokens with {decoding.max_new_tokens} new ones exceeds the"
                f" context of {self.loaded.base.name} ({self.loaded.context} tokens): shorten it"
            )
        return ids

    def _ids(self, prompt: Prompt) -> _Row:
        return encode(self.loaded.tokenizer, *self._turns.written(prompt))

    def _text(self, ids: _Row) -> str:
        return str(self.loaded.tokenizer.decode(ids, skip_special_tokens=True))

    def _ended(self, ids: _Row, arguments: dict[str, Any], decoding: Decoding) -> bool:
        """Whether the answer ``ids`` holds an end token or a stop string."""
        ends = arguments.get("eos_token_id", self._own_ends)
        end_tokens = {ends} if isinstance(ends, int) else set(ends)
        if not end_tokens.isdisjoint(ids):
            return True
        return has_stopped(self._text(ids), decoding.stop)

    def _generated(
        self,
        rows: Sequence[_Row],
        arguments: dict[str, Any],
        draw: Callable[[Sequence[int]], Any] | None = None,
    ) -> list[list[_Row]]:
        """The continuations of each row, as many as ``arguments`` say.

        Rows of similar length share a batch. ``draw`` gives the processors that sample, for the
        rows with the given indices.
        """
        results: list[list[_Row]] = [[] for _ in rows]
        start = self._start(rows, arguments)
        order = sorted(range(len(rows)), key=lambda i: (len(rows[i]), rows[i]))
        for left in range(0, len(order), self.batch):
            batch = order[left : left + self.batch]
            more = {"logits_processor": draw(batch)} if draw else {}
            texts = self._batch([rows[i] for i in batch], {**arguments, **more}, start)
            for i, continuations in zip(batch, texts, strict=True):
                results[i] = continuations
        return results

    def _start(self, rows: Sequence[_Row], arguments: dict[str, Any]) -> Start | None:
        """What all ``rows`` share at their start, computed once; None where that saves nothing."""
        alone = arguments["num_beams"] == 1 and arguments["num_return_sequences"] == 1
        count = shared_start(rows) if alone and len(rows) > 1 else 0
        return Start.of(self.loaded, rows[0][:count]) if count and self._shares_starts else None

    @cached_property
    def _shares_starts(self) -> bool:
        return shares_starts(self.loaded)

    def _batch(
        self, rows: list[_Row], arguments: dict[str, Any], start: Start | None
    ) -> Iterator[list[_Row]]:
        """The continuations of each row, computed at once; padded before what is not shared."""
        import torch

        width = max(map(len, rows))
        pad = arguments["pad_token_id"]
        device = self.loaded.device
        first = start.length if start else 0
        padded = [[*row[:first], *[pad] * (width - len(row)), *row[first:]] for row in rows]
        mask = [[1] * first + [0] * (width - len(row)) + [1] * (len(row) - first) for row in rows]
        model: Any = self.loaded.model
        if start:
            arguments = {**arguments, cache_name(self.loaded): start.copies(len(rows))}
        with torch.inference_mode():
            output = model.generate(
                input_ids=torch.tensor(padded, device=device),
                attention_mask=torch.tensor(mask, device=device),
                tokenizer=self.loaded.tokenizer,
                **arguments,
            )
        each = arguments["num_return_sequences"]
        new = output[:, width:].tolist()
        return (new[i : i + each] for i in range(0, len(new), each))

    def _arguments(self, decoding: Decoding) -> dict[str, Any]:
        """Keywords of ``generate``; texts in ``decoding`` become token ids of this model."""
        arguments = generate_arguments(decoding)
        arguments["pad_token_id"] = self.loaded.tokenizer.pad_token_id or 0
        if decoding.pad:
            arguments["pad_token_id"] = only_token("pad", decoding.pad, self._encode)
        if decoding.eos:
            arguments["eos_token_id"] = only_token("eos", decoding.eos, self._encode)
        elif self._turn_ends:
            arguments["eos_token_id"] = [*self._own_ends, *self._turn_ends]
        if decoding.bad_words:
            words = bad_words_ids(decoding.bad_words, self._encode)
            arguments["bad_words_ids"] = [list(word) for word in words]
        return arguments

    def _encode(self, text: str) -> _Row:
        return encode(self.loaded.tokenizer, text, special=False)

    def log_likelihood(self, pairs: Sequence[tuple[Prompt, str]]) -> list[Likelihood]:
        """See Engine."""
        tokenizer = self.loaded.tokenizer
        start = tokenizer.eos_token_id if tokenizer.bos_token_id is None else tokenizer.bos_token_id
        written = [(self._turns.written(prompt), text) for prompt, text in pairs]
        span_lists = spans(written, partial(encode, tokenizer), start, self.loaded.context)
        flat = [span for parts in span_lists for span in parts]
        order = sorted(range(len(flat)), key=lambda i: (len(flat[i].ids), flat[i]))
        scores: dict[int, Likelihood] = {}
        for batch in self._batches(order, flat):
            scores |= zip(batch, self._score([flat[i] for i in batch]), strict=True)
        in_order = iter(scores[i] for i in range(len(flat)))
        return [total(islice(in_order, len(parts))) for parts in span_lists]

    def _batches(self, order: Sequence[int], flat: Sequence[Span]) -> Iterator[list[int]]:
        """``order`` in batches whose logits fit into memory."""
        max_rows = _MAX_LOGITS // int(self.loaded.model.config.get_text_config().vocab_size)
        batch: list[int] = []
        longest = 0
        for i in order:
            scored = len(flat[i].ids) - flat[i].first + 1
            logit_rows = (len(batch) + 1) * max(longest, scored)  # every row has the longest's
            if batch and (len(batch) == self.batch or logit_rows > max_rows):
                yield batch
                batch = []
                longest = 0
            batch.append(i)
            longest = max(longest, scored)
        if batch:
            yield batch

    def _score(self, batch: Sequence[Span]) -> list[Likelihood]:
        """The likelihood of each span, computed at once.

        Rows are padded on the left, so that the scored tokens of all rows are at their ends: only
        those get logits.
        """
        import torch

        counts = [len(span.ids) - span.first for span in batch]
        width = max(len(span.ids) for span in batch)
        scored = max(counts)
        ids = torch.zeros(len(batch), width, dtype=torch.long)
        mask = torch.zeros(len(batch), width, dtype=torch.long)
        for row, span in enumerate(batch):
            ids[row, width - len(span.ids) :] = torch.tensor(span.ids)
            mask[row, width - len(span.ids) :] = 1
        ids = ids.to(self.loaded.device)
        mask = mask.to(self.loaded.device)
        positions = (mask.cumsum(-1) - 1).clamp(min=0)
        model: Any = self.loaded.model
        with torch.inference_mode():
            output = model(
                input_ids=ids,
                attention_mask=mask,
                position_ids=positions,
                use_cache=False,
                logits_to_keep=scored + 1,  # a token's logits stand at the token before it
            )
            logits = output.logits[:, :-1].float()
            true = ids[:, width - scored :]
            logs = logits.gather(-1, true[..., None])[..., 0] - logits.logsumexp(-1)
            best = logits.argmax(-1) == true
        rows = zip(logs.double().cpu(), best.cpu(), counts, strict=True)
        return [Likelihood(float(log[-n:].sum()), n, int(hit[-n:].sum())) for log, hit, n in rows]

    @contextmanager
    def with_stack(self, adapters: Sequence[tuple[Path, float]]) -> Iterator[None]:
        """See Engine. Raises ModelError where a folder holds no adapter for this base."""
        if not adapters:
            yield
            return
        names = [f"adapter{i}" for i in range(len(adapters))]
        folders = {name: folder for name, (folder, _) in zip(names, adapters, strict=True)}
        scales = {name: scale for name, (_, scale) in zip(names, adapters, strict=True)}
        model = self.loaded.model
        base = self.loaded.base.name
        try:
            with borrowed(self.loaded, touched(model, [*folders.values()])) as pristine:
                wrapped = wrap(model, folders, base, pristine)
                switch_on(wrapped, scales)
                wrapped.eval()
                yield
        finally:
            self.loaded = renewed(self.loaded)
