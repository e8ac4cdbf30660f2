"""The transformers engine: float32 or bfloat16, on CPU or CUDA."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness.engines._engine import Capabilities, stopped
from harness.errors import ModelError, RecipeError
from harness.models import Loaded, resident
from harness.recipes import Base, Decoding


class TransformersEngine:
    """Answers with a model that transformers loads and PEFT adapts."""

    name = "hf"
    capabilities = Capabilities(several_adapters=True, scales=True, vram_known=True)

    def __init__(self, base: Base | Loaded, dtype: str = "float32", device: str | None = None, batch: int = 64) -> None:
        """``batch`` prompts are answered at a time; answers do not depend on it. Raises ModelError."""
        self.loaded = resident(base, dtype, device) if isinstance(base, Base) else base
        self.load_seconds = self.loaded.seconds
        self.batch = batch

    def count(self, texts: Sequence[str]) -> int:
        """See Engine."""
        return sum(len(ids) for ids in self.loaded.tokenizer(list(texts), add_special_tokens=False)["input_ids"])

    def answer(self, prompts: Sequence[str], decoding: Decoding) -> list[list[str]]:
        """See Engine. Raises RecipeError where a prompt leaves no room for the answer."""
        found: list[list[str]] = [[] for _ in prompts]
        order = sorted(range(len(prompts)), key=lambda i: (len(prompts[i]), prompts[i]))
        for left in range(0, len(order), self.batch):
            chosen = order[left : left + self.batch]
            for i, texts in zip(chosen, self._batch([prompts[i] for i in chosen], decoding), strict=True):
                found[i] = texts
        return found

    def _batch(self, prompts: list[str], decoding: Decoding) -> list[list[str]]:
        import torch

        tokenizer, model = self.loaded.tokenizer, self.loaded.model
        tokenizer.padding_side = "left"
        given = tokenizer(prompts, return_tensors="pt", padding=True).to(self.loaded.device)
        width = given["input_ids"].shape[1]
        if width + decoding.max_new_tokens > self.loaded.context:
            raise RecipeError(
                f"a prompt of {width} tokens with {decoding.max_new_tokens} new ones exceeds the context of"
                f" {self.loaded.base.name} ({self.loaded.context} tokens): shorten it"
            )
        torch.manual_seed(decoding.seed)
        generating: Any = model
        with torch.inference_mode():
            made = generating.generate(
                input_ids=given["input_ids"],
                attention_mask=given["attention_mask"],
                tokenizer=tokenizer,
                **_arguments(decoding),
            )
        texts = tokenizer.batch_decode(made[:, width:], skip_special_tokens=True)
        each = decoding.num_return_sequences
        return [[stopped(t, decoding.stop) for t in texts[i : i + each]] for i in range(0, len(texts), each)]

    @contextmanager
    def with_stack(self, adapters: Sequence[tuple[Path, float]]) -> Iterator[None]:
        """See Engine. Raises ModelError where a folder holds no adapter for this base."""
        from peft import PeftModel
        from peft.tuners.lora import LoraLayer

        if not adapters:
            yield
            return
        wrapped: Any = None
        names = [f"adapter{i}" for i in range(len(adapters))]
        try:
            for name, (folder, _) in zip(names, adapters, strict=True):
                try:
                    if wrapped is None:
                        wrapped = PeftModel.from_pretrained(self.loaded.model, str(folder), adapter_name=name)
                    else:
                        wrapped.load_adapter(str(folder), adapter_name=name)
                except (OSError, ValueError, RuntimeError) as error:
                    line = (str(error).splitlines() or [""])[0]
                    raise ModelError(f"{folder} is no adapter for {self.loaded.base.name}: {line}") from error
            wrapped.base_model.set_adapter(names)
            for module in wrapped.modules():
                if isinstance(module, LoraLayer):
                    for name, (_, scale) in zip(names, adapters, strict=True):
                        if name in module.scaling:
                            module.set_scale(name, scale)
            wrapped.eval()
            yield
        finally:
            if wrapped is not None:
                wrapped.unload()


def _arguments(decoding: Decoding) -> dict[str, Any]:
    """``decoding`` as keywords of ``generate``; those of sampling only where there is sampling."""
    kept: dict[str, Any] = {
        "max_new_tokens": decoding.max_new_tokens,
        "do_sample": decoding.do_sample,
        "num_beams": decoding.num_beams,
        "num_return_sequences": decoding.num_return_sequences,
        "repetition_penalty": decoding.repetition_penalty,
    }
    if decoding.stop:
        kept["stop_strings"] = list(decoding.stop)
    if decoding.no_repeat_ngram_size:
        kept["no_repeat_ngram_size"] = decoding.no_repeat_ngram_size
    if decoding.num_beams > 1:
        kept |= {"length_penalty": decoding.length_penalty, "early_stopping": decoding.early_stopping}
    if decoding.do_sample:
        kept |= {"temperature": decoding.temperature, "top_p": decoding.top_p, "top_k": decoding.top_k}
        kept |= {"typical_p": decoding.typical_p} if decoding.typical_p < 1 else {}
        kept |= {"min_p": decoding.min_p} if decoding.min_p > 0 else {}
    return kept
