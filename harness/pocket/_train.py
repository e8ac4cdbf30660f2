"""Training of the shipped model: packed rows, Muon on the matrices, a warm-up-stable-decay schedule."""

from __future__ import annotations

import json
import math
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.facts import World
from harness.models import load_folder
from harness.pocket import _abilities, _tokenizer
from harness.pocket._documents import Mixture
from harness.pocket._rows import Rows, rows

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray
    from transformers import LlamaForCausalLM, PreTrainedTokenizerFast


@dataclass(frozen=True)
class Plan:
    """How the model is made; dimensions fit GPTQ's groups of 128 and the 256-wide blocks of GGUF's k-quants."""

    steps: int = 5600
    tokens: int = 4096
    """Per step."""
    row: int = 256
    long_row: int = 1024
    long_every: int = 10
    """Every so many steps a batch of long rows, for reading long passages."""
    hidden: int = 256
    layers: int = 4
    mlp: int = 768
    heads: int = 4
    lr: float = 3e-3
    warmup: int = 100
    decay: float = 0.35
    """Share of the steps over which the rate falls to 0, at the end."""
    weight_decay: float = 0.05
    asked_from: float = 0.4
    """Share of the steps after which the facts that were only told are asked about too."""
    copying: float = 0.12
    """Share of the steps, the first, in which there is much copying."""
    only: str = ""
    """``judging``: documents of that kind alone, which makes a judge."""
    shares: str = ""
    """Shares of the documents that are to be others than usual: ``reading=0.4,judging=0.2``."""
    start: str = ""
    """Folder of an earlier model to go on from, with its tokenizer; the optimiser's state starts anew."""
    seed: int = 0


