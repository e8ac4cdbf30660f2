"""Shares as a grader saw them, corrected for what it gets wrong."""

from __future__ import annotations

from typing import NamedTuple

from harness.stats._intervals import Interval


class ErrorRates(NamedTuple):
    """How often a grader was right about answers whose truth is known."""

    sensitivity: float
    """Share of the right answers that it accepts."""
    specificity: float
    """Share of the wrong answers that it rejects."""
    right: int | None = None
    """How many right answers it was shown; None: ``sensitivity`` is known exactly."""
    wrong: int | None = None
    """How many wrong answers it was shown; None: ``specificity`` is known exactly."""


def rogan_gladen(share: Interval, grader: ErrorRates, confidence: float = 0.95) -> Interval:
    """The true share behind the ``share`` of answers that a grader accepts (Rogan & Gladen 1978).

    ``(share + specificity - 1) / (sensitivity + specificity - 1)``, kept within [0, 1], as are the ends of the
    interval. What the calibration itself leaves open is added in squares, as in MOVER (Zou & Donner 2008), each error
    rate with one success and one failure added (Lang & Reiczigel 2014), so that no error seen is not taken for none.
    A share that the error rates do not explain, estimated far outside, leaves the more open the less the grader knows,
    and never less than the share itself did.

    Raises:
        ValueError: the grader is no better than chance: sensitivity + specificity <= 1.
    """
    from scipy.stats import norm

    skill = grader.sensitivity + grader.specificity - 1
    if skill <= 0:
        raise ValueError(
            f"sensitivity {grader.sensitivity} and specificity {grader.specificity}: the grader knows nothing"
        )
    estimate, low, high = ((value + grader.specificity - 1) / skill for value in share)
    accepts, rejects = _variance(grader.sensitivity, grader.right), _variance(grader.specificity, grader.wrong)
    open_ = (estimate**2 * accepts + (1 - estimate) ** 2 * rejects) / skill**2
    room = float(norm.ppf((1 + confidence) / 2)) ** 2 * open_
    below, above = ((estimate - low) ** 2 + room) ** 0.5, ((high - estimate) ** 2 + room) ** 0.5
    own, low, high = share.high - share.low, _clip(estimate - below), _clip(estimate + above)
    return Interval(_clip(estimate), min(low, max(0.0, high - own)), max(high, min(1.0, low + own)))


def _variance(rate: float, trials: int | None) -> float:
    if trials is None:
        return 0.0
    shrunk = (rate * trials + 1) / (trials + 2)
    return shrunk * (1 - shrunk) / (trials + 2)


def _clip(value: float) -> float:
    return min(1.0, max(0.0, value))
