"""Everything that is known to go wrong on the wire, and what each must come to for a POST."""

from __future__ import annotations

import gzip
import socket
import zlib
from dataclasses import dataclass

from spark_batch.client import Timeouts
from spark_batch.client.outcomes import Made, NotAccepted, NotMade, Refused, StopRun, Uncertain
from tests.client.conftest import PATIENT, QUICK
from tests.client.server import Behaviour, Line, answering, http, then_close

MADE = {"id": "task-1", "created_at": 1763790000, "status": "in_progress"}
WHOLE = http(MADE)
HTML = b"<html><body><h1>502 Bad Gateway</h1></body></html>"


@dataclass(frozen=True)
class Fault:
    """A behaviour of the server, and the outcome that a POST must have."""

    behave: Behaviour
    outcome: type | tuple[type, ...]
    tls: bool = False

    @property
    def timeouts(self) -> Timeouts:
        """How long a client should wait for this server."""
        return QUICK if self.behave in STUCK else PATIENT


def _at_once(line: Line) -> None:
    """Close before anything is read."""


def _reset_at_once(line: Line) -> None:
    line.reset()


def _close_in_headers(line: Line) -> None:
    line.sock.recv(20)


def _reset_after(line: Line) -> None:
    line.request()
    line.reset()


STUCK: list[Behaviour] = []


def stuck(behave: Behaviour) -> Behaviour:
    """Mark a behaviour that does not end while anybody waits for it."""
    STUCK.append(behave)
    return behave


@stuck
def _silent(line: Line) -> None:
    line.request()
    line.server.wait(3)


@stuck
def _never_reading(line: Line) -> None:
    line.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    line.server.wait(3)


def _dripping(data: bytes) -> Behaviour:
    def behave(line: Line) -> None:
        line.request()
        line.drip(data)

    return stuck(behave)


def _dripping_after(head: bytes) -> Behaviour:
    def behave(line: Line) -> None:
        line.request()
        line.send(head)
        line.drip(b" " * 200)

    return stuck(behave)


def _early(data: bytes) -> Behaviour:
    """Answer before the body was read, then cut."""

    def behave(line: Line) -> None:
        line.sock.recv(100)
        line.send(data)
        line.server.wait(0.1)

    return behave


def _continue_then(data: bytes) -> Behaviour:
    return then_close(b"HTTP/1.1 100 Continue\r\n\r\n" + data)


@stuck
def _silent_after_headers(line: Line) -> None:
    line.request()
    line.send(b"HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n")
    line.server.wait(3)


def _tls_cut(line: Line) -> None:
    line.request()
    with line.bare() as bare:
        bare.shutdown(socket.SHUT_RDWR)


def _tls_garbage(line: Line) -> None:
    line.request()
    with line.bare() as bare:
        bare.sendall(b"\x17\x03\x03\x00\x20" + b"\x00" * 32)
        line.server.wait(0.2)


def _json(text: str | bytes, **more: object) -> Behaviour:
    return answering(http(text.encode() if isinstance(text, str) else text, **more))


def _error(code: object, *, status: int = 200, **more: object) -> Behaviour:
    body = {"error": {"code": code, "error_message": "said"}, **more}
    return answering(http(body, status=status))


HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
BOMB = zlib.compress(b" " * 32 * 1024 * 1024, 9)

