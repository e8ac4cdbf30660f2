"""What a piece of work cost: seconds, memory, graphics memory."""

from harness.measure._timing import canary, timed
from harness.measure._usage import Meter, Usage, measured

__all__ = ["Meter", "Usage", "canary", "measured", "timed"]
