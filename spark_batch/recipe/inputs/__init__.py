"""The recipe's `inputs` → input pictures: globs expanded, URLs judged, files probed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from spark_batch.jobs import Input
from spark_batch.recipe import globs, ids
from spark_batch.recipe.diagnostics import Findings
from spark_batch.recipe.document import Node
from spark_batch.recipe.inputs.entries import (
    SCHEME,
    Entry,
    entries_of,
    entry_of,
    exists,
    is_file,
    url_name,
)
from spark_batch.recipe.inputs.generated import (
    FindGenerated,
    Generated,
    Origin,
    Surroundings,
    nothing_generated,
)
from spark_batch.recipe.inputs.probing import Probe, probed
from spark_batch.text import quoted

__all__ = [
    "FindGenerated",
    "Generated",
    "Listed",
    "Origin",
    "Probe",
    "Surroundings",
    "exists",
    "is_file",
    "nothing_generated",
    "possible",
    "read",
    "single",
]


@dataclass(frozen=True, slots=True)
class Listed:
    """One input and the entry of the recipe that it comes from."""

    node: Node
    where: str
    input: Input


def read(
    node: Node, around: Surroundings, *, probe: Probe, findings: Findings
) -> tuple[Listed, ...]:
    """The input pictures, in the recipe's order, a glob's matches sorted.

    Paths are relative to the recipe's folder. A glob leaves out what spark-batch made, as
    `generated.select` has it.
    """
    folder = around.folder
    entries = [
        entry
        for at, item in enumerate(node.items())
        for entry in entries_of(item, f"inputs[{at}]", around, findings)
    ]
    named = [entry.named(folder) for entry in entries]
    ids.check(named, findings)
    pictures = probed(entries, probe, findings)
    found = [pictures.get((each.file, each.fit)) if each.file else None for each in entries]
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
        )
        for entry, name, picture in zip(entries, named, found, strict=True)
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
            url = SCHEME.match(name)
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

    A file or URL among the `known` inputs is that input. Texts that name nothing are told.
    """
    by_id = {each.input.id: each for each in known}
    by_file = {each.input.path or each.input.url: each for each in known}
    found: dict[str, Listed] = {}
    entries: dict[str, Entry] = {}
    for node in nodes:
        text = node.text()
        if text in by_id:
            found[text] = by_id[text]
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
    entries: Mapping[str, Entry],
    known: Mapping[str, Listed],
    folder: Path,
    probe: Probe,
    findings: Findings,
) -> Iterator[tuple[str, Listed]]:
    """The entries as inputs; two files with one id are told."""
    pictures = probed(list(entries.values()), probe, findings)
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
            picture = pictures.get((entry.file, None)) if entry.file else None
            made = Input(name, _absolute(entry.file), picture, entry.url, entry.image(folder))
            places[place] = Listed(entry.node, "image", made)
        yield text, places[place]


def _absolute(file: Path | None) -> Path | None:
    return None if file is None else file.absolute()
