"""What the fake vendors remember, and what they are told to do."""

from collections import deque
from collections.abc import Sequence
from typing import Final

from llm_provider.tests.vendors.fake_vendors.dialect import new_id
from llm_provider.tests.vendors.fake_vendors.jobs import Job, JobEnd
from llm_provider.tests.vendors.fake_vendors.scenario import Received, Scenario

REMEMBERED: Final = 10_000
PREFIXES: Final = {
    "anthropic": "/anthropic",
    "openai": "/openai",
    "google": "/google",
    "openrouter": "/openrouter/api/v1",
    "openai_compatible": "/openai_compatible/v1",
}


class FakeVendors:
    """All vendors at one address. ``scenario`` may be changed at any time; ``received`` holds the latest calls.

    A batch job ends after ``views_before_end`` looks at it, as ``job_end`` says. With ``breaks_off_files`` the
    connection is closed before a file of results has come to its end.
    """

    def __init__(self, address: str, scenario: Scenario) -> None:
        self.address = address
        self.scenario = scenario
        self.received: deque[Received] = deque(maxlen=REMEMBERED)
        self.jobs: dict[str, Job] = {}
        self.files: dict[str, bytes] = {}
        self.job_end = JobEnd.ENDED
        self.views_before_end = 1
        self.breaks_off_files = False

    def url(self, vendor: str) -> str:
        """The base URL under which a vendor is found."""
        return self.address + PREFIXES[vendor]

    def new_job(self, job_id: str, items: Sequence[tuple[str, Received]]) -> Job:
        """Begin a batch job."""
        self.received.extend(item for _, item in items)
        self.jobs[job_id] = Job(id=job_id, items=items, end=self.job_end, views_left=self.views_before_end)
        return self.jobs[job_id]

    def look_at(self, job_id: str) -> Job:
        """A job, after one more look at it."""
        job = self.jobs[job_id]
        job.look(self.scenario)
        return job

    def keep_file(self, prefix: str, content: bytes) -> str:
        """Keep a file; returns its id."""
        file_id = new_id(prefix)
        self.files[file_id] = content
        return file_id
