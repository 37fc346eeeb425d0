"""Run the real command in an environment of its own, also under strace."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.campaign.children import ROOT
from tests.campaign.rounds import CANARY

_PATIENCE = 120.0


def why_no_strace() -> str | None:
    """Why strace cannot be used here; None where it can."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    tried = subprocess.run(["strace", "-o", os.devnull, "true"], capture_output=True, check=False)
    return None if tried.returncode == 0 else f"strace cannot trace here: {tried.stderr!r}"


def run_command(
    command: Sequence[str], *, url: str, home: Path
) -> subprocess.CompletedProcess[str]:
    """Run a command of this repository against the server at `url`, and wait for its end."""
    kept = {name: os.environ[name] for name in ("PATH",) if name in os.environ}
    environment = {"PYTHONPATH": str(ROOT), "HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        command,
        cwd=ROOT,
        env={**kept, **environment, "SPARK_BASE_URL": url, "SPARK_API_KEY": CANARY},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_PATIENCE,
        check=False,
    )
