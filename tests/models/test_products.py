"""float32 products stay float32, whichever library computes them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch

from harness.models import products

MATMUL: Any = getattr(torch.backends.mkldnn, "matmul")  # noqa: B009  (it has no types)


@pytest.fixture
def untouched() -> Iterator[None]:
    before = MATMUL.fp32_precision
    MATMUL.fp32_precision = "none"
    products.use_onednn.cache_clear()
    yield
    MATMUL.fp32_precision = before
    products.use_onednn.cache_clear()


@pytest.mark.usefixtures("untouched")
def test_exact_or_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "_maker", lambda: "AuthenticAMD")
    used = products.use_onednn()
    assert products._exact()
    assert MATMUL.fp32_precision == ("bf16" if used else "none")


@pytest.mark.usefixtures("untouched")
def test_what_rounds_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "_maker", lambda: "AuthenticAMD")
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    product = torch.nn.functional.linear
    monkeypatch.setattr(
        torch.nn.functional, "linear", lambda x, w: product(x.bfloat16(), w.bfloat16()).float()
    )
    assert not products.use_onednn()
    assert MATMUL.fp32_precision == "none"


@pytest.mark.usefixtures("untouched")
def test_the_user_and_intel_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "_maker", lambda: "GenuineIntel")
    assert not products.use_onednn()
    products.use_onednn.cache_clear()
    monkeypatch.setattr(products, "_maker", lambda: "AuthenticAMD")
    MATMUL.fp32_precision = "ieee"
    assert not products.use_onednn()
    assert MATMUL.fp32_precision == "ieee"
