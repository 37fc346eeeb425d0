"""In a real Jupyter kernel: the notebook of recipes/, and an interrupt."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest
from jupyter_client.manager import start_new_kernel
from nbclient import NotebookClient

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "recipes" / "notebook.ipynb"
SLOW = """
import spark_batch
from pathlib import Path
recipe = {"version": 1, "name": "slow", "inputs": ["photos/coffee.png"],
          "prompts": ["Beach", "Snow"], "run": {"concurrency": 1},
          "variants": {"seed": [1, 2, 3, 4, 5, 6], "size": "512x512"}}
def press(event, progress):
    if isinstance(event, spark_batch.Submitted):
        Path("pressed").touch()
spark_batch.run(recipe, sandbox=True, on_event=press)
"""
AFTER = """
import signal
assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
now = spark_batch.status(recipe, sandbox=True)
assert 0 < now.counts[spark_batch.Status.DONE] < 12, now.counts
assert now.counts[spark_batch.Status.DONE] + now.counts[spark_batch.Status.PENDING] == 12
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The recipes, where they may be run."""
    shutil.copytree(ROOT / "recipes", tmp_path / "recipes")
    return tmp_path / "recipes"


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The kernel finds this package, and keeps its files to itself."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")


def test_the_notebook_has_no_outputs() -> None:
    """They would have paths and times of somebody's machine."""
    cells = nbformat.read(NOTEBOOK, as_version=4).cells
    code = [cell for cell in cells if cell.cell_type == "code"]
    assert code
    assert all(not cell.outputs and cell.execution_count is None for cell in code)
    nbformat.validate(nbformat.read(NOTEBOOK, as_version=4))


@pytest.mark.usefixtures("environment")
def test_the_notebook_runs(folder: Path) -> None:
    """From its first cell to its last, in its folder."""
    notebook = nbformat.read(folder / NOTEBOOK.name, as_version=4)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(folder)}}).execute()
    outputs = [out for cell in notebook.cells for out in cell.get("outputs", ())]
    texts = [str(_data(out).get("text/plain", out.get("text", ""))) for out in outputs]
    assert any("12 pictures for about 0.36 USD" in text for text in texts)
    assert any("data:image/jpeg;base64," in _data(out).get("text/html", "") for out in outputs)
    assert any("(True, 8, Decimal('0.24'))" in text for text in texts)
    assert any("variants.size[1] - '17:9' is not a named size" in text for text in texts)


def _data(output: Any) -> dict[str, str]:
    found: dict[str, str] = output.get("data", {})
    return found


@pytest.mark.usefixtures("environment")
def test_an_interrupted_kernel_loses_nothing(folder: Path) -> None:
    """What the menu's "Interrupt" does: the cell ends with an error, and all of it is on disk."""
    manager, kernel = start_new_kernel(cwd=str(folder))
    try:
        # Without this, the kernel aborts what it is sent in the moments after an error.
        sent = kernel.execute(SLOW, stop_on_error=False)
        until((folder / "pressed").exists)
        manager.interrupt_kernel()
        assert _reply(kernel, sent)["ename"] == "RunInterrupted"
        reply = _reply(kernel, kernel.execute(AFTER))
        assert reply["status"] == "ok", reply
    finally:
        kernel.stop_channels()
        manager.shutdown_kernel(now=True)


def _reply(kernel: Any, sent: str) -> Any:
    """The kernel's answer to a cell."""
    while (message := kernel.get_shell_msg(timeout=120))["parent_header"].get("msg_id") != sent:
        pass
    return message["content"]


def until(there: Callable[[], bool]) -> None:
    """Wait for another process; a minute is more than it ever needs."""
    end = time.monotonic() + 60
    while not there():
        assert time.monotonic() < end
        time.sleep(0.01)
