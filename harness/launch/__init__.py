"""Where builds run: here, in this process; the plan of what is still to be built comes first."""

from harness.launch._here import launch_here
from harness.launch._plan import Job, Plan

__all__ = ["Job", "Plan", "launch_here"]
