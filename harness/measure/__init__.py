"""Seconds, memory and GPU memory of a block of code, and the machine that it ran on."""

from harness.measure._peak import product_rate
from harness.measure._usage import Meter, Usage, canary, measured, timed

__all__ = ["Meter", "Usage", "canary", "measured", "product_rate", "timed"]
