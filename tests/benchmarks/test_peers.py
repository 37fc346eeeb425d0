"""The server counts what is billed twice, and every tool of the comparison finishes its jobs."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("aiohttp")

from tests.benchmarks import peers
from tests.benchmarks.server import Ledger


def test_the_ledger_counts_a_request_that_is_sent_twice() -> None:
    ledger = Ledger()
    ledger.bill(b'{"model": "m", "seed": 1}')
    ledger.bill(b'{"model": "m", "seed": 2}')
    assert ledger.counts() == {"billed": 2, "twice": 0, "delivered": 0}
    ledger.bill(b'{"seed":1,"model":"m"}')
    assert ledger.counts() == {"billed": 3, "twice": 1, "delivered": 0}


@pytest.mark.proof
@pytest.mark.parametrize("tool", peers.TOOLS)
def test_every_tool_makes_eight_pictures(tool: str, tmp_path: Path) -> None:
    picture = peers.prepared_picture(tmp_path)
    cost = peers.measured(tool, peers.Load(8, 4, 0.1), picture, peers.ROOT)
    assert cost.processor > 0
    assert cost.wall > 0.2  # two rounds of four tasks
