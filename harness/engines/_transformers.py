"""The transformers engine: float32 or bfloat16, on CPU or CUDA."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from harness.engines._decoding import bad_words_ids, only_token
from harness.engines._engine import Capabilities, Likelihood, Span, seed_of, spans, stopped, total
from harness.errors import RecipeError
from harness.models.loading import Loaded, borrowed, renewed, resident
from harness.models.stack import switch_on, touched, wrap
from harness.models.tokens import encode
from harness.recipes import Base, Decoding

_LOGITS = 1 << 26
"""Numbers of a batch's logits: a quarter of a GiB in float32."""
_FIRST = 12
"""Tokens of the first go: most short answers have ended by then."""


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
        """``batch`` prompts are answered at a time; answers do not depend on it. Raises
        ModelError."""
        self.loaded = resident(base, dtype, device) if isinstance(base, Base) else base
        self.load_seconds = self.loaded.seconds
        self.batch = batch
        _plain(self.loaded.model)

    def count(self, texts: Sequence[str]) -> int:
        """See Engine."""
        return sum(
            len(ids)
            for ids in self.loaded.tokenizer(list(texts), add_special_tokens=False)["input_ids"]
        )

    def answer(self, prompts: Sequence[str], decoding: Decoding) -> list[list[str]]:
        """See Engine. Raises RecipeError where a prompt leaves no room for the answer.

        A batch takes as long as its longest answer. So greedy answers, which are mostly short, have
        two goes: what has not ended after a few tokens goes on with others that have not.
        """
        arguments, rows = (
            self._arguments(decoding),
            [self._prompt(prompt, decoding) for prompt in prompts],
        )
        if decoding.do_sample:
            made = self._sampled(prompts, rows, arguments, decoding)
        elif decoding.num_beams > 1 or decoding.max_new_tokens <= 2 * _FIRST:
            made = self._generated(rows, arguments)
        else:
            made = self._generated(rows, {**arguments, "max_new_tokens": _FIRST})
            on = [i for i, ids in enumerate(made) if not self._ended(ids[0], arguments, decoding)]
            rest = {**arguments, "max_new_tokens": decoding.max_new_tokens - _FIRST}
            more = self._generated([rows[i] + made[i][0] for i in on], rest)
            for i, ids in zip(on, more, strict=True):
                made[i] = [made[i][0] + ids[0]]
        copies = (
            decoding.num_return_sequences
            if not decoding.do_sample and decoding.num_beams == 1
            else 1
        )
        return [[stopped(self._text(ids), decoding.stop) for ids in each] * copies for each in made]

    def _sampled(
        self,
        prompts: Sequence[str],
        rows: Sequence[list[int]],
        arguments: dict[str, Any],
        decoding: Decoding,
    ) -> list[list[list[int]]]:
        """Each text by random numbers of its own. Beams draw from one stream: they are sought
        prompt by prompt."""
        import torch

        from harness.engines._decoding import drawn

        if decoding.num_beams > 1:
            found = []
            for prompt, row in zip(prompts, rows, strict=True):
                torch.manual_seed(seed_of(decoding, 0, prompt))
                found += self._generated([row], arguments)
            return found
        each = decoding.num_return_sequences
        seeds = [seed_of(decoding, copy, prompt) for prompt in prompts for copy in range(each)]
        repeated = [row for row in rows for _ in range(each)]
        made = self._generated(
            repeated, arguments, lambda chosen: drawn(decoding, [seeds[i] for i in chosen])
        )
        return [[ids for (ids,) in made[left : left + each]] for left in range(0, len(made), each)]

    def _prompt(self, prompt: str, decoding: Decoding) -> list[int]:
        ids = encode(self.loaded.tokenizer, prompt)
        if len(ids) + decoding.max_new_tokens > self.loaded.context:
            raise RecipeError(
                f"a prompt of {len(ids)} tokens with {decoding.max_new_tokens} new ones exceeds the"
                f" context of {self.loaded.base.name} ({self.loaded.context} tokens): shorten it"
            )
        return ids

    def _text(self, ids: list[int]) -> str:
        return str(self.loaded.tokenizer.decode(ids, skip_special_tokens=True))

    def _ended(self, ids: list[int], arguments: dict[str, Any], decoding: Decoding) -> bool:
        own = self.loaded.model.generation_config
        ends = arguments.get("eos_token_id", own.eos_token_id if own else None)
        last = {ends} if isinstance(ends, int) else set(ends or ())
        return not last.isdisjoint(ids) or any(stop in self._text(ids) for stop in decoding.stop)

    def _generated(
        self,
        rows: Sequence[list[int]],
        arguments: dict[str, Any],
        draw: Callable[[Sequence[int]], Any] | None = None,
    ) -> list[list[list[int]]]:
        """Of each row, so many continuations as are asked for; those of like length are batched.
        ``draw`` gives the processors that sample for the rows of the given numbers."""
        found: list[list[list[int]]] = [[] for _ in rows]
        order = sorted(range(len(rows)), key=lambda i: (len(rows[i]), rows[i]))
        for left in range(0, len(order), self.batch):
            chosen = order[left : left + self.batch]
            more = {"logits_processor": draw(chosen)} if draw else {}
            for i, made in zip(
                chosen, self._batch([rows[i] for i in chosen], {**arguments, **more}), strict=True
            ):
                found[i] = made
        return found

    def _batch(self, rows: list[list[int]], arguments: dict[str, Any]) -> Iterator[list[list[int]]]:
        import torch

        width, pad = max(map(len, rows)), arguments["pad_token_id"]
        ids = torch.tensor(
            [[pad] * (width - len(row)) + row for row in rows], device=self.loaded.device
        )
        mask = torch.tensor(
            [[0] * (width - len(row)) + [1] * len(row) for row in rows], device=self.loaded.device
        )
        generating: Any = self.loaded.model
        with torch.inference_mode():
            made = generating.generate(
                input_ids=ids, attention_mask=mask, tokenizer=self.loaded.tokenizer, **arguments
            )
        each = arguments["num_return_sequences"]
        new = made[:, width:].tolist()
        return (new[i : i + each] for i in range(0, len(new), each))

    def _arguments(self, decoding: Decoding) -> dict[str, Any]:
        """Keywords of ``generate``, with what is named by its text as ids of this
        model's tokens."""
        kept = _arguments(decoding)
        own = self.loaded.tokenizer.pad_token_id or 0
        kept["pad_token_id"] = (
            only_token("pad", decoding.pad, self._encode) if decoding.pad else own
        )
        if decoding.eos:
            kept["eos_token_id"] = only_token("eos", decoding.eos, self._encode)
        if decoding.bad_words:
            kept["bad_words_ids"] = [
                list(word) for word in bad_words_ids(decoding.bad_words, self._encode)
            ]
        return kept

    def _encode(self, text: str) -> list[int]:
        return encode(self.loaded.tokenizer, text, special=False)

    def log_likelihood(self, pairs: Sequence[tuple[str, str]]) -> list[Likelihood]:
        """See Engine."""
        tokenizer = self.loaded.tokenizer
        start = tokenizer.eos_token_id if tokenizer.bos_token_id is None else tokenizer.bos_token_id
        cut = spans(pairs, partial(encode, tokenizer), start, self.loaded.context)
        flat = [span for parts in cut for span in parts]
        order = sorted(range(len(flat)), key=lambda i: (len(flat[i].ids), flat[i]))
        found: dict[int, Likelihood] = {}
        for chosen in self._batches(order, flat):
            found |= zip(chosen, self._scored([flat[i] for i in chosen]), strict=True)
        each = iter(found[i] for i in range(len(flat)))
        return [total(islice(each, len(parts))) for parts in cut]

    def _batches(self, order: Sequence[int], flat: Sequence[Span]) -> Iterator[list[int]]:
        """``order`` in pieces, such that their logits fit into memory."""
        room = _LOGITS // int(self.loaded.model.config.get_text_config().vocab_size)
        chosen: list[int] = []
        most = 0
        for i in order:
            kept = len(flat[i].ids) - flat[i].first + 1
            if chosen and (len(chosen) == self.batch or (len(chosen) + 1) * max(most, kept) > room):
                yield chosen
                chosen, most = [], 0
            chosen.append(i)
            most = max(most, kept)
        if chosen:
            yield chosen

    def _scored(self, batch: Sequence[Span]) -> list[Likelihood]:
        """Padded on the left, so that the scored tokens of all rows lie at their ends: only those
        get logits."""
        import torch

        width, kept = (
            max(len(span.ids) for span in batch),
            max(len(span.ids) - span.first for span in batch),
        )
        ids = torch.zeros(len(batch), width, dtype=torch.long)
        mask = torch.zeros(len(batch), width, dtype=torch.long)
        for row, span in enumerate(batch):
            ids[row, width - len(span.ids) :] = torch.tensor(span.ids)
            mask[row, width - len(span.ids) :] = 1
        ids, mask = ids.to(self.loaded.device), mask.to(self.loaded.device)
        places = (mask.cumsum(-1) - 1).clamp(min=0)
        scoring: Any = self.loaded.model
        with torch.inference_mode():
            given = {"input_ids": ids, "attention_mask": mask, "position_ids": places}
            logits = (
                scoring(**given, use_cache=False, logits_to_keep=kept + 1).logits[:, :-1].float()
            )
            true = ids[:, width - kept :]
            logs = logits.gather(-1, true[..., None])[..., 0] - logits.logsumexp(-1)
            best = logits.argmax(-1) == true
        own = [len(span.ids) - span.first for span in batch]
        rows = zip(logs.double().cpu(), best.cpu(), own, strict=True)
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
        model, base = self.loaded.model, self.loaded.base.name
        try:
            with borrowed(self.loaded, touched(model, [*folders.values()])) as pristine:
                wrapped = wrap(model, folders, base, pristine)
                switch_on(wrapped, scales)
                wrapped.eval()
                yield
        finally:
            self.loaded = renewed(self.loaded)


