"""Muon in float32: torch's own orthogonalises in bfloat16, which a CPU without AVX-512 does at a tenth of the speed,
and one matrix after the other, for which a GPU waits."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
_ROUNDS = 5


class Muon32(torch.optim.Optimizer):
    """Jordan et al. 2024, with Nesterov momentum, decoupled decay, and Moonshot's scale (Liu et al. 2025), by which
    rates are those of AdamW. Takes matrices only; its state is that of ``torch.optim.Muon``."""

    def __init__(self, matrices: Iterable[torch.Tensor], lr: float, weight_decay: float, momentum: float) -> None:
        super().__init__(matrices, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> Any:
        for group in self.param_groups:
            shapes: dict[torch.Size, list[torch.Tensor]] = {}
            for matrix in group["params"]:
                if matrix.grad is not None:
                    shapes.setdefault(matrix.shape, []).append(matrix)
            for matrices in shapes.values():  # all of one shape at once: a GPU would wait for the launches
                self._move(matrices, group)

    def _move(self, matrices: list[torch.Tensor], group: dict[str, Any]) -> None:
        for matrix in matrices:
            if not self.state[matrix]:
                self.state[matrix]["momentum_buffer"] = torch.zeros_like(matrix)
        buffers = [self.state[matrix]["momentum_buffer"] for matrix in matrices]
        gradients = [matrix.grad for matrix in matrices if matrix.grad is not None]
        torch._foreach_lerp_(buffers, gradients, 1 - group["momentum"])
        updates = orthogonal(torch.stack(torch._foreach_lerp(gradients, buffers, group["momentum"])))
        torch._foreach_mul_(matrices, 1 - group["lr"] * group["weight_decay"])
        torch._foreach_add_(matrices, updates.unbind(), alpha=-group["lr"] * 0.2 * max(matrices[0].shape) ** 0.5)


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
