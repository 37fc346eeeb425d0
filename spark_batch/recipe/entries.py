"""Read an entry of `inputs`: a path, a glob, a URL or a mapping."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from unicodedata import normalize
from urllib.parse import unquote, urlsplit

from spark_batch import cloud
from spark_batch.jobs import Fit
from spark_batch.models import schemas
from spark_batch.recipe import globs, ids
from spark_batch.recipe.boundary import Boundary
from spark_batch.recipe.diagnostics import Findings
from spark_batch.recipe.globs import Selection, Surroundings, select
from spark_batch.recipe.schema import judge
from spark_batch.recipe.yaml import Node
from spark_batch.text import counted, quoted

SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/*")


@dataclass(frozen=True, slots=True)
class InputEntry:
    """One entry; a glob becomes an entry for each `file` that it matches.

    With an `address` in an object store, `file` is the copy of it that was read. `given` is the
    mapping that it comes from.
    """

    node: Node
    where: str
    id: str | None = None
    file: Path | None = None
    url: str | None = None
    fit: Fit | None = None
    address: str | None = None
    given: Node | None = None

    def image(self, folder: Path) -> str:
        """The file as seen from the recipe's folder, or the URL or address."""
        if self.address is not None or self.file is None:
            return self.address or self.url or ""
        try:
            return Path(os.path.relpath(self.file, folder)).as_posix()
        except ValueError:  # on another drive
            return self.file.as_posix()

    def named(self, folder: Path) -> ids.Named:
        """The id of the entry, its own or made from its file name or URL, with its place."""
        link = self.address or self.url
        what = link if link is not None else relative(self.file or folder, folder)
        name = url_name(what) if link is not None else Path(what).stem
        return ids.Named(
            id=self.id if self.id is not None else ids.from_name(name),
            kind="input",
            what=what,
            mark=self.node.mark,
            where=self.where,
        )


def entries_of(
    node: Node, where: str, around: Surroundings, findings: Findings
) -> Iterator[InputEntry]:
    """The entries that an item of `inputs` becomes; reports an item with errors."""
    if isinstance(node.value, Mapping):
        yield from _mapping(node, where, around, findings)
        return
    entry, text, folder = InputEntry(node, where), node.text().strip(), around.folder
    scheme = SCHEME.match(text)
    if _is_url(text):
        yield from _url(entry, text, findings)
    elif is_address(text):
        yield from _address(entry, text, folder, findings)
    elif scheme and "/" in scheme[0]:
        message = f"{quoted(text)} is neither a file nor an http or https URL"
        findings.error(node.mark, code="url", path=where, message=message)
    elif globs.is_pattern(folder, text):
        yield from _glob(entry, text, around, findings)
    elif exists(node, text, where, folder, findings):
        yield replace(entry, file=folder / text)


def _mapping(
    node: Node, where: str, around: Surroundings, findings: Findings
) -> Iterator[InputEntry]:
    own, url, path, fitted = (node.get(key) for key in ("id", "url", "path", "fit"))
    name, fit, folder = own.text() if own else None, fit_of(fitted), around.folder
    if url is not None:
        if fitted is not None and fit is not None:
            message = (
                "the API fetches the picture of a URL itself, so it cannot be fitted first;"
                " download the file and give its path"
            )
            findings.error(fitted.mark, code="fit", path=f"{where}.fit", message=message)
        yield from _url(InputEntry(url, where, name, given=node), url.text(), findings)
    elif path is not None:
        text = path.text()
        entry, at = InputEntry(own or path, where, name, fit=fit, given=node), f"{where}.path"
        if is_address(text):
            yield from _address(replace(entry, where=at), text, folder, findings)
        elif own is None and globs.is_pattern(folder, text):
            yield from _glob(entry, text, around, findings)
        elif exists(path, text, at, folder, findings):
            yield replace(entry, file=folder / text)


def _is_url(text: str) -> bool:
    scheme = SCHEME.match(text)
    return scheme is not None and scheme[1].lower() in ("http", "https")


