"""`explain`: error codes, statuses, warnings and HTTP codes."""

from __future__ import annotations

import pytest

from spark_batch.errors import ExitCode
from spark_batch.project import HTTP_STATUSES, Status, warning_codes
from tests.cli.conftest import Call
from tests.makers import MODEL


def test_everything_that_is_listed_is_explained(call: Call) -> None:
    """Error codes, statuses, warnings and HTTP codes, each with what follows from it."""
    listed = call("explain").out
    statuses = (*(status.value for status in Status), "flagged")
    balance = map(str, MODEL.errors.balance)
    names = (*MODEL.errors.by_code, *balance, *statuses, *warning_codes())
    for name in (*names, *map(str, HTTP_STATUSES)):
        assert f"  {name} " in listed
        ended = call("explain", name)
        assert ended.code == ExitCode.DONE
        assert len(ended.out.splitlines()) > 1


@pytest.mark.parametrize(
    ("status", "request_", "poll"),
    [
        (400, "the job has failed: the request is wrong", "asked again"),
        (
            401,
            "check SPARK_API_KEY; nothing more is sent, and the exit code is 5",
            "exit code is 5",
        ),
        (402, "the balance does not suffice; nothing more is sent", "the balance does not suffice"),
        (404, "no such endpoint: check SPARK_BASE_URL", "asked again for a minute"),
        (429, "not accepted: the same request is sent again later", "less often"),
        (502, "the job is uncertain", "asked again"),
    ],
)
def test_an_http_code_means_what_the_client_makes_of_it(
    status: int, request_: str, poll: str, call: Call
) -> None:
    for form in (str(status), f"HTTP {status}", f"http {status}"):
        lines = call("explain", form).out.splitlines()
        assert lines[0].startswith(f"HTTP {status}  ")
        assert request_ in lines[2]
        assert poll in lines[3]


def test_a_code_of_the_balance_stops_a_run(call: Call) -> None:
    """As `run` says when the gateway answers with it."""
    lines = call("explain", "40201").out.splitlines()
    assert lines[0] == "40201  Insufficient balance, says the gateway"
    assert "the balance does not suffice; nothing more is sent, and the exit code is 5" in lines[1]
    assert call("explain", "40209").code == ExitCode.WRONG


def test_what_is_not_known_is_an_error_that_says_what_it_may_mean(call: Call) -> None:
    for code in ("nope", "999", "HTTP 20", "20", ""):
        assert call("explain", code).code == ExitCode.WRONG
    assert "did you mean 'uncertain'?" in call("explain", "uncertian").err
    assert "did you mean 'prompt-long'?" in call("explain", "prompt-lang").err


def test_an_older_status_is_explained_by_its_name_of_today(call: Call) -> None:
    assert call("explain", "lost").out.startswith("expired  ")
    assert call("explain", "Suspect").out == call("explain", "flagged").out
    assert call("explain", "Uncertain").out.startswith("uncertain  ")
