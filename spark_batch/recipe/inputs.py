"""Read `inputs`: expand globs, check URLs, probe files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TypeVar

from spark_batch import cloud
from spark_batch.errors import PictureError
from spark_batch.jobs import Fit, Input, Picture
from spark_batch.recipe import globs, ids
from spark_batch.recipe.diagnostics import Findings
from spark_batch.recipe.entries import (
    SCHEME,
    InputEntry,
    beside,
    differing,
    entries_of,
    entry_of,
    is_address,
    url_name,
)
from spark_batch.recipe.globs import Surroundings
from spark_batch.recipe.yaml import Node, placed_items
from spark_batch.text import quoted


@dataclass(frozen=True, slots=True)
class Listed:
    """One input and the entry of the recipe that it comes from; `given` is the entry's mapping."""

    node: Node
    where: str
    input: Input
    given: Node | None = None


def read(
    node: Node, around: Surroundings, *, probe: Probe, fetch: Fetch, findings: Findings
) -> tuple[Listed, ...]:
    """The input pictures, in the recipe's order, a glob's matches sorted.

    Paths are relative to the recipe's folder. A glob leaves out generated pictures, see
    `globs.select`.
    """
    folder, before = around.folder, findings.errors
    entries: list[InputEntry] = []
    for item, where in placed_items(node, "inputs"):
        if _taken_out(item) is not None:
            entries = _without(entries, item, where, folder, findings)
        else:
            entries += entries_of(item, where, around, findings)
    if not entries and findings.errors == before:
        message = "every input is taken out again by a '!' pattern; nothing is left to make"
        findings.error(node.mark, code="inputs-all-out", path="inputs", message=message)
    if findings.errors == before:
        _warn_other_case(entries, node, around, findings)
    named = [entry.named(folder) for entry in entries]
    ids.check(named, findings)
    entries = _fetched(entries, around.output, fetch, findings)
    pictures = probed(entries, probe, findings)
    found = [pictures.get((entry.file, entry.fit)) if entry.file else None for entry in entries]
    return tuple(
        Listed(
            node=entry.node,
            where=entry.where,
            input=Input(
                id=name.id,
                path=entry.file.absolute() if entry.file else None,
                picture=picture,
                url=entry.url,
                image=entry.image(folder),
                fit=picture.treatment.words if picture and picture.treatment else None,
            ),
            given=entry.given,
        )
        for entry, name, picture in zip(entries, named, found, strict=True)
    )


def _without(
    entries: list[InputEntry], node: Node, where: str, folder: Path, findings: Findings
) -> list[InputEntry]:
    """The entries without those whose path or URL matches `!PATTERN`, a shell's pattern.

    Reports a pattern that removes nothing.
    """
    pattern = _taken_out(node) or ""
    kept = [entry for entry in entries if not fnmatchcase(entry.image(folder), pattern)]
    if len(kept) == len(entries):
        folded, names = pattern.casefold(), (entry.image(folder) for entry in entries)
        near = next((name for name in names if fnmatchcase(name.casefold(), folded)), None)
        advice = "correct it, or move it behind what it removes"
        if near is not None:
            advice = f"{quoted(near)} differs from it in upper and lower case"
        message = f"no input before it matches {quoted(pattern)}; {advice}"
        findings.error(node.mark, code="no-match", path=where, message=message)
    return kept


def _taken_out(node: Node) -> str | None:
    """The pattern of an item `!PATTERN`; None for any other item."""
    is_pattern = isinstance(node.value, str) and node.value.startswith("!")
    return node.text().strip()[1:].strip() if is_pattern else None


def _warn_other_case(
    entries: Sequence[InputEntry], node: Node, around: Surroundings, findings: Findings
) -> None:
    """Warn about files that match a glob but for the case of letters, and that no item names."""
    folder, known = around.folder, {entry.file for entry in entries}
    found = [
        (entry, files)
        for entry in {entry.where: entry for entry in entries}.values()
        if _is_of_glob(entry, folder)
        and (files := beside(entry.node.text().strip(), around, known))
    ]
    without = [pattern for item in node.items() if (pattern := _taken_out(item)) is not None]
    taken = {entry.image(folder) for entry in entries} if found else set()
    for entry, files in found:
        images = {file: replace(entry, file=file).image(folder) for file in files}
        left = [
            file
            for file, image in images.items()
            if image not in taken and not any(fnmatchcase(image, pattern) for pattern in without)
        ]
        if left:
            which = differing(left, quoted(entry.node.text().strip()), folder)
            message = f"{which}; to take them too, list them or a pattern for them"
            findings.warn(entry.node.mark, code="input-case", path=entry.where, message=message)


def _is_of_glob(entry: InputEntry, folder: Path) -> bool:
    """Whether an entry is one of the files that a glob matches."""
    text = entry.node.text().strip()
    return entry.file is not None and globs.is_pattern(folder, text)


@dataclass(frozen=True, slots=True)
class Fetched:
    """The copy of a picture in an object store; `stale` says why it may be out of date."""

    path: Path
    stale: str | None = None


# Gives the picture at an address, kept below the recipe's output folder, or raises PictureError;
# may be called from several threads.
Fetch = Callable[[str, Path | None, Fit | None], Fetched]


