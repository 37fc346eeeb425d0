"""The only package that speaks HTTP: it sends requests and returns outcomes.

`Downloader` fetches pictures without a key, `TaskReader` can also poll but not create a task, and
`TaskClient` can submit. None of them retries anything: the engine does. `submission` and `reading`
decide what an answer means, `transport` how far a request got.

The names are imported at first use: importing requests takes a tenth of a second, and many commands
send nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from spark_batch.lazy import attributes

if TYPE_CHECKING:
    from spark_batch.client.address import check_base_url, check_key
    from spark_batch.client.tasks import (
        NETWORK_VARIABLES,
        Downloader,
        TaskClient,
        TaskReader,
        Timeouts,
        check_network,
    )

__all__ = [
    "NETWORK_VARIABLES",
    "Downloader",
    "TaskClient",
    "TaskReader",
    "Timeouts",
    "check_base_url",
    "check_key",
    "check_network",
]
_HOMES = {
    "client.address": "check_base_url check_key",
    "client.tasks": "NETWORK_VARIABLES Downloader TaskClient TaskReader Timeouts check_network",
}
__getattr__ = attributes(__name__, _HOMES)
