"""What a piece of work cost: seconds, memory, graphics memory."""

from harness.measure._usage import Meter, Usage, measured

__all__ = ["Meter", "Usage", "measured"]
