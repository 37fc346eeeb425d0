"""Workflow commands: lines of output that GitHub Actions shows at a place of a file.

The rules of escaping are those of GitHub's own toolkit: `%`, CR and LF everywhere, in properties
`:` and `,` as well.
"""

from __future__ import annotations


def command(
    level: str,
    message: str,
    *,
    title: str,
    file: str | None = None,
    line: int | None = None,
    column: int | None = None,
) -> str:
    """One annotation: `level` is `error`, `warning` or `notice`; line and column count from 1."""
    properties = {"file": file, "line": line, "col": column, "title": title}
    written = ",".join(
        f"{name}={_property(str(value))}" for name, value in properties.items() if value is not None
    )
    return f"::{level} {written}::{_escaped(message)}"


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _escaped(text).replace(":", "%3A").replace(",", "%2C")
