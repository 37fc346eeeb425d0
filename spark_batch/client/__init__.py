"""The only package that speaks HTTP: it sends requests and returns outcomes.

`Downloader` fetches pictures without a key, `TaskReader` can also poll but not create a task, and
`TaskClient` can submit. None of them retries anything: the engine does. `submission` and `reading`
decide what an answer means, `transport` how far a request got.

The names are imported at first use, since importing requests takes long, and many commands send
nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from spark_batch.lazy import attributes

if TYPE_CHECKING:
    from spark_batch.client.address import check_base_url as check_base_url
    from spark_batch.client.address import check_key as check_key
    from spark_batch.client.download import Downloader as Downloader
    from spark_batch.client.download import Timeouts as Timeouts
    from spark_batch.client.network import NETWORK_VARIABLES as NETWORK_VARIABLES
    from spark_batch.client.network import PROXY_VARIABLE as PROXY_VARIABLE
    from spark_batch.client.network import check_network as check_network
    from spark_batch.client.tasks import TaskClient as TaskClient
    from spark_batch.client.tasks import TaskReader as TaskReader

_HOMES = {
    "client.address": "check_base_url check_key",
    "client.download": "Downloader Timeouts",
    "client.network": "NETWORK_VARIABLES PROXY_VARIABLE check_network",
    "client.tasks": "TaskClient TaskReader",
}
__getattr__ = attributes(__name__, _HOMES)
