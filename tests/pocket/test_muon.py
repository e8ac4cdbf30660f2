"""Muon in float32 against torch's own."""

from __future__ import annotations

from typing import Any

import torch

from harness.pocket._train import Muon32, orthogonal


def test_singular_values_come_near_one() -> None:
    torch.manual_seed(0)
    for shape in ((1, 32, 32), (3, 24, 96), (2, 96, 24)):
        values = torch.linalg.svdvals(orthogonal(torch.randn(shape)))
        assert 0.5 < float(values.min()) <= float(values.max()) < 1.4, (shape, values)


def test_it_steps_as_torchs_own_does() -> None:
    torch.manual_seed(0)
    start, target = torch.randn(32, 64), torch.randn(32, 64)
    settings: dict[str, Any] = {"lr": 0.02, "weight_decay": 0.05, "momentum": 0.95}
    steps = []
    kinds: tuple[tuple[Any, dict[str, Any]], ...] = (
        (Muon32, {}),
        (torch.optim.Muon, {"adjust_lr_fn": "match_rms_adamw"}),
    )
    for kind, more in kinds:
        weights = torch.nn.Parameter(start.clone())
        optimizer = kind([weights], **settings, **more)
        for _ in range(10):
            optimizer.zero_grad()
            (weights - target).square().sum().backward()
            optimizer.step()
        steps.append(weights.detach() - start)
    own, theirs = steps
    assert float((own - theirs).norm() / theirs.norm()) < 0.02  # theirs computes in bfloat16
