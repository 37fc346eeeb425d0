"""The recipe's `inputs` → input pictures: globs expanded, URLs judged, files probed."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

from spark_batch.errors import PictureError
from spark_batch.jobs import Input, Picture
from spark_batch.recipe import globs, ids
from spark_batch.recipe.check import judge
from spark_batch.recipe.diagnostics import Findings, quoted, suggestion
from spark_batch.recipe.document import Node

Probe = Callable[[Path], Picture]

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/*")
_THREADS = 8
_PROBED_ALONE = 3  # fewer pictures are not worth a pool


@dataclass(frozen=True, slots=True)
class Listed:
    """One input and the entry of the recipe that it comes from."""

    node: Node
    where: str
    input: Input


@dataclass(frozen=True, slots=True)
class _Entry:
    """One entry as written; `file` stands for each match of a glob in turn."""

    node: Node
    where: str
    id: str | None = None
    file: Path | None = None
    url: str | None = None

    def image(self, folder: Path) -> str:
        """The file as seen from the recipe's folder, or the URL."""
        if self.file is None:
            return self.url or ""
        try:
            return Path(os.path.relpath(self.file, folder)).as_posix()
        except ValueError:  # on another drive
            return self.file.as_posix()

    def named(self, folder: Path) -> ids.Named:
        what = self.url if self.url is not None else _relative(self.file or folder, folder)
        name = _url_name(what) if self.url is not None else Path(what).stem
        return ids.Named(
            id=self.id if self.id is not None else ids.from_name(name),
            kind="input",
            what=what,
            mark=self.node.mark,
            where=self.where,
        )


def read(
    node: Node, *, folder: Path, output: Path | None, probe: Probe, findings: Findings
) -> tuple[Listed, ...]:
    """The input pictures, in the recipe's order, a glob's matches sorted.

    Paths are relative to `folder`. Pictures in the `output` folder are no matches of a glob that
    begins outside it: what a run has made must not become the input of the next one.
    """
    entries = [
        entry
        for at, item in enumerate(node.items())
        for entry in _entries(item, f"inputs[{at}]", folder, output, findings)
    ]
    named = [entry.named(folder) for entry in entries]
    ids.check(named, findings)
    pictures = _probed(entries, probe, findings)
    return tuple(
        Listed(
            node=entry.node,
            where=entry.where,
            input=Input(
                id=name.id,
                path=entry.file.absolute() if entry.file else None,
                picture=pictures.get(entry.file) if entry.file else None,
                url=entry.url,
                image=entry.image(folder),
            ),
        )
        for entry, name in zip(entries, named, strict=True)
    )


def possible(node: Node | None, listed: Sequence[Listed]) -> tuple[str, ...] | None:
    """The ids that an `inputs` with errors would have without them; None when nobody can tell.

    `listed` are those of its entries that are right.
    """
    found = [each.input.id for each in listed]
    known = {each.where for each in listed}
    for at, item in enumerate(() if node is None else node.items()):
        given = item.get("id") or item.get("path") or item.get("url") or item
        if f"inputs[{at}]" in known:
            continue
        if isinstance(given.value, Mapping | tuple) or globs.is_glob(given.text()):
            return None
        name = given.text().strip()
        if item.get("id") is None:
            url = _SCHEME.match(name)
            name = ids.from_name(_url_name(name) if url else Path(name).stem)
        found.append(name)
    return tuple(dict.fromkeys(found))


def single(
    nodes: Sequence[Node],
    *,
    folder: Path,
    probe: Probe,
    known: Sequence[Listed],
    findings: Findings,
) -> dict[str, Listed]:
    """The picture that each text names: an input's id, a path or a URL; each file probed once.

    A file or URL among the `known` inputs is that input. Texts that name nothing are told.
    """
    by_id = {each.input.id: each for each in known}
    by_file = {each.input.path or each.input.url: each for each in known}
    found: dict[str, Listed] = {}
    entries: dict[str, _Entry] = {}
    for node in nodes:
        text = node.text()
        if text in by_id:
            found[text] = by_id[text]
            continue
        for entry in _entry(node, text, folder, findings):
            same = by_file.get(_absolute(entry.file) or entry.url)
            if same is None:
                entries[text] = entry
            else:
                found[text] = same
    found.update(_apart(entries, by_id, folder, probe, findings))
    return found


def _entry(node: Node, text: str, folder: Path, findings: Findings) -> Iterator[_Entry]:
    """A text that is a URL or a path, and no glob."""
    scheme = _SCHEME.match(text)
    if scheme and scheme[1].lower() in ("http", "https"):
        yield from _url(_Entry(node, "image", url=text), text, findings)
    elif exists(node, text, "image", folder, findings):
        yield _Entry(node, "image", file=folder / text)


def _apart(
    entries: Mapping[str, _Entry],
    known: Mapping[str, Listed],
    folder: Path,
    probe: Probe,
    findings: Findings,
) -> Iterator[tuple[str, Listed]]:
    """The entries as inputs; two files with one id are told."""
    pictures = _probed(list(entries.values()), probe, findings)
    first = {each.casefold(): each for each in known}
    places: dict[object, Listed] = {}
    for text, entry in entries.items():
        place = _absolute(entry.file) or entry.url
        if place not in places:
            name = entry.named(folder).id
            other = first.setdefault(name.casefold(), text)
            wrong = ids.fault(name)
            if other is not text or wrong:
                fault = f"is that of {quoted(other)} too" if other is not text else wrong
                advice = "list it in `inputs` with an id of its own"
                message = f"the id {quoted(name)} of this picture {fault}; {advice}"
                findings.error(entry.node.mark, code="id", path="image", message=message)
            picture = pictures.get(entry.file) if entry.file else None
            made = Input(name, _absolute(entry.file), picture, entry.url, entry.image(folder))
            places[place] = Listed(entry.node, "image", made)
        yield text, places[place]