FAULTS: dict[str, Fault] = {
    # Cut connections
    "closed at once": Fault(_at_once, Uncertain),
    # The reset may come before the first byte has left, or after.
    "reset at once": Fault(_reset_at_once, (NotAccepted, Uncertain)),
    "closed in the request's headers": Fault(_close_in_headers, Uncertain),
    "reset after the request": Fault(_reset_after, Uncertain),
    "closed after the request": Fault(then_close(b""), Uncertain),
    "cut in the status line": Fault(then_close(b"HTTP/1.1 2"), Uncertain),
    "cut after the status line": Fault(then_close(HEAD), Uncertain),
    "cut in a header": Fault(then_close(HEAD + b"Content-Le"), Uncertain),
    "cut after the headers": Fault(then_close(HEAD + b"Content-Length: 90\r\n\r\n"), Uncertain),
    "cut in the body": Fault(then_close(WHOLE[:-20]), Uncertain),
    "cut in a body without length": Fault(then_close(HEAD + b'\r\n{"id": "tas'), Uncertain),
    "cut in a chunk": Fault(then_close(CHUNKED + b'40\r\n{"id": "tas'), Uncertain),
    "cut between chunks": Fault(then_close(CHUNKED + b'5\r\n{"id"\r\n'), Uncertain),
    "length too short": Fault(
        then_close(HEAD + b"Content-Length: 9\r\n\r\n" + b'{"id": "a"}'), Uncertain
    ),
    "length too long, the object whole": Fault(
        then_close(HEAD + b"Content-Length: 99\r\n\r\n" + b'{"id": "task-1"}'), Made
    ),
    "last chunk missing, the object whole": Fault(
        then_close(CHUNKED + b'10\r\n{"id": "task-1"}\r\n'), Made
    ),
    # Time
    "silent": Fault(_silent, Uncertain),
    "silent after the headers": Fault(_silent_after_headers, Uncertain),
    "never reading": Fault(_never_reading, Uncertain),
    "dripping headers": Fault(_dripping(HEAD + b"X-A: " + b"a" * 200), Uncertain),
    "dripping body": Fault(_dripping_after(HEAD + b"\r\n"), Uncertain),
    "dripping body with length": Fault(
        _dripping_after(HEAD + b"Content-Length: 200\r\n\r\n"), Uncertain
    ),
    "dripping chunks": Fault(_dripping_after(CHUNKED + b"c8\r\n"), Uncertain),
    # HTTP that is odd
    "100 first": Fault(_continue_then(WHOLE), Made),
    "100 and no more": Fault(_continue_then(b""), Uncertain),
    "101": Fault(then_close(b"HTTP/1.1 101 Switching\r\n\r\n"), Uncertain),
    "103 first": Fault(then_close(b"HTTP/1.1 103 Hints\r\n\r\n" + WHOLE), Uncertain),
    "no HTTP": Fault(then_close(b"220 mail.example ESMTP\r\n"), Uncertain),
    "bytes": Fault(then_close(bytes(range(256)) * 4), Uncertain),
    "status is no number": Fault(then_close(b"HTTP/1.1 abc OK\r\n\r\n"), Uncertain),
    "bad chunk": Fault(then_close(CHUNKED + b"zz\r\n" + b"{}"), Uncertain),
    "two lengths": Fault(
        then_close(HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}"), Uncertain
    ),
    "200 headers": Fault(then_close(HEAD + b"X-A: a\r\n" * 200 + b"\r\n{}"), Uncertain),
    "a header of 100 kB": Fault(
        then_close(HEAD + b"X-A: " + b"a" * 100_000 + b"\r\n\r\n{}"), Uncertain
    ),
    "gzip": Fault(
        _json(gzip.compress(b'{"id": "task-1"}'), headers=("Content-Encoding: gzip",)), Made
    ),
    "a bomb": Fault(_json(BOMB, headers=("Content-Encoding: deflate",)), Uncertain),
    "broken gzip": Fault(_json(b"\x1f\x8b no", headers=("Content-Encoding: gzip",)), Uncertain),
    "brotli": Fault(_json(b"\x0b\x02\x80", headers=("Content-Encoding: br",)), Uncertain),
    # Bodies that are odd
    "huge": Fault(_json(b'{"id": "task-1", "x": "' + b"a" * 5_000_000 + b'"}'), Uncertain),
    "nested": Fault(_json("[" * 200_000), Uncertain),
    "nested objects": Fault(_json('{"id":' * 100_000), Uncertain),
    "a number of 5000 digits as id": Fault(_json('{"id": ' + "9" * 5000 + "}"), Uncertain),
    "a number of 5000 digits elsewhere": Fault(
        _json('{"id": "task-1", "created_at": ' + "9" * 5000 + "}"), Made
    ),
    "NaN as id": Fault(_json('{"id": NaN}'), Uncertain),
    "NaN elsewhere": Fault(_json('{"id": "task-1", "created_at": NaN}'), Made),
    "a huge exponent": Fault(_json('{"id": "task-1", "x": 1e999999999999999999999}'), Made),
    "invalid UTF-8": Fault(_json(b'{"id": "task\xff"}'), Uncertain),
    "UTF-16": Fault(_json('{"id": "task-1"}'.encode("utf-16")), Uncertain),
    "a mark before the object": Fault(_json(b'\xef\xbb\xbf{"id": "task-1"}'), Made),
    "empty": Fault(_json(""), Uncertain),
    "204": Fault(answering(b"HTTP/1.1 204 No Content\r\n\r\n"), Uncertain),
    "an array": Fault(_json('[{"id": "task-1"}]'), Uncertain),
    "a text": Fault(_json('"task-1"'), Uncertain),
    "null": Fault(_json("null"), Uncertain),
    "HTML with 200": Fault(_json(HTML), Uncertain),
    # Ids
    "no id": Fault(_json("{}"), Uncertain),
    "id with slashes": Fault(_json('{"id": "../../precharge"}'), Uncertain),
    "id with a query": Fault(_json('{"id": "a?b=c"}'), Uncertain),
    "id with a line end": Fault(_json('{"id": "task-1\\n"}'), Uncertain),
    "id an integer": Fault(_json('{"id": 17}'), Made),
    "id 0": Fault(_json('{"id": 0}'), Uncertain),
    "id 0 beside an error": Fault(_error("999", id=0), Refused),
    "id false beside an error": Fault(_error("999", id=False), Uncertain),
    "id true": Fault(_json('{"id": true}'), Uncertain),
    "id below zero": Fault(_json('{"id": -17}'), Uncertain),
    "id a fraction": Fault(_json('{"id": 17.5}'), Uncertain),
    "id an object": Fault(_json('{"id": {"task": "task-1"}}'), Uncertain),
    "id an array": Fault(_json('{"id": ["task-1"]}'), Uncertain),
    "id null": Fault(_json('{"id": null}'), Uncertain),
    "id empty": Fault(_json('{"id": ""}'), Uncertain),
    "id too long": Fault(_json('{"id": "' + "a" * 5000 + '"}'), Uncertain),
    "id beside an error": Fault(_error("003003099", id="task-1"), Made),
    "integer beside an error": Fault(_error("003003099", id=17), Made),
    "unusable id beside an error": Fault(_error("003003099", id=True), Uncertain),
    "a number of 5000 digits as id beside an error": Fault(
        _json('{"error": {"code": "003003099"}, "id": ' + "9" * 5000 + "}"), Uncertain
    ),
    "NaN as id beside an error": Fault(_json('{"error": "no", "id": NaN}'), Uncertain),
    "id in data beside an error": Fault(_error("003003099", data={"task_id": "t"}), Made),
    # Codes
    "200 with 003003006": Fault(_error("003003006"), Refused),
    "200 with 3003006": Fault(_error(3003006), Refused),
    "400 with 003003099": Fault(_error("003003099", status=400), NotMade),
    "500 with 003003095": Fault(_error("003003095", status=500), NotMade),
    "500 with 003003096": Fault(_error("003003096", status=500), NotMade),
    "502 with 3003097": Fault(_error(3003097, status=502), NotMade),
    "200 with 003003098": Fault(_error("003003098"), Uncertain),
    "500 with an id and 003003095": Fault(_error("003003095", status=500, id="x"), Uncertain),
    "200 with a code not known": Fault(_error("999"), Refused),
    "200 with a code not known, then cut": Fault(
        then_close(HEAD + b'Content-Length: 99\r\n\r\n{"error": {"code": "999"}}'), Uncertain
    ),
    "200 with an error cut in it": Fault(
        then_close(HEAD + b'Content-Length: 99\r\n\r\n{"error": {"code": "99'), Uncertain
    ),
    "200 with a code without an error": Fault(_json('{"code": 999, "message": "?"}'), Uncertain),
    "200 with a message alone": Fault(_json('{"message": "accepted"}'), Uncertain),
    "500 with a code not known": Fault(_error("999", status=500), Uncertain),
    "a code that is true": Fault(_error(True), Refused),
    "a code of 5000 digits": Fault(_error("3" * 5000), Refused),
    "balance code": Fault(_json('{"status": {"code": 1, "error_code": 40203}}'), StopRun),
    "balance code with 500": Fault(_json('{"error": {"code": "40201"}}', status=500), StopRun),
    "balance code with 500 beside an id": Fault(
        _json('{"id": "task-1", "error": {"code": "40201"}}', status=500), Uncertain
    ),
    "balance code with 429": Fault(_json('{"error": {"code": 40201}}', status=429), StopRun),
    "403 with 50411": Fault(_error(50411, status=403), Refused),
    "403 with 003003099 beside an id": Fault(_error("003003099", status=403, id="x"), StopRun),
    "balance code beside an id": Fault(_json('{"id": "task-1", "error": {"code": 40201}}'), Made),
    # Statuses
    **{f"{n}": Fault(_json("{}", status=n), Refused) for n in (400, 413, 415, 422)},
    **{f"{n}": Fault(_json("{}", status=n), StopRun) for n in (401, 402, 403, 404, 405)},
    **{
        f"{n}": Fault(answering(http(HTML, status=n)), Uncertain)
        for n in (202, 300, 408, 409, 410, 418, 451, 500, 501, 502, 503, 504, 599)
    },
    "429": Fault(_json("{}", status=429), NotAccepted),
    "429 with 003003095": Fault(_error("003003095", status=429), NotAccepted),
    "401 with 003003006": Fault(_error("003003006", status=401), StopRun),
    "400, the body cut": Fault(
        then_close(b"HTTP/1.1 400 No\r\nContent-Length: 90\r\n\r\n{"), Refused
    ),
    "413 before the body was read": Fault(_early(http(b"{}", status=413)), Refused),
    "201": Fault(_json('{"id": "task-1"}', status=201), Made),
    # TLS; the server's certificate is trusted here
    "TLS": Fault(answering(WHOLE), Made, tls=True),
    "TLS cut after the request": Fault(_tls_cut, Uncertain, tls=True),
    "TLS reset after the request": Fault(_reset_after, Uncertain, tls=True),
    "TLS garbage after the request": Fault(_tls_garbage, Uncertain, tls=True),
    "TLS silent": Fault(_silent, Uncertain, tls=True),
    "TLS dripping": Fault(_dripping(HEAD + b"X-A: " + b"a" * 200), Uncertain, tls=True),
    "TLS dripping body": Fault(_dripping_after(HEAD + b"\r\n"), Uncertain, tls=True),
    "TLS cut in the body": Fault(then_close(WHOLE[:-20]), Uncertain, tls=True),
}


def redirect(status: int, location: str) -> bytes:
    """An answer that sends elsewhere."""
    return http(b"", status=status, headers=(f"Location: {location}",))