def _arguments(decoding: Decoding) -> dict[str, Any]:
    """``decoding`` as keywords of ``generate``; those of sampling only where a search with beams
    samples.

    Greedy answers are all the same: one is asked for. So is one of what is sampled, row by row.
    """
    beams = decoding.num_beams > 1
    kept: dict[str, Any] = {
        "max_new_tokens": decoding.max_new_tokens,
        "do_sample": decoding.do_sample and beams,
        "num_beams": decoding.num_beams,
        "num_return_sequences": decoding.num_return_sequences if beams else 1,
        "repetition_penalty": decoding.repetition_penalty,
    }
    if decoding.stop:
        kept["stop_strings"] = list(decoding.stop)
    if decoding.no_repeat_ngram_size:
        kept["no_repeat_ngram_size"] = decoding.no_repeat_ngram_size
    if beams:
        kept |= {
            "length_penalty": decoding.length_penalty,
            "early_stopping": decoding.early_stopping,
        }
    if decoding.do_sample and beams:
        kept |= {
            "temperature": decoding.temperature,
            "top_p": decoding.top_p,
            "top_k": decoding.top_k,
        }
        kept |= {"typical_p": decoding.typical_p} if decoding.typical_p < 1 else {}
        kept |= {"min_p": decoding.min_p} if decoding.min_p > 0 else {}
    return kept


def _plain(model: Any) -> None:
    """Leaves ``model`` no habits of its own but how it ends, begins and pads: what its
    generation_config.json asks for besides, such as forbidden tokens, would count under the name of
    another decoding."""
    from transformers import GenerationConfig

    own = model.generation_config
    ids = {
        name: getattr(own, name, None) for name in ("bos_token_id", "eos_token_id", "pad_token_id")
    }
    model.generation_config = GenerationConfig(**ids)
