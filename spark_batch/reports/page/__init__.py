"""The HTML page: one file that needs no network, with every picture and every cost.

`facts` collects what the page shows, `gallery` its thumbnails and links, and this module puts them
into `page.html` together with `style/` and `script/`.

The data is in scripts of type application/json, which no text can end, and the page makes text
nodes of it, never markup. A Content-Security-Policy allows the one style and the one script by
their hashes, and no connection to any host.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from spark_batch.checkpoint import CheckpointReader
from spark_batch.reports.page.facts import collect_facts, collect_picks
from spark_batch.reports.page.gallery import Gallery
from spark_batch.reports.report import Target, WholeReport

if TYPE_CHECKING:
    from jinja2 import Template

# In the order in which they are joined; each can be read by itself.
_STYLES = ("base", "bar", "trouble", "moved", "grid", "job", "choose", "money")
_SCRIPTS = (
    *("text", "data", "state", "picks", "select", "server", "tiles", "trouble", "moved"),
    *("controls", "grid", "sheet", "zoom", "compare", "pair", "facts", "job", "help"),
    *("keys", "charts", "money", "main"),
)
# Characters that could end a script, or, in old engines, a line of one.
_ESCAPES = {character: f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"}


def report(reader: CheckpointReader, target: Target) -> WholeReport:
    """Make the page of a checkpoint: the same bytes for the same checkpoint and pictures.

    It is for the output folder. Without the recipe's folder it shows no input pictures.
    """
    return lambda: _text(reader, target)


@dataclass(frozen=True, slots=True)
class Server:
    """The server of a page: where its links lead, and where it sends verdicts and asks for news.

    `picks` and `state` are addresses relative to the page: verdicts are sent to the first, and news
    come from the second. `version` is that of the page's content; `link` gives a file's address.
    """

    picks: str
    state: str
    version: str
    link: Callable[[Path], str]


def served(reader: CheckpointReader, target: Target, server: Server) -> str:
    """Return the page as a server gives it, which stores its verdicts and says what is new."""
    return _text(reader, target, server)


def _text(reader: CheckpointReader, target: Target, server: Server | None = None) -> str:
    link = None if server is None else server.link
    gallery = Gallery(output_dir=target.output_dir, recipe_dir=target.recipe_dir, link=link)
    found, thumbnails = collect_facts(reader, gallery, name=target.name, models=target.models)
    found["picks"] = collect_picks(target)
    found["server"] = server and {
        "picks": server.picks,
        "state": server.state,
        "version": server.version,
    }
    style, script = _joined("style", _STYLES, "css"), _joined("script", _SCRIPTS, "js")
    # In base64, nothing has to be escaped for JSON or for HTML.
    urls = (f'"{thumbnail.url}"' for thumbnail in thumbnails)
    return _template().render(
        name=target.name,
        policy=_policy(style=style, script=script, connect=server is not None),
        style=style,
        script=script,
        facts=embedded(found),
        thumbnails=f"[{','.join(urls)}]",
    )


def embedded(value: object) -> str:
    """Return a value as JSON that is safe inside a script element, whatever its texts are."""
    written = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for character, escape in _ESCAPES.items():  # `str.translate` takes seven times as long
        written = written.replace(character, escape)
    return written


def _policy(*, style: str, script: str, connect: bool) -> str:
    """The Content-Security-Policy: pictures from the page and its folder, nothing from a host.

    With `connect` the page may ask the server that gave it.
    """
    asking = " connect-src 'self';" if connect else ""
    return (
        f"default-src 'none'; img-src data: file: 'self'; style-src {_hash(style)};{asking}"
        f" script-src {_hash(script)}; base-uri 'none'; form-action 'none'"
    )


def _hash(content: str) -> str:
    digest = hashlib.sha256(content.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


@cache
def _joined(folder: str, names: tuple[str, ...], extension: str) -> str:
    home = files("spark_batch") / "reports" / "page" / folder
    parts = [(home / f"{name}.{extension}").read_text(encoding="utf-8") for name in names]
    return "\n".join(parts)


@cache
def _template() -> Template:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("spark_batch.reports.page", "."),
        autoescape=True,
        undefined=StrictUndefined,
        keep_trailing_newline=True,
    )
    return environment.get_template("page.html")
