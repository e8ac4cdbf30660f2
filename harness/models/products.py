"""Matrix products on a CPU: by oneDNN where MKL leaves half of the processor unused."""

from __future__ import annotations

import platform
from functools import cache
from pathlib import Path
from typing import Any

_SIZES = ((64, 256, 512), (300, 768, 256), (17, 1000, 333))
"""Rows, inputs and outputs of the products that are compared."""
_ROUNDING = 4e-6
"""Error of float32 in such a product, as a share of its largest number; bfloat16 has 2e-3."""


@cache
def use_onednn() -> bool:
    """Let oneDNN compute float32 products, where it is faster and as exact; whether it does.

    MKL computes without AVX-512 on processors of other makers than Intel. torch asks oneDNN only
    where products may be rounded to bfloat16. On a processor that has no unit for such products
    oneDNN computes them in float32 all the same, and that is tested here: where it rounds, all is
    left as it was. A setting that the user made stays.
    """
    import torch

    matmul: Any = getattr(torch.backends.mkldnn, "matmul", None)  # torch has no types for it
    if _maker() == "GenuineIntel" or torch.backends.cpu.get_cpu_capability() != "AVX512":
        return False
    if matmul is None:
        return False
    if not torch.backends.mkldnn.is_available() or matmul.fp32_precision != "none":
        return False
    matmul.fp32_precision = "bf16"
    if not _exact():
        matmul.fp32_precision = "none"
        return False
    return True


def _exact() -> bool:
    """Whether products of float32 matrices are rounded as float32."""
    import torch

    random = torch.Generator().manual_seed(0)
    for rows, inputs, outputs in _SIZES:
        left = torch.randn(rows, inputs, generator=random)
        right = torch.randn(inputs, outputs, generator=random)
        true = left.double() @ right.double()
        for product in (left @ right, torch.nn.functional.linear(left, right.T.contiguous())):
            if (product - true).abs().max() > _ROUNDING * true.abs().max():
                return False
    return True


def _maker() -> str:
    """``GenuineIntel``, ``AuthenticAMD``; empty where the system does not tell."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor().rpartition(", ")[2]
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("vendor_id"))
    return next(names, "")