def _url(entry: InputEntry, text: str, findings: Findings) -> Iterator[InputEntry]:
    try:
        validator = schemas.validator(schemas.RECIPE, "url")
        wrong = judge(text, validator, part="url", shown=quoted(text))
        parts = urlsplit(text)
        if not wrong and (not parts.hostname or text != text.strip()):
            wrong = [f"{quoted(text)} is not the URL of a picture"]
        if not wrong and (parts.username or parts.password):
            wrong = [
                "a URL with a user or password would be sent to the API; use a signed or public one"
            ]
    except ValueError:
        wrong = [f"{quoted(text)} is not the URL of a picture"]
    if wrong:
        findings.error(entry.node.mark, code="url", path=entry.where, message=wrong[0])
    else:
        yield replace(entry, url=text)


def is_address(text: str) -> bool:
    """Whether a text is the address of a file in an object store, and no path, glob or URL."""
    return cloud.protocol_of(text) in cloud.OBJECT_STORES


def _address(
    entry: InputEntry, text: str, folder: Path, findings: Findings
) -> Iterator[InputEntry]:
    """The entry of an address, if it is a plain one that the recipe may name."""
    odd = next((sign for sign in "*?[#@\\" if sign in text), None)
    shown = quoted(cloud.shown(text))
    if odd is not None or "::" in text or not text.isprintable() or text != text.strip():
        message = (
            f"{shown} is not the plain address of one picture, such as s3://bucket/folder/a.jpg:"
            " patterns, queries, users and passwords are not allowed in it"
        )
        findings.error(entry.node.mark, code="url", path=entry.where, message=message)
    elif fault := Boundary(folder).address_fault():
        findings.error(
            entry.node.mark, code="outside", path=entry.where, message=f"{shown} {fault}"
        )
    else:
        yield replace(entry, address=text)


def exists(node: Node, text: str, where: str, folder: Path, findings: Findings) -> bool:
    """Whether there is such a file, which the recipe may name; reports it if not."""
    file = folder / text
    if globs.passes(file.is_file):
        if fault := Boundary(folder).fault(file):
            findings.error(node.mark, code="outside", path=where, message=f"{quoted(text)} {fault}")
        return fault is None
    if globs.passes(file.is_dir):
        pattern = quoted(text.rstrip("/") + "/*.jpg")
        message = f"{quoted(text)} is a folder; name a picture, or write {pattern}"
    elif globs.is_glob(text):
        message = f"there is no file {quoted(text)}; a glob must be in `inputs`, without an id"
    else:
        message = f"there is no file {quoted(text)}{_near(folder, text, findings)}"
    findings.error(node.mark, code="no-file", path=where, message=message)
    return False


def _near(folder: Path, text: str, findings: Findings) -> str:
    file, slashes = folder / text, text.replace("\\", "/")
    if slashes != text and globs.passes((folder / slashes).is_file):
        return f"; write {quoted(slashes)}"
    if not findings.may_suggest:
        return ""
    try:
        names = tuple(sorted(entry.name for entry in os.scandir(file.parent)))[:1000]
    except (OSError, ValueError):
        return "; its folder does not exist either"
    composed = normalize("NFC", file.name)
    if any(normalize("NFC", name) == composed for name in names):
        return (
            "; a file's name looks the same, but has its accents as characters of their own, or the"
            " other way round, as macOS writes them: rename the file, or use a glob with ? or *"
        )
    return findings.suggestion(file.name, names)


def _glob(
    entry: InputEntry, pattern: str, around: Surroundings, findings: Findings
) -> Iterator[InputEntry]:
    try:
        matches = globs.find(around.folder, pattern)
    except ValueError as error:
        findings.error(entry.node.mark, code="glob", path=entry.where, message=str(error))
        return
    boundary = Boundary(around.folder)
    for file in matches:
        if fault := boundary.fault(file):
            message = f"{quoted(relative(file, around.folder))} {fault}"
            findings.error(entry.node.mark, code="outside", path=entry.where, message=message)
            return
    selected = select(matches, pattern, around)
    for file in selected.files:
        yield replace(entry, file=file)
    if not matches:
        message = _no_match(pattern, around.folder)
        findings.error(entry.node.mark, code="no-match", path=entry.where, message=message)
    if selected.left_out:
        _report_left_out(entry, pattern, selected, around.folder.resolve(), findings)
    for path in selected.unreadable:
        shown = quoted(relative(path, around.folder.resolve()))
        message = (
            f"{shown} cannot be read: if it alone records that spark-batch made a picture, and"
            f" {quoted(pattern)} matches that picture, it becomes an input"
        )
        findings.note(entry.node.mark, code="generated", path=entry.where, message=message)


