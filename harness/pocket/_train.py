"""Training of the shipped model: packed rows, Muon on the matrices, a warm-up-stable-decay
schedule."""

from __future__ import annotations

import json
import math
import shutil
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from harness.data.facts import World
from harness.errors import ModelError
from harness.models.loading import load_folder
from harness.pocket import _card as _abilities
from harness.pocket import _rows as _tokenizer
from harness.pocket._documents import Mixture
from harness.pocket._rows import Rows, rows


def average(earlier: Path, later: Path, share: float, out: Path) -> None:
    """``share`` of ``later`` and the rest of ``earlier``, in the dtype of ``later``; all other
    files are those of it.

    Raises:
        ModelError: the two differ in shape, or ``share`` is not within 0 and 1.
    """
    from safetensors.torch import load_file, save_file

    if not 0 <= share <= 1:
        raise ModelError(f"share is {share}: it must be at least 0 and at most 1")
    name = "model.safetensors"
    old, new = load_file(earlier / name), load_file(later / name)
    if {key: value.shape for key, value in old.items()} != {
        key: value.shape for key, value in new.items()
    }:
        raise ModelError(
            f"{earlier} and {later} differ in shape: average a model with one trained on from it"
        )
    out.mkdir(parents=True, exist_ok=True)
    for path in later.iterdir():
        if path.is_file() and path.name not in (name, "README.md"):
            shutil.copyfile(path, out / path.name)
    mixed = {key: old[key].float().lerp(new[key].float(), share).to(new[key].dtype) for key in new}
    save_file(mixed, out / name, metadata={"format": "pt"})


_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
_ROUNDS = 5


class Muon32(torch.optim.Optimizer):
    """Jordan et al. 2024, with Nesterov momentum, decoupled decay, and Moonshot's scale (Liu et al.
    2025), by which rates are those of AdamW. Takes matrices only; its state is that of
    ``torch.optim.Muon``."""

    def __init__(
        self, matrices: Iterable[torch.Tensor], lr: float, weight_decay: float, momentum: float
    ) -> None:
        super().__init__(matrices, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> Any:
        for group in self.param_groups:
            shapes: dict[torch.Size, list[torch.Tensor]] = {}
            for matrix in group["params"]:
                if matrix.grad is not None:
                    shapes.setdefault(matrix.shape, []).append(matrix)
            for (
                matrices
            ) in shapes.values():  # all of one shape at once: a GPU would wait for the launches
                self._move(matrices, group)

    def _move(self, matrices: list[torch.Tensor], group: dict[str, Any]) -> None:
        for matrix in matrices:
            if not self.state[matrix]:
                self.state[matrix]["momentum_buffer"] = torch.zeros_like(matrix)
        buffers = [self.state[matrix]["momentum_buffer"] for matrix in matrices]
        gradients = [matrix.grad for matrix in matrices if matrix.grad is not None]
        torch._foreach_lerp_(buffers, gradients, 1 - group["momentum"])
        updates = orthogonal(
            torch.stack(torch._foreach_lerp(gradients, buffers, group["momentum"]))
        )
        torch._foreach_mul_(matrices, 1 - group["lr"] * group["weight_decay"])
        torch._foreach_add_(
            matrices, updates.unbind(), alpha=-group["lr"] * 0.2 * max(matrices[0].shape) ** 0.5
        )


def orthogonal(matrices: torch.Tensor) -> torch.Tensor:
    """The nearest matrices with all singular values about 1, by a quintic Newton-Schulz iteration.

    ``matrices`` is of shape count x rows x columns.
    """
    tall = matrices.shape[1] > matrices.shape[2]
    a, b, c = _COEFFICIENTS
    x = matrices.mT if tall else matrices
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7)
    for _ in range(_ROUNDS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.mT if tall else x


if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray
    from transformers import LlamaForCausalLM, PreTrainedTokenizerFast


@dataclass(frozen=True)
class Plan:
    """How the model is made; dimensions fit GPTQ's groups of 128 and the 256-wide blocks of GGUF's
    k-quants."""

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
    """Folder of an earlier model to go on from, with its tokenizer; the optimiser's state starts
    anew."""
    seed: int = 0


def train(
    plan: Plan,
    folder: Path,
    every: int = 500,
    device: str | None = None,
    compiled: bool = True,
    workers: int = 1,
) -> None:
    """Train to ``folder/final``; continues from ``folder/checkpoint`` where there is one.

    ``workers`` processes write the text: a GPU reads what a dozen cores write. Their number changes
    nothing in it.
    """
    import torch

    folder.mkdir(parents=True, exist_ok=True)
    place = device or ("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(plan.seed)
    mixture = Mixture(World(), plan.asked_from, plan.copying, plan.only, plan.shares)
    model, tokenizer = _beginning(plan, mixture)
    # transformers' wrapper hides the signature
    model.to(torch.device(place))  # type: ignore[arg-type]
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
        pool = ProcessPoolExecutor(
            workers, get_context("spawn"), initializer=_prepare, initargs=given
        )
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
        hidden = body(
            input_ids=ids, attention_mask=mask, position_ids=positions, use_cache=False
        ).last_hidden_state
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
    """Whether bfloat16 pays: on a CPU without AVX-512 a step took six times as long as
    in float32."""
    import torch

    return place != "cpu" or torch.backends.cpu.get_cpu_capability() == "AVX512"


def _optimizers(model: LlamaForCausalLM, plan: Plan, place: str) -> list[Any]:
    """Muon (Jordan et al. 2024) for the layers' matrices, AdamW for embeddings and norms."""
    import torch

    from harness.pocket._train import Muon32

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


def _save(
    folder: Path, model: LlamaForCausalLM, optimizers: list[Any], step: int, plan: Plan
) -> None:
    """Weights and optimiser state as safetensors; the renaming makes the checkpoint whole or
    absent."""
    from safetensors.torch import save_file

    state = {f"model/{name}": p.detach().contiguous() for name, p in model.named_parameters()}
    for which, optimizer in enumerate(optimizers):
        for index, kept in optimizer.state_dict()["state"].items():
            state |= {
                f"optimizer/{which}/{index}/{name}": value.contiguous()
                for name, value in kept.items()
            }
    kept = folder / "checkpoint.safetensors"
    partial = kept.with_suffix(".partial")
    save_file(
        state,
        partial,
        metadata={"step": str(step), "plan": json.dumps(asdict(plan), sort_keys=True)},
    )
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
            for key in kept.keys():  # noqa: SIM118 - safe_open is no mapping
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