def _fetched(
    entries: list[InputEntry], output: Path | None, fetch: Fetch, findings: Findings
) -> list[InputEntry]:
    """The entries with the files of their addresses; reports those that cannot be read.

    Each address is fetched once for each fit, which decides how large the object may be.
    """
    asked = [(entry.address, entry.fit) for entry in entries if entry.address]
    found = _each(lambda address, fit: fetch(address, output, fit), asked, alone=1)
    for at, entry in enumerate(entries):
        result = found[entry.address, entry.fit] if entry.address else None
        if isinstance(result, Fetched):
            entries[at] = replace(entry, file=result.path)
        mark, where = entry.node.mark, entry.where
        if isinstance(result, PictureError):
            findings.error(mark, code="picture", path=where, message=str(result))
        elif result is not None and result.stale:
            findings.warn(mark, code="input-unreachable", path=where, message=result.stale)
    return entries


def possible(node: Node | None, listed: Sequence[Listed]) -> tuple[str, ...] | None:
    """The ids that `inputs` would have without its errors; None if unknown.

    `listed` are the entries without errors.
    """
    found = [picture.input.id for picture in listed]
    known = {picture.where for picture in listed}
    for item, where in placed_items(node, "inputs"):
        given = item.get("id") or item.get("path") or item.get("url") or item
        if where in known:
            continue
        if isinstance(given.value, Mapping | tuple) or globs.is_glob(given.text()):
            return None
        name = given.text().strip()
        if item.get("id") is None:
            url = SCHEME.match(name)  # an address, too
            name = ids.from_name(url_name(name) if url else Path(name).stem)
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

    A file or URL among the `known` inputs is that input. Reports texts that name nothing.
    """
    by_id = {picture.input.id: picture for picture in known}
    by_file = {picture.input.path or picture.input.url: picture for picture in known}
    by_address = {
        picture.input.image: picture for picture in known if is_address(picture.input.image)
    }
    found: dict[str, Listed] = {}
    entries: dict[str, InputEntry] = {}
    for node in nodes:
        text = node.text()
        if text in by_id or text in by_address:
            found[text] = by_id.get(text) or by_address[text]
            continue
        for entry in entry_of(node, text, folder, findings):
            same = by_file.get(_absolute(entry.file) or entry.url)
            if same is None:
                entries[text] = entry
            else:
                found[text] = same
    found.update(_apart(entries, by_id, folder, probe, findings))
    return found


def _apart(
    entries: Mapping[str, InputEntry],
    known: Mapping[str, Listed],
    folder: Path,
    probe: Probe,
    findings: Findings,
) -> Iterator[tuple[str, Listed]]:
    """Inputs with distinct ids; reports two files with the same id."""
    pictures = probed(list(entries.values()), probe, findings)
    first = {name.casefold(): name for name in known}
    places: dict[object, Listed] = {}
    for text, entry in entries.items():
        place = _absolute(entry.file) or entry.url
        if place not in places:
            name = entry.named(folder).id
            other = first.setdefault(name.casefold(), text)
            wrong = ids.fault(name)
            if other is not text or wrong:
                fault = f"is also that of {quoted(other)}" if other is not text else wrong
                advice = "list the picture in `inputs` with an id of its own"
                message = f"the id {quoted(name)} of this picture {fault}; {advice}"
                findings.error(entry.node.mark, code="id", path="image", message=message)
            picture = pictures.get((entry.file, None)) if entry.file else None
            new = Input(name, _absolute(entry.file), picture, entry.url, entry.image(folder))
            places[place] = Listed(entry.node, "image", new)
        yield text, places[place]


def _absolute(file: Path | None) -> Path | None:
    return None if file is None else file.absolute()


# Reads an input picture, or raises PictureError; may be called from several threads. With a fit,
# `Picture.treatment` is what is done to the file before it is sent.
Probe = Callable[[Path, Fit | None], Picture]
Asked = tuple[Path, Fit | None]
S = TypeVar("S")
R = TypeVar("R")

_THREADS = 8
_PROBED_ALONE = 2  # pictures that are not worth a pool


def probed(entries: list[InputEntry], probe: Probe, findings: Findings) -> dict[Asked, Picture]:
    """Probe each distinct file once for each fit; reports a refused one at each of its entries."""
    asked = [(entry.file, entry.fit) for entry in entries if entry.file is not None]
    results = _each(probe, asked, alone=_PROBED_ALONE)
    for entry in entries:
        result = results[entry.file, entry.fit] if entry.file is not None else None
        if isinstance(result, PictureError):
            message = str(result)
            if entry.address is not None:
                message = message.replace(str(entry.file), cloud.shown(entry.address))
            findings.error(entry.node.mark, code="picture", path=entry.where, message=message)
    return {key: result for key, result in results.items() if isinstance(result, Picture)}


def _each(
    read: Callable[[S, Fit | None], R], asked: Iterable[tuple[S, Fit | None]], *, alone: int
) -> dict[tuple[S, Fit | None], R | PictureError]:
    """What is read of each picture with its fit, once, or the error; so many without threads."""

    def one(key: tuple[S, Fit | None]) -> R | PictureError:
        try:
            return read(*key)
        except PictureError as error:
            return error

    keys = list(dict.fromkeys(asked))
    if len(keys) <= alone:
        return {key: one(key) for key in keys}
    with ThreadPoolExecutor(max_workers=min(_THREADS, len(keys))) as pool:
        return dict(zip(keys, pool.map(one, keys), strict=True))
