"""What a piece of work cost: seconds, memory, graphics memory."""

from harness.measure._usage import Meter, Usage, canary, measured, timed

__all__ = ["Meter", "Usage", "canary", "measured", "timed"]
