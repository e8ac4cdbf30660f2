"""Several tests at once."""

from __future__ import annotations

from collections.abc import Sequence


def holm(ps: Sequence[float], weights: Sequence[float] | None = None) -> list[float]:
    """Adjusted p-values, in the order given, that bound the chance of any false alarm (Holm 1979).

    ``weights`` say how much of that chance goes to each test before any data are seen; all alike by default.
    Raises ValueError on lengths that differ, or weights that are not positive.
    """
    shares = [1.0] * len(ps) if weights is None else list(weights)
    if len(shares) != len(ps) or min(shares, default=1.0) <= 0:
        raise ValueError(f"weights {shares} for {len(ps)} tests: give each one above 0")
    adjusted, floor, left = [0.0] * len(ps), 0.0, sum(shares)
    for index in sorted(range(len(ps)), key=lambda i: ps[i] / shares[i]):
        floor = max(floor, min(1.0, ps[index] * max(1.0, left / shares[index])))
        adjusted[index] = floor
        left -= shares[index]
    return adjusted
