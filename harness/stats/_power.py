"""What a paired comparison can find, so that nobody reads noise, or takes silence for proof."""

from __future__ import annotations

from math import sqrt


def detectable_difference(
    clusters: int, spread: float, alpha: float = 0.05, power: float = 0.8, tolerance: float = 0.0
) -> float:
    """The smallest true difference that a one-sided paired test finds with ``power``.

    ``tolerance + (t[1 - alpha] + t[power]) * spread / sqrt(clusters)``, t of ``clusters - 1`` degrees of freedom:
    the minimum detectable effect of Bloom 1995, with the clusters' differences as the observations. ``spread`` is
    their standard deviation, see ``Paired``. Raises ValueError on fewer than two clusters.
    """
    return tolerance + _factor(clusters, alpha, power) * spread / sqrt(clusters)


def detectable_loss(
    clusters: int,
    questions: float = 1.0,
    together: float = 1.0,
    alpha: float = 0.05,
    power: float = 0.8,
    tolerance: float = 0.0,
) -> float:
    """The smallest share of verdicts turned from right to wrong that a paired test finds, before any data are seen.

    A loss of d has the variance d (1 - d) in one question (Connor 1987, all changes in one direction), and
    ``(1 + (questions - 1) * together) / questions`` times that in the mean of a cluster of ``questions`` (the design
    effect of Kish 1965): ``together`` is 1 where a fact is lost in all its wordings at once, 0 where the loss is
    spread evenly. Solved for d with the factor of ``detectable_difference``; 1.0 where nothing less is found.
    """
    from scipy.optimize import brentq

    factor = _factor(clusters, alpha, power)
    share = (1 + (questions - 1) * together) / questions / clusters

    def gap(loss: float) -> float:
        return float(loss - tolerance - factor * (loss * (1 - loss) * share) ** 0.5)

    return 1.0 if gap(1.0) <= 0 else float(brentq(gap, tolerance + 1e-9, 1.0))


def _factor(clusters: int, alpha: float, power: float) -> float:
    from scipy.stats import t

    if clusters < 2:
        raise ValueError(f"{clusters} clusters: need at least 2 to tell a difference from chance")
    return float(t.ppf(1 - alpha, clusters - 1) + t.ppf(power, clusters - 1))
