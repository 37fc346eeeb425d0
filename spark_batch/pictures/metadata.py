"""Embed a picture's request and task in its file, and read them back. Pixels do not change.

The carrier is XMP in all three formats, and in PNG a text `spark-batch` with the same as JSON, for
those who look there. No Pillow here but to see that the file is still a whole picture.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from spark_batch.jobs import Picture, Provenance, Request
from spark_batch.jobs.request import KEY_DIGITS, number_text
from spark_batch.pictures import containers, reading, structure, xmp

_KEYWORD = "spark-batch"
_LONGEST = 4000  # characters of a value that are taken; a prompt has at most 800

_KEY = re.compile(f"[0-9a-f]{{{KEY_DIGITS}}}")
_COMMIT = re.compile("(?:[0-9a-f]{40}|[0-9a-f]{64})(?:-dirty)?")
_WHOLE = re.compile("-?[0-9]{1,18}")


@dataclass(frozen=True, slots=True)
class Unmarked:
    """The file cannot carry its metadata, and is as it was; `reason` says why."""

    reason: str


@dataclass(frozen=True, slots=True)
class Marks:
    """What a picture says about its origin: IPTC's source type, signed Content Credentials."""

    source_type: str | None
    signed: bool


def mark(
    data: bytes, picture: Picture, facts: Provenance | None
) -> tuple[Picture, bytes] | Unmarked:
    """Add the mark of a trained model to the bytes of a checked picture, and `facts` if any.

    Gives the marked file and its facts. A file with a source type stays as it is, unless there are
    facts. Nothing is decoded again: a file is marked only when all of its parts but the metadata
    stay as they are, and the new header of a WebP says the same size.
    """
    kind = picture.format
    try:
        marked = embed(data, kind, facts)
        if marked == data:
            return picture, data
        if not structure.is_whole(marked, kind):
            raise ValueError("it would no longer be a whole picture")
        if containers.without_metadata(marked, kind) != containers.without_metadata(data, kind):
            raise ValueError("it would no longer be the same picture")
        if kind == "WEBP" and containers.webp_size(marked) != containers.webp_size(data):
            raise ValueError("it would have another size")
    except ValueError as error:
        return Unmarked(str(error))
    digest = hashlib.sha256(marked).hexdigest()
    return replace(picture, bytes=len(marked), sha256=digest), marked


def embed(data: bytes, kind: str, facts: Provenance | None = None) -> bytes:
    """The bytes of a picture file of the format `kind` with the mark, and `facts`, in them.

    The same facts give the same bytes. Raises ValueError, whose text says why it cannot be done.
    """
    if facts is None and _source_type(data, kind) is not None:
        return data
    named = {} if facts is None else _texts(facts)
    return containers.put(
        data,
        kind,
        lambda packet: xmp.renewed(packet, named),
        texts={_KEYWORD: json.dumps(named, ensure_ascii=False)} if named else {},
    )


def marks(data: bytes, kind: str) -> Marks:
    """What the bytes of a picture file say about its origin; anybody may have written it."""
    return Marks(_source_type(data, kind), containers.is_signed(data, kind))


def _source_type(data: bytes, kind: str) -> str | None:
    packet = containers.find(data, kind)
    return None if packet is None else xmp.source_type(packet)


def marks_in(path: Path) -> Marks:
    """What a picture file says about its origin. Raises PictureError when it is not a picture."""
    picture, data = reading.look(path)
    return marks(data, picture.format)


def facts_in(path: Path) -> tuple[Picture, Provenance | None]:
    """A picture file, also one that is broken behind its header, and the facts that it carries.

    Anybody may have written them: only facts of the right form are given. The picture is not
    decoded. Raises PictureError when it is not a picture.
    """
    picture, data = reading.look(path)
    return picture, extract(data, picture.format)


def extract(data: bytes, kind: str) -> Provenance | None:
    """The facts in the bytes of a picture file; None without, or when they make no sense."""
    packet = containers.find(data, kind)
    return None if packet is None else _facts(xmp.read(packet))


def _texts(facts: Provenance) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in facts.facts().items():
        if value is None or value == "":
            continue
        found[name] = xmp.writable(str(value))
    if facts.request.scale is not None:
        found["scale"] = number_text(facts.request.scale)
    return found


def _facts(texts: Mapping[str, str]) -> Provenance | None:
    try:
        commit, task_id = texts.get("commit", ""), texts.get("task_id", "")
        request = Request(
            model=texts.get("model", ""),
            prompt=texts["prompt"],
            picture=None,
            seed=_whole(texts["seed"]) if "seed" in texts else None,
            scale=float(texts["scale"]) if "scale" in texts else None,
            width=_whole(texts["width"]) if "width" in texts else None,
            height=_whole(texts["height"]) if "height" in texts else None,
            take=_whole(texts["take"]),
        )
        facts = Provenance(
            key=texts["job"],
            request=request,
            recipe=texts.get("recipe", ""),
            commit=commit if _COMMIT.fullmatch(commit) else None,
            task_id=task_id or None,
        )
    except (KeyError, ValueError):
        return None
    sensible = _KEY.fullmatch(facts.key) and math.isfinite(request.scale or 0)
    short = all(len(text) <= _LONGEST for text in texts.values())
    return facts if sensible and short else None


def _whole(text: str) -> int:
    if not _WHOLE.fullmatch(text):
        raise ValueError("not a whole number")
    return int(text)
