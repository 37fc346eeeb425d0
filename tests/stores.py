"""An S3 server on this machine, and a connection to it that can be cut."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from typing import Any
from unittest.mock import patch

# It ends when its standard input is closed, also when the tests are killed.
_SERVER = """
import sys
from moto.moto_server.threaded_moto_server import ThreadedMotoServer
server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
"""
_METHODS = (b"GET ", b"PUT ", b"HEAD ", b"POST ", b"DELETE ")
_BOUND = 10.0
SECRET = "wJalrXUtnFEMI-canary"


class Wire:
    """A TCP proxy in front of a server that lists requests, and can cut every connection.

    `requests` has method and path of each request; `cut(n)` lets n more PUT requests through.
    """

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.requests: list[str] = []
        self._left: int | None = None
        self._ends: list[socket.socket] = [self._listener]
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._accepting = self._started(self._accept)

    def cut(self, puts: int) -> None:
        """Let so many more PUT requests through; then cut at each, and refuse connections."""
        self._left = puts

    def mend(self) -> None:
        """Let requests through again."""
        self._left = None

    def take_requests(self) -> list[str]:
        """The requests since the last call."""
        found, self.requests = self.requests, []
        return found

    def close(self) -> None:
        """End every connection and every thread."""
        _shut(self._listener)
        self._accepting.join(_BOUND)  # no connection comes after it
        _shut(*self._ends)
        for thread in self._threads:
            thread.join(_BOUND)
            assert not thread.is_alive()
        for end in self._ends:
            end.close()

    def _started(self, target: Callable[..., None], *args: socket.socket) -> threading.Thread:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()
        return thread

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                if self._left is not None and self._left <= 0:
                    near.close()
                    continue
                self._ends.append(near)
                far = socket.create_connection(("127.0.0.1", self._target))
                self._ends.append(far)
                for source, sink in ((near, far), (far, near)):
                    self._started(self._pump, source, sink)

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                if data.startswith(_METHODS) and not self._passes(data):
                    break
                sink.sendall(data)
        _shut(source, sink)

    def _passes(self, data: bytes) -> bool:
        method, path = data.split(b" ", 2)[:2]
        with self._lock:
            self.requests.append(f"{method.decode()} {path.decode()}")
            if self._left is not None and method == b"PUT":
                self._left -= 1
            return self._left is None or self._left >= 0


def _shut(*ends: socket.socket) -> None:
    """Wake whoever waits for these."""
    for end in ends:
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


@dataclass(frozen=True)
class S3:
    """A running server; `wire` is the connection that the driver uses, `client` another one."""

    wire: Wire
    client: Any

    @property
    def environment(self) -> dict[str, str]:
        """What the driver finds its server and its credentials by."""
        return {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.wire.port}",
            "AWS_ACCESS_KEY_ID": "AKIDcanary00",
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_MAX_ATTEMPTS": "1",
        }

    def put(self, key: str, content: bytes) -> None:
        """Write an object, as somebody else would."""
        self.client.put_object(Bucket="bucket", Key=key, Body=content)

    def objects(self) -> dict[str, bytes]:
        """Every object of the bucket."""
        found = self.client.list_objects_v2(Bucket="bucket").get("Contents", [])
        return {
            each["Key"]: self.client.get_object(Bucket="bucket", Key=each["Key"])["Body"].read()
            for each in found
        }


@contextmanager
def s3_server() -> Iterator[S3]:
    """Serve S3 on 127.0.0.1 with an empty bucket called `bucket`.

    What botocore reads of its own files is read once, not for every command: that takes 0.15 s.
    """
    import boto3
    from botocore.loaders import JSONFileLoader

    read = cache(JSONFileLoader().load_file)
    with (
        patch.object(JSONFileLoader, "load_file", lambda _, path: read(path)),
        subprocess.Popen(
            [sys.executable, "-c", _SERVER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ) as server,
    ):
        assert server.stdin is not None and server.stdout is not None
        port = int(server.stdout.readline())
        wire = Wire(port)
        client = boto3.client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{port}",
            aws_access_key_id="other",
            aws_secret_access_key="other",
            region_name="us-east-1",
        )
        try:
            client.create_bucket(Bucket="bucket")
            yield S3(wire, client)
        finally:
            client.close()
            wire.close()
            server.stdin.close()
            server.wait(20)
