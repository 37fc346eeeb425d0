"""The only room that speaks HTTP: requests go out, outcomes come back.

`Downloader` fetches pictures and knows no key, `TaskReader` polls as well and has no way to create
a task, and `TaskClient` can submit. None retries anything: that is the engine's affair. What an
answer means is decided in `submission` and `reading`, how far a request got in `transport`.

The names are imported when they are first used: requests takes a tenth of a second, and many
commands send nothing.
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
    "client.address": ("check_base_url", "check_key"),
    "client.tasks": (
        "NETWORK_VARIABLES",
        "Downloader",
        "TaskClient",
        "TaskReader",
        "Timeouts",
        "check_network",
    ),
}
__getattr__ = attributes(__name__, _HOMES)