def _no_match(pattern: str, folder: Path) -> str:
    where = "" if Path(pattern).is_absolute() else f" in {quoted(str(folder))}"
    found = _other_case((pattern,), folder)
    hint = f"; {differing(found, 'it', folder)}" if found else ""
    return f"no file matches {quoted(pattern)}{where}{hint}"


def beside(pattern: str, around: Surroundings, known: Collection[Path | None]) -> Sequence[Path]:
    """The files that a glob matches when the case of letters from its first wildcard on is ignored.

    Without those that are `known`, and empty for a search that fails.
    """
    matches = _other_case(globs.parts(pattern), around.folder)
    found = [file for file in matches if file not in known]
    return select(found, pattern, around).files if found else ()


def differing(files: Sequence[Path], pattern: str, folder: Path) -> str:
    """The beginning of a message about files that match but for the case of letters."""
    which = counted(len(files), "file differs", "files differ")
    such = quoted(relative(files[0], folder))
    return f"{which} from {pattern} in upper and lower case alone, such as {such}"


def _other_case(parts: Sequence[str], folder: Path) -> list[Path]:
    """The files that a glob matches when upper and lower case are the same in its last part.

    Empty where that part has a `[` of its own.
    """
    *before, last = parts
    if "[" in last:
        return []
    either = (f"[{char.lower()}{char.upper()}]" if char.isalpha() else char for char in last)
    try:
        return globs.find(folder, "".join((*before, *either)))
    except ValueError:
        return []


def _report_left_out(
    entry: InputEntry, pattern: str, selected: Selection, folder: Path, findings: Findings
) -> None:
    """Report the matches that are left out because spark-batch made them."""
    folders = selected.folders
    shown = quoted(relative(folders[0], folder)) + f" and {len(folders) - 1} more" * (
        len(folders) > 1
    )
    which = f"pictures that spark-batch made, in the output folder {shown}"
    mark, where = entry.node.mark, entry.where
    if selected.files:
        total = len(selected.files) + selected.left_out
        message = f"{selected.left_out} of {total} matches of {quoted(pattern)} left out: {which}"
        findings.note(mark, code="generated", path=where, message=message)
    else:
        advice = "to use them as inputs, name them by their paths"
        message = f"{quoted(pattern)} matches nothing but {which}; {advice}"
        findings.error(mark, code="no-match", path=where, message=message)


def entry_of(node: Node, text: str, folder: Path, findings: Findings) -> Iterator[InputEntry]:
    """The entry of a text that is a URL or a path."""
    entry = InputEntry(node, "image")
    if _is_url(text):
        yield from _url(entry, text, findings)
    elif is_address(text):
        message = f"list {quoted(cloud.shown(text))} in `inputs`, and name it here as it is there"
        findings.error(node.mark, code="url", path="image", message=message)
    elif exists(node, text, "image", folder, findings):
        yield replace(entry, file=folder / text)


def relative(file: Path, folder: Path) -> str:
    """The path of a file relative to a folder; its whole path if it is not in the folder."""
    return str(file.relative_to(folder) if file.is_relative_to(folder) else file)


def url_name(url: str) -> str:
    """The name of a URL's picture: the last part of its path, or the host without one."""
    parts = urlsplit(url)
    last = next((part for part in reversed(parts.path.split("/")) if part), parts.hostname or "")
    return Path(unquote(last).replace("/", "-").replace("\0", "")).stem or "picture"


def fit_of(node: Node | None) -> Fit | None:
    """The fit of an entry with the schema's defaults filled in; None without."""
    if node is None or node.value is False:
        return None
    chosen = {key: given.text() for key in _defaults() if (given := node.get(key))}
    return Fit(**{**_defaults(), **chosen})


@cache
def _defaults() -> dict[str, str]:
    properties = schemas.schema(schemas.RECIPE)["$defs"]["fit"]["properties"]
    return {key: value["default"] for key, value in properties.items()}
