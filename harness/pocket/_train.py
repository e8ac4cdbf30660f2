"""Training of the shipped model, with Muon, and averages of its checkpoints."""

from __future__ import annotations

import json
import math
import shutil
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from harness.data.facts import World
from harness.errors import ModelError
from harness.models.loading import load_folder
from harness.pocket._card import measure
from harness.pocket._documents import Mixture
from harness.pocket._rows import VOCABULARY, Plan, Rows, batches, make_tokenizer

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the quintic polynomial, from Jordan et al. 2024."""
_ROUNDS = 5


class Muon32(torch.optim.Optimizer):
    """Muon (Jordan et al. 2024) with Nesterov momentum and decoupled weight decay.

    Takes only matrices. With Moonshot's scale (Liu et al. 2025) it needs the learning rates of
    AdamW. Its state has the format of ``torch.optim.Muon``, which computes in bfloat16.
    """

    def __init__(
        self, matrices: Iterable[torch.Tensor], lr: float, weight_decay: float, momentum: float
    ) -> None:
        super().__init__(matrices, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> Any:
        """One step; ``closure`` is ignored."""
        for group in self.param_groups:
            by_shape: dict[torch.Size, list[torch.Tensor]] = {}
            for matrix in group["params"]:
                if matrix.grad is not None:
                    by_shape.setdefault(matrix.shape, []).append(matrix)
            # One step for each matrix would make a GPU wait for the launches of small kernels.
            for matrices in by_shape.values():
                self._update(matrices, group)

    def _update(self, matrices: list[torch.Tensor], group: dict[str, Any]) -> None:
        for matrix in matrices:
            if not self.state[matrix]:
                self.state[matrix]["momentum_buffer"] = torch.zeros_like(matrix)
        buffers = [self.state[matrix]["momentum_buffer"] for matrix in matrices]
        gradients = [matrix.grad for matrix in matrices if matrix.grad is not None]
        torch._foreach_lerp_(buffers, gradients, 1 - group["momentum"])
        nesterov = torch._foreach_lerp(gradients, buffers, group["momentum"])
        updates = orthogonal(torch.stack(nesterov))
        # An orthogonal update has a root mean square of about 1 / sqrt(longer side), that of AdamW
        # is about 0.2.
        scale = 0.2 * max(matrices[0].shape) ** 0.5
        torch._foreach_mul_(matrices, 1 - group["lr"] * group["weight_decay"])
        torch._foreach_add_(matrices, updates.unbind(), alpha=-group["lr"] * scale)


def orthogonal(matrices: torch.Tensor) -> torch.Tensor:
    """The nearest matrices whose singular values are all about 1.

    ``matrices`` has the shape count x rows x columns. A quintic Newton-Schulz iteration is used.
    """
    tall = matrices.shape[1] > matrices.shape[2]
    a, b, c = _COEFFICIENTS
    x = matrices.mT if tall else matrices  # the smaller Gram matrix
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7)
    for _ in range(_ROUNDS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.mT if tall else x


if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray
    from transformers import LlamaForCausalLM, PreTrainedTokenizerFast


def train(
    plan: Plan,
    folder: Path,
    every: int = 500,
    device: str | None = None,
    compiled: bool = True,
    workers: int = 1,
) -> None:
    """Train a model and write it to ``folder/final``.

    Continues from ``folder/checkpoint.safetensors``, where there is one, which is written every
    ``every`` steps. ``workers`` processes generate the text; one GPU needs about a dozen. The text
    is the same for any number of them.
    """
    import torch

    folder.mkdir(parents=True, exist_ok=True)
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(plan.seed)
    mixture = Mixture(World(), plan.asked_from, plan.copying, plan.only, plan.shares)
    model, tokenizer = _initial_model(plan, mixture)
    # transformers' wrapper hides the signature
    model.to(torch.device(device))  # type: ignore[arg-type]
    optimizers = _optimizers(model, plan, device)
    first = _restore(folder, model, optimizers, plan)
    body: Any = torch.compile(model.model, dynamic=False) if compiled else model.model
    start = time.perf_counter()
    seen = 0
    for step, batch in batches(mixture, tokenizer, plan, first, workers):
        rate = _rate(step, plan)
        loss = _step(body, model, optimizers, batch, rate, device)
        seen += batch.ids.size
        if step % 50 == 0:
            _log(
                folder,
                step=step,
                of=plan.steps,
                loss=float(loss),
                lr=rate * plan.lr,
                tokens_per_second=seen / (time.perf_counter() - start),
            )
        if step % every == 0 or step == plan.steps:
            _save(folder, model, optimizers, step, plan)
            shares = measure(model, tokenizer, mixture.world, per_ability=60)
            _log(folder, step=step, minutes=(time.perf_counter() - start) / 60, **shares)
    export(model, folder / "final")
    tokenizer.save_pretrained(folder / "final")


def _initial_model(
    plan: Plan, mixture: Mixture
) -> tuple[LlamaForCausalLM, PreTrainedTokenizerFast]:
    """A new model, or the one in ``plan.start`` in float32."""
    if plan.start:
        earlier: Any = load_folder(Path(plan.start))
        return earlier.model.float().train().requires_grad_(True), earlier.tokenizer
    tokenizer = make_tokenizer(mixture, plan.seed, context=plan.long_row)
    return build(plan, tokenizer), tokenizer


def export(model: LlamaForCausalLM, folder: Path) -> None:
    """Write the weights in bfloat16, with a config for transformers and llama.cpp."""
    import torch

    half: Any = model
    half.to(torch.bfloat16).save_pretrained(folder)


def build(plan: Plan, tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """A Llama with random weights and the dimensions of ``plan``."""
    from transformers import LlamaConfig, LlamaForCausalLM

    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=VOCABULARY,
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


def _step(
    body: Any, model: LlamaForCausalLM, optimizers: list[Any], batch: Rows, rate: float, device: str
) -> torch.Tensor:
    """One step; ``rate`` is the share of each group's highest learning rate.

    The loss stays on the device, because to fetch it would make a GPU wait.
    """
    import torch
    from torch.nn.functional import cross_entropy

    def on_device(array: NDArray[Any]) -> torch.Tensor:
        tensor = torch.from_numpy(array)
        return tensor.pin_memory().to(device, non_blocking=True) if device == "cuda" else tensor

    width = batch.ids.shape[1]
    ids = on_device(batch.ids)
    positions = on_device(batch.positions)
    owner = on_device(batch.owner)
    # Positions in the flat batch whose next token is trained: logits are computed only there. The
    # last token of a row has no next one, so rows of the index have one column less.
    flat = np.flatnonzero(batch.loss[:, 1:])
    at = on_device(flat // (width - 1) * width + flat % (width - 1))
    causal = torch.ones(width, width, dtype=torch.bool, device=device).tril()
    mask = (owner[:, None, :, None] == owner[:, None, None, :]) & causal  # within one document
    with torch.autocast(device, torch.bfloat16, enabled=_has_fast_bfloat16(device)):
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


def _has_fast_bfloat16(device: str) -> bool:
    """Whether bfloat16 is faster than float32; without AVX-512 a CPU took six times as long."""
    import torch

    return device != "cpu" or torch.backends.cpu.get_cpu_capability() == "AVX512"


def _optimizers(model: LlamaForCausalLM, plan: Plan, device: str) -> list[Any]:
    """Muon for the matrices of the layers, AdamW for embeddings and norms."""
    import torch

    from harness.pocket._train import Muon32

    named = list(model.named_parameters())
    matrices = [p for name, p in named if p.ndim == 2 and "layers" in name]
    rest = [p for name, p in named if not (p.ndim == 2 and "layers" in name)]
    settings: dict[str, Any] = {"lr": plan.lr, "weight_decay": plan.weight_decay, "momentum": 0.95}
    muon: Any
    if device == "cpu" and _has_fast_bfloat16(device):
        muon = torch.optim.Muon(matrices, adjust_lr_fn="match_rms_adamw", **settings)
    else:
        muon = Muon32(matrices, **settings)
    adamw = torch.optim.AdamW(rest, lr=plan.lr, betas=(0.9, 0.95), weight_decay=0.0)
    for optimizer in (muon, adamw):
        for group in optimizer.param_groups:
            group["peak"] = plan.lr
    return [muon, adamw]


def _rate(step: int, plan: Plan) -> float:
    """Share of the highest learning rate: warm-up, plateau, linear decay to 0 (WSD)."""
    decay_start = math.ceil(plan.steps * (1 - plan.decay))
    if step <= plan.warmup:
        return step / plan.warmup
    if step <= decay_start:
        return 1.0
    return max(0.0, (plan.steps - step) / max(1, plan.steps - decay_start))


def _save(
    folder: Path, model: LlamaForCausalLM, optimizers: list[Any], step: int, plan: Plan
) -> None:
    """Write weights and optimiser state to ``folder/checkpoint.safetensors``."""
    from safetensors.torch import save_file

    tensors = {f"model/{name}": p.detach().contiguous() for name, p in model.named_parameters()}
    for which, optimizer in enumerate(optimizers):
        for index, state in optimizer.state_dict()["state"].items():
            for name, value in state.items():
                tensors[f"optimizer/{which}/{index}/{name}"] = value.contiguous()
    path = folder / "checkpoint.safetensors"
    # Written under another name first, so that a crash leaves the old checkpoint whole.
    partial = path.with_suffix(".partial")
    metadata = {"step": str(step), "plan": json.dumps(asdict(plan), sort_keys=True)}
    save_file(tensors, partial, metadata=metadata)
    partial.replace(path)


def _restore(folder: Path, model: LlamaForCausalLM, optimizers: list[Any], plan: Plan) -> int:
    """Load the checkpoint, where there is one, and return its step, or 0.

    ``plan`` is not compared; only its number of steps may differ from that of the checkpoint.
    """
    import torch
    from safetensors import safe_open

    path = folder / "checkpoint.safetensors"
    if not path.is_file():
        return 0
    with safe_open(path, "pt") as checkpoint, torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(checkpoint.get_tensor(f"model/{name}"))
        for which, optimizer in enumerate(optimizers):
            states: dict[int, dict[str, Any]] = {}
            for key in checkpoint.keys():  # noqa: SIM118  # safe_open cannot be iterated
                part, _, rest = key.partition("/")
                if part == "optimizer" and rest.startswith(f"{which}/"):
                    _, index, name = rest.split("/")
                    states.setdefault(int(index), {})[name] = checkpoint.get_tensor(key)
            optimizer.load_state_dict({**optimizer.state_dict(), "state": states})
        return int(checkpoint.metadata()["step"])


def _log(folder: Path, **entry: Any) -> None:
    """Print ``entry`` and append it to ``folder/log.jsonl``."""
    shown = {k: round(v, 5) if isinstance(v, float) else v for k, v in entry.items()}
    with (folder / "log.jsonl").open("a") as stream:
        stream.write(json.dumps(shown) + "\n")
    print(" ".join(f"{k}={v}" for k, v in shown.items()), flush=True)


def average(earlier: Path, later: Path, share: float, out: Path) -> None:
    """Write the weighted mean of two models to ``out``: ``share`` of ``later``, rest ``earlier``.

    The dtype and all other files are those of ``later``.

    Raises:
        ModelError: the two differ in shape, or ``share`` is not between 0 and 1.
    """
    from safetensors.torch import load_file, save_file

    if not 0 <= share <= 1:
        raise ModelError(f"share is {share}: it must be at least 0 and at most 1")
    name = "model.safetensors"
    old, new = load_file(earlier / name), load_file(later / name)
    shapes = [{key: value.shape for key, value in weights.items()} for weights in (old, new)]
    if shapes[0] != shapes[1]:
        raise ModelError(
            f"{earlier} and {later} differ in shape: average a model with one trained on from it"
        )
    out.mkdir(parents=True, exist_ok=True)
    for path in later.iterdir():
        if path.is_file() and path.name not in (name, "README.md"):
            shutil.copyfile(path, out / path.name)
    mixed = {key: old[key].float().lerp(new[key].float(), share).to(new[key].dtype) for key in new}
    save_file(mixed, out / name, metadata={"format": "pt"})
