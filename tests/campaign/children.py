"""Children of a zygote, as the campaign sees them: start one, kill it, wait for its end."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from types import TracebackType

from tests.campaign.orders import Lines, Order, write

ROOT = Path(__file__).parents[2]
KILLED = -9
_PATIENCE = 60.0


class Zygote:
    """One zygote process; its standard error goes to `log`. Use it in a `with` block."""

    def __init__(self, *, warm: Path, log: Path) -> None:
        self._log = log
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.campaign.zygote", str(warm)],
                cwd=ROOT,
                env={**kept, "PYTHONPATH": str(ROOT)},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                bufsize=0,
            )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._to = self._process.stdin.fileno()
        self._from = Lines(self._process.stdout.fileno())
        self._lock = threading.Lock()
        self._running = False
        self._ended = threading.Event()
        self._expect("ready", _PATIENCE)

    def __enter__(self) -> Zygote:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End it, and the child that it may have."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(_PATIENCE)
        self._process.stdout.close()

    def start(self, order: Order) -> None:
        """Have a child obey `order`."""
        self._ended.clear()
        with self._lock:
            self._running = True
            write(self._to, order.message())

    def kill(self) -> None:
        """SIGKILL the child, if it still runs. May be called from any thread."""
        with self._lock:
            if self._running:
                write(self._to, {"kill": True})

    def kill_and_see(self) -> None:
        """The same, and wait until the child has gone; not from the thread that calls `wait`."""
        self.kill()
        self._ended.wait(_PATIENCE)

    def wait(self, seconds: float) -> int | None:
        """The child's exit code, `KILLED` when it was killed; None when it still runs."""
        code = self._expect("ended", seconds)
        if code is not None:
            with self._lock:
                self._running = False
            self._ended.set()
        return code

    def _expect(self, what: str, seconds: float) -> int | None:
        try:
            message = self._from.read(seconds)
        except EOFError:
            raise RuntimeError(f"the zygote died: {self._log.read_text()[-2000:]}") from None
        return None if message is None else int(message[what])
