"""Open the page in a browser, where there is one and a person looks at it."""

from __future__ import annotations

from collections.abc import Callable

from spark_batch import project
from spark_batch.cli.colours import print_wrapped
from spark_batch.cli.errorlog import is_in_ci


def open_page(address: str, shown: str, *, browse: Callable[[str], bool] | None = None) -> None:
    """Open `address`; where that cannot be done, print what to open, `shown`, on stderr."""
    if is_in_ci() or not (browse or project.browse)(address):
        print_wrapped(f"cannot open a browser here: open {shown}", err=True)
