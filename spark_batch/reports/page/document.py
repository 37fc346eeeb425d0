"""The one file: template, style, scripts and data put together.

The data stands in scripts of type application/json, where no text can end the script; all of it
becomes text nodes in the page, never markup. A Content-Security-Policy names the one style and the
one script by their hashes and allows no connection to any host.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from spark_batch.pictures import MEDIA_TYPE, Thumbnail

# In the order in which they are put together; each is readable by itself.
_STYLES = ("base", "bar", "trouble", "grid", "job", "money")
_SCRIPTS = (
    "text",
    "data",
    "state",
    "tiles",
    "trouble",
    "controls",
    "grid",
    "compare",
    "facts",
    "job",
    "keys",
    "charts",
    "money",
    "main",
)
# What could end a script, or, in old engines, a line of one.
_ESCAPES = str.maketrans(
    {each: f"\\u{ord(each):04x}" for each in ("<", ">", "&", "\u2028", "\u2029")}
)


def text(name: str, facts: dict[str, Any], thumbnails: Sequence[Thumbnail]) -> str:
    """The page of the recipe `name`; `thumbnails` are in the order of their numbers in `facts`."""
    style, script = _together("style", _STYLES, "css"), _together("script", _SCRIPTS, "js")
    pictures = [base64.b64encode(each.data).decode() for each in thumbnails]
    return _template().render(
        name=name,
        policy=_policy(style=style, script=script),
        style=style,
        script=script,
        facts=embedded(facts),
        thumbnails=embedded({"type": MEDIA_TYPE, "data": pictures}),
    )


def embedded(value: object) -> str:
    """A value as JSON that can stand in a script element, whatever its texts say."""
    written = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return written.translate(_ESCAPES)


def _policy(*, style: str, script: str) -> str:
    """No host but the page's own folder: pictures from there and from the page itself."""
    return (
        f"default-src 'none'; img-src data: file: 'self'; style-src {_hash(style)};"
        f" script-src {_hash(script)}; base-uri 'none'; form-action 'none'"
    )


def _hash(content: str) -> str:
    digest = hashlib.sha256(content.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


@cache
def _together(folder: str, names: tuple[str, ...], extension: str) -> str:
    home = files("spark_batch") / "reports" / "page" / folder
    parts = [(home / f"{each}.{extension}").read_text(encoding="utf-8") for each in names]
    return "\n".join(parts)


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("spark_batch.reports.page", "."),
        autoescape=True,
        undefined=StrictUndefined,
        keep_trailing_newline=True,
    )
    return environment.get_template("page.html")
