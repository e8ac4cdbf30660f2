"""Where builds run: here, in this process; the plan of what is still to be built comes first."""

from harness.launch._here import launch_here, lines
from harness.launch._meanwhile import Meanwhile
from harness.launch._plan import Job, Plan, training_seconds

__all__ = ["Job", "Meanwhile", "Plan", "launch_here", "lines", "training_seconds"]
