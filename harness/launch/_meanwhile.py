"""Work for a process that would wait for another: whatever else the session needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property

from filelock import Timeout

from harness.errors import HarnessError
from harness.launch._plan import Job, Plan
from harness.recipes import Recipe
from harness.store import Artefact, Store


class Meanwhile:
    """Builds one job of a plan at each call, the longest that is ready and that nobody is at.

    Ready is what has all that it needs in the store. What then needs more than its job says, and finds somebody at it
    (this process, perhaps, further up), is left alone for now: a job waits for nobody.
    """

    def __init__(self, plan: Callable[[], Plan], store: Store, build: Callable[[Recipe], Artefact]) -> None:
        self._plan = plan
        self._store = store
        self._build = build

    def __call__(self) -> bool:
        """Whether there was something to build."""
        with self._store.unwaiting():
            return any(map(self._try, self._ready()))

    @cached_property
    def _left(self) -> list[Job]:
        """Made when it is first asked for, as few sessions ever wait.

        None where a cell cannot be planned, which its test tells.
        """
        try:
            return sorted(self._plan().todo, key=lambda job: -job.estimate_seconds)
        except HarnessError:
            return []

    def _ready(self) -> Iterator[Job]:
        self._left = [job for job in self._left if not self._there(job)]
        return (job for job in self._left if all(map(self._there, job.needs)) and not self._store.busy(job.recipe))

    def _try(self, job: Job) -> bool:
        """False where somebody is at what it is made from."""
        try:
            self._build(job.recipe)
        except Timeout:
            return False
        except HarnessError:  # which the test that asks for it will meet again, and tell
            self._left.remove(job)
        return True

    def _there(self, job: Job) -> bool:
        return self._store.peek(job.recipe) is not None