def train(
    plan: Plan, folder: Path, every: int = 500, device: str | None = None, compiled: bool = True, workers: int = 1
) -> None:
    """Train to ``folder/final``; continues from ``folder/checkpoint`` where there is one.

    ``workers`` processes write the text: a GPU reads what a dozen cores write. Their number changes nothing in it.
    """
    import torch

    folder.mkdir(parents=True, exist_ok=True)
    place = device or ("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(plan.seed)
    mixture = Mixture(World(), plan.asked_from, plan.copying, plan.only, plan.shares)
    model, tokenizer = _beginning(plan, mixture)
    model.to(torch.device(place))  # type: ignore[arg-type]  # transformers' wrapper hides the signature
    optimizers = _optimizers(model, plan, place)
    first = _restore(folder, model, optimizers, plan)
    body: Any = torch.compile(model.model, dynamic=False) if compiled else model.model
    began, seen = time.perf_counter(), 0
    for step, batch in batches(mixture, tokenizer, plan, first, workers):
        rate = _rate(step, plan)
        loss = _step(body, model, optimizers, batch, rate, place)
        seen += batch.ids.size
        if step % 50 == 0:
            _log(
                folder,
                step=step,
                of=plan.steps,
                loss=float(loss),
                lr=rate * plan.lr,
                tokens_per_second=seen / (time.perf_counter() - began),
            )
        if step % every == 0 or step == plan.steps:
            _save(folder, model, optimizers, step, plan)
            found = _abilities.measure(model, tokenizer, mixture.world, per_ability=60)
            _log(folder, step=step, minutes=(time.perf_counter() - began) / 60, **found)
    export(model, folder / "final")
    tokenizer.save_pretrained(folder / "final")


def _beginning(plan: Plan, mixture: Mixture) -> tuple[LlamaForCausalLM, PreTrainedTokenizerFast]:
    """A new model, or that of ``plan.start`` in float32."""
    if plan.start:
        earlier: Any = load_folder(Path(plan.start))
        return earlier.model.float().train().requires_grad_(True), earlier.tokenizer
    tokenizer = _tokenizer.make(mixture, plan.seed, context=plan.long_row)
    return build(plan, tokenizer), tokenizer


def export(model: LlamaForCausalLM, folder: Path) -> None:
    """Weights in bfloat16, with the config that transformers and llama.cpp read."""
    import torch

    half: Any = model
    half.to(torch.bfloat16).save_pretrained(folder)


def build(plan: Plan, tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    from transformers import LlamaConfig, LlamaForCausalLM

    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=_tokenizer.VOCABULARY,
            hidden_size=plan.hidden,
            num_hidden_layers=plan.layers,
            intermediate_size=plan.mlp,
            num_attention_heads=plan.heads,
            num_key_value_heads=plan.heads,
            max_position_embeddings=plan.long_row,
            tie_word_embeddings=True,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def batches(
    mixture: Mixture, tokenizer: PreTrainedTokenizerFast, plan: Plan, first: int, workers: int
) -> Iterator[tuple[int, Rows]]:
    """(step from 1, rows), made some steps ahead."""
    given = (mixture, tokenizer, plan)
    pool: Executor
    if workers > 1:  # spawned, as CUDA does not outlive a fork
        pool = ProcessPoolExecutor(workers, get_context("spawn"), initializer=_prepare, initargs=given)
    else:
        pool = ThreadPoolExecutor(1, initializer=_prepare, initargs=given)
    steps, lead = range(first + 1, plan.steps + 1), 4 * workers
    try:
        ahead = deque(pool.submit(_make, step) for step in steps[:lead])
        for step in steps:
            batch = ahead.popleft().result()
            if step + lead <= plan.steps:
                ahead.append(pool.submit(_make, step + lead))
            yield step, batch
    finally:
        pool.shutdown(cancel_futures=True)


_given: tuple[Mixture, PreTrainedTokenizerFast, Plan]
"""What this process makes rows of."""


def _prepare(mixture: Mixture, tokenizer: PreTrainedTokenizerFast, plan: Plan) -> None:
    global _given
    _given = (mixture, tokenizer, plan)


def _make(step: int) -> Rows:
    mixture, tokenizer, plan = _given
    long = not plan.only and step % plan.long_every == 0
    length = plan.long_row if long else plan.row
    shape = (max(1, plan.tokens // length), length)
    return rows(mixture, tokenizer, f"{plan.seed}/{step}", step / plan.steps, shape, long)


def _step(
    body: Any, model: LlamaForCausalLM, optimizers: list[Any], batch: Rows, rate: float, place: str
) -> torch.Tensor:
    """One step; the loss stays where it is, as to fetch it would make a GPU wait."""
    import torch
    from torch.nn.functional import cross_entropy

    def placed(part: NDArray[Any]) -> torch.Tensor:
        here = torch.from_numpy(part)
        return here.pin_memory().to(place, non_blocking=True) if place == "cuda" else here

    width = batch.ids.shape[1]
    flat = np.flatnonzero(batch.loss[:, 1:])
    ids, positions, owner = placed(batch.ids), placed(batch.positions), placed(batch.owner)
    at = placed(flat // (width - 1) * width + flat % (width - 1))
    causal = torch.ones(width, width, dtype=torch.bool, device=place).tril()
    mask = (owner[:, None, :, None] == owner[:, None, None, :]) & causal
    with torch.autocast(place, torch.bfloat16, enabled=_halves_fast(place)):
        hidden = body(input_ids=ids, attention_mask=mask, position_ids=positions, use_cache=False).last_hidden_state
        logits = model.lm_head(hidden.reshape(-1, hidden.shape[-1])[at])
    loss = cross_entropy(logits.float(), ids.reshape(-1)[at + 1])
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group["peak"] * rate
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    return loss.detach()


def _halves_fast(place: str) -> bool:
    """Whether bfloat16 pays: on a CPU without AVX-512 a step took six times as long as in float32."""
    import torch

    return place != "cpu" or torch.backends.cpu.get_cpu_capability() == "AVX512"


def _optimizers(model: LlamaForCausalLM, plan: Plan, place: str) -> list[Any]:
    """Muon (Jordan et al. 2024) for the layers' matrices, AdamW for embeddings and norms."""
    import torch

    from harness.pocket._muon import Muon32

    named = list(model.named_parameters())
    matrices = [p for name, p in named if p.ndim == 2 and "layers" in name]
    rest = [p for name, p in named if not (p.ndim == 2 and "layers" in name)]
    kept: dict[str, Any] = {"lr": plan.lr, "weight_decay": plan.weight_decay, "momentum": 0.95}
    muon: Any
    if place == "cpu" and _halves_fast(place):
        muon = torch.optim.Muon(matrices, adjust_lr_fn="match_rms_adamw", **kept)
    else:
        muon = Muon32(matrices, **kept)
    adamw = torch.optim.AdamW(rest, lr=plan.lr, betas=(0.9, 0.95), weight_decay=0.0)
    for optimizer in (muon, adamw):
        for group in optimizer.param_groups:
            group["peak"] = plan.lr
    return [muon, adamw]


def _rate(step: int, plan: Plan) -> float:
    """Warm-up, a plateau, then a linear fall to 0 (WSD)."""
    falling = math.ceil(plan.steps * (1 - plan.decay))
    if step <= plan.warmup:
        return step / plan.warmup
    return 1.0 if step <= falling else max(0.0, (plan.steps - step) / max(1, plan.steps - falling))


def _save(folder: Path, model: LlamaForCausalLM, optimizers: list[Any], step: int, plan: Plan) -> None:
    """Weights and optimiser state as safetensors; the renaming makes the checkpoint whole or absent."""
    from safetensors.torch import save_file

    state = {f"model/{name}": p.detach().contiguous() for name, p in model.named_parameters()}
    for which, optimizer in enumerate(optimizers):
        for index, kept in optimizer.state_dict()["state"].items():
            state |= {f"optimizer/{which}/{index}/{name}": value.contiguous() for name, value in kept.items()}
    kept = folder / "checkpoint.safetensors"
    partial = kept.with_suffix(".partial")
    save_file(state, partial, metadata={"step": str(step), "plan": json.dumps(asdict(plan), sort_keys=True)})
    partial.replace(kept)


def _restore(folder: Path, model: LlamaForCausalLM, optimizers: list[Any], plan: Plan) -> int:
    """The step of the checkpoint, or 0. Only the number of steps may have changed since."""
    import torch
    from safetensors import safe_open

    path = folder / "checkpoint.safetensors"
    if not path.is_file():
        return 0
    with safe_open(path, "pt") as kept, torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(kept.get_tensor(f"model/{name}"))
        for which, optimizer in enumerate(optimizers):
            saved: dict[int, dict[str, Any]] = {}
            for key in kept.keys():  # noqa: SIM118  # safe_open is no mapping
                part, _, rest = key.partition("/")
                if part == "optimizer" and rest.startswith(f"{which}/"):
                    _, index, name = rest.split("/")
                    saved.setdefault(int(index), {})[name] = kept.get_tensor(key)
            optimizer.load_state_dict({**optimizer.state_dict(), "state": saved})
        return int(kept.metadata()["step"])


def _log(folder: Path, **entry: Any) -> None:
    shown = {k: round(v, 5) if isinstance(v, float) else v for k, v in entry.items()}
    with (folder / "log.jsonl").open("a") as stream:
        stream.write(json.dumps(shown) + "\n")
    print(" ".join(f"{k}={v}" for k, v in shown.items()), flush=True)
