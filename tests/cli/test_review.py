"""`spark-batch review` as a process of its own: its address, and its end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.request

import pytest

from tests.cli.conftest import Call, Folder, start


@pytest.mark.skipif(os.name == "nt", reason="a signal ends a process at once there")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_it_is_stopped(folder: Folder, call: Call, number: signal.Signals) -> None:
    """Quietly, with code 0, and nothing answers afterwards."""
    assert call("run", folder.recipe, "--sandbox").code == 0
    process = start("review", folder.recipe, "--sandbox")
    try:
        assert process.stdout is not None
        url = process.stdout.readline().removeprefix("review at ").strip()
        with urllib.request.urlopen(url, timeout=60) as answer:
            assert b'id="facts"' in answer.read()
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()
    assert (process.returncode, out) == (0, "")
    last = err.splitlines()[-1]
    assert last == f"verdicts are saved in {folder.path / 'tiny.picks.csv'}; Ctrl-C ends the review"
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(url, timeout=5)


def test_a_missing_extra_is_one_line(folder: Folder, call: Call) -> None:
    """With the command that installs it."""
    code = (
        "import sys; sys.modules['uvicorn'] = None; from spark_batch.cli import dispatch;"
        f"sys.exit(dispatch(['review', {str(folder.recipe)!r}, '--sandbox']))"
    )
    assert call("run", folder.recipe, "--sandbox").code == 0
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    last = done.stderr.splitlines()[-1]
    assert last.startswith("spark-batch: review needs starlette and uvicorn: ")
    assert last.endswith("-m pip install starlette uvicorn")
