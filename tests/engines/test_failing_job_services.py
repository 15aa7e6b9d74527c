"""What a run says if its job service is another program, or fails while a job is submitted."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import grpc
from apache_beam.portability.api import beam_job_api_pb2 as job_api
from apache_beam.portability.api import beam_job_api_pb2_grpc

from tests.helpers.console import Finished, facebeam, rehearse, write_urls
from tests.helpers.scripted_server import ScriptedServer


class FailingService(beam_job_api_pb2_grpc.JobServiceServicer):
    """A job service that tells its options, and then takes no job."""

    def DescribePipelineOptions(  # noqa: N802 - the name in Beam's API
        self, _request: job_api.DescribePipelineOptionsRequest, _context: grpc.ServicerContext
    ) -> job_api.DescribePipelineOptionsResponse:
        """Tell of no option."""
        return job_api.DescribePipelineOptionsResponse()

    def Prepare(  # noqa: N802 - the name in Beam's API
        self, _request: job_api.PrepareJobRequest, context: grpc.ServicerContext
    ) -> None:
        """Fail as a service does that is shut down."""
        context.abort(grpc.StatusCode.UNAVAILABLE, "shutting down")


@contextmanager
def failing_service() -> Iterator[str]:
    """Serve on the loopback; give the address."""
    with ThreadPoolExecutor(2) as threads:
        server = grpc.server(threads)
        beam_job_api_pb2_grpc.add_JobServiceServicer_to_server(FailingService(), server)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        yield f"127.0.0.1:{port}"
        server.stop(None).wait()


def submit(job_endpoint: str, folder: Path) -> Finished:
    """Submit a run; its pool is an open port, since no job comes that far."""
    with ScriptedServer({}) as pool:
        where = ("--runner", "portable", "--job-endpoint", job_endpoint, "--worker-pool", pool.authority)
        manifest = write_urls(folder / "urls.txt", ["https://example.com/a.jpg"])
        return rehearse(manifest, folder / "out", *where, "--run-id", "one")


def test_another_program_is_not_taken_for_a_job_service(tmp_path: Path) -> None:
    """If a web server listens at --job-endpoint, the run exits with 2 and stages nothing."""
    with ScriptedServer({}) as web:
        finished = submit(web.authority, tmp_path)
        assert f"the job service at {web.authority} does not answer: " in finished.stderr
    assert finished.returncode == 2
    assert "Traceback" not in finished.stderr
    assert not (tmp_path / "out/_staging").exists()


def test_a_submission_that_is_cut_off_is_told(tmp_path: Path) -> None:
    """If the service fails while a job is submitted, the run exits with 1 and tells what to look for.

    It is not known whether the service has the job. So `status` tells the same, and the run id stays taken.
    """
    with failing_service() as address:
        finished = submit(address, tmp_path)
        status = facebeam("status", "--run", "one", "--output", tmp_path / "out")
        again = submit(address, tmp_path)
    assert finished.returncode == 1
    assert f"the job service at {address} does not answer: UNAVAILABLE" in finished.stderr
    assert "Traceback" not in finished.stderr
    for told in (finished, status, again):
        assert "run one was interrupted while it was submitted: look for job facebeam-one-" in told.stderr
        assert f"then delete {tmp_path / 'out/_runs/one/job.json'}" in told.stderr
    assert (status.returncode, again.returncode) == (2, 2)