def _absolute(file: Path | None) -> Path | None:
    return None if file is None else file.absolute()


def _entries(
    node: Node, where: str, folder: Path, output: Path | None, findings: Findings
) -> Iterator[_Entry]:
    if isinstance(node.value, Mapping):
        yield from _mapping(node, where, folder, findings)
        return
    text = node.text().strip()
    scheme = _SCHEME.match(text)
    if scheme and scheme[1].lower() in ("http", "https"):
        yield from _url(_Entry(node, where, url=text), text, findings)
    elif scheme and "/" in scheme[0]:
        message = f"{quoted(text)} is neither a file nor an http or https URL"
        findings.error(node.mark, code="url", path=where, message=message)
    elif globs.is_glob(text) and not globs.is_file_name(folder, text):
        entry = _Entry(node, where)
        yield from _glob(entry, text, folder=folder, output=output, findings=findings)
    elif exists(node, text, where, folder, findings):
        yield _Entry(node, where, file=folder / text)


def _mapping(node: Node, where: str, folder: Path, findings: Findings) -> Iterator[_Entry]:
    own = node.get("id")
    name = own.text() if own else None
    url, path = node.get("url"), node.get("path")
    if url is not None:
        yield from _url(_Entry(url, where, id=name, url=url.text()), url.text(), findings)
    elif path is not None and exists(path, path.text(), f"{where}.path", folder, findings):
        yield _Entry(own or path, where, id=name, file=folder / path.text())


def _url(entry: _Entry, text: str, findings: Findings) -> Iterator[_Entry]:
    try:
        wrong = judge(text, part="url", shown=quoted(text))
        parts = urlsplit(text)
        if not wrong and (not parts.hostname or text != text.strip()):
            wrong = [f"{quoted(text)} is no URL of a picture"]
        if not wrong and (parts.username or parts.password):
            wrong = ["a URL with a user or password would be sent on; use a signed or public one"]
    except ValueError:
        wrong = [f"{quoted(text)} is no URL of a picture"]
    if wrong:
        findings.error(entry.node.mark, code="url", path=entry.where, message=wrong[0])
    else:
        yield entry


def exists(node: Node, text: str, where: str, folder: Path, findings: Findings) -> bool:
    """Whether there is such a file; if not, that is told."""
    file = folder / text
    if is_file(file):
        return True
    if _is_folder(file):
        message = f"{quoted(text)} is a folder; name a picture, or write {quoted(f'{text}/*.jpg')}"
    elif globs.is_glob(text):
        message = f"there is no file {quoted(text)}; a glob stands in the list as a text"
    else:
        message = f"there is no file {quoted(text)}{_near(file)}"
    findings.error(node.mark, code="no-file", path=where, message=message)
    return False


def is_file(file: Path) -> bool:
    """Whether there is such a file; a name that no disk takes is none."""
    try:
        return file.is_file()
    except (OSError, ValueError):
        return False


def _is_folder(file: Path) -> bool:
    try:
        return file.is_dir()
    except (OSError, ValueError):
        return False


def _near(file: Path) -> str:
    """A hint at a file with a similar name in the same folder."""
    try:
        names = tuple(sorted(entry.name for entry in os.scandir(file.parent)))[:1000]
    except (OSError, ValueError):
        return "; its folder does not exist either"
    return suggestion(file.name, names)


def _glob(
    entry: _Entry, pattern: str, *, folder: Path, output: Path | None, findings: Findings
) -> Iterator[_Entry]:
    try:
        matches = globs.find(folder, pattern)
    except ValueError as error:
        findings.error(entry.node.mark, code="glob", path=entry.where, message=str(error))
        return
    kept = globs.outside(matches, pattern, folder=folder, output=output)
    for file in kept:
        yield replace(entry, file=file)
    if not kept:
        hint = " but what is in the output folder" if matches else f" in {quoted(str(folder))}"
        message = f"no file matches {quoted(pattern)}{hint}"
        findings.error(entry.node.mark, code="no-match", path=entry.where, message=message)


def _probed(entries: list[_Entry], probe: Probe, findings: Findings) -> dict[Path, Picture]:
    """Each distinct file probed once; a refused one is told at every entry that has it."""
    files = list(dict.fromkeys(entry.file for entry in entries if entry.file is not None))
    results = dict(zip(files, _each(probe, files), strict=True))
    for entry in entries:
        result = results[entry.file] if entry.file is not None else None
        if isinstance(result, PictureError):
            findings.error(entry.node.mark, code="picture", path=entry.where, message=str(result))
    return {file: each for file, each in results.items() if isinstance(each, Picture)}


def _each(probe: Probe, files: list[Path]) -> list[Picture | PictureError]:
    def one(file: Path) -> Picture | PictureError:
        try:
            return probe(file)
        except PictureError as error:
            return error

    if len(files) < _PROBED_ALONE:
        return [one(file) for file in files]
    with ThreadPoolExecutor(max_workers=min(_THREADS, len(files))) as pool:
        return list(pool.map(one, files))


def _relative(file: Path, folder: Path) -> str:
    return str(file.relative_to(folder) if file.is_relative_to(folder) else file)


def _url_name(url: str) -> str:
    """What a URL's picture is called: its path's last part, or the host when there is none."""
    parts = urlsplit(url)
    last = next((part for part in reversed(parts.path.split("/")) if part), parts.hostname or "")
    return Path(unquote(last).replace("/", "-").replace("\0", "")).stem or "picture"
