"""`export`: deliver finished pictures under final names, with a manifest of the delivered files.

Checks every name before it writes anything. The export manifest lists the files with their SHA-256,
and is written when all of them are there. Before the first picture, a list of the files to come is
written beside it, so that an export that was killed recognizes its own files when it runs again.
Only files whose content one of these two lists has are replaced or deleted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from spark_batch import lfs
from spark_batch.atomic import is_regular
from spark_batch.errors import UsageError
from spark_batch.jobs import JobRecord, Status
from spark_batch.jobs.names import ABSENT, VARIABLES, output_name, tokens, value_slug
from spark_batch.jobs.picks import Picks, Verdict
from spark_batch.jobs.select import facts
from spark_batch.project.checking import changed
from spark_batch.project.destinations import (
    LIST_SUFFIX,
    MOST_BYTES,
    UNFINISHED_SUFFIX,
    Delivery,
    Destination,
    destination,
    leads_away,
    list_text,
    read_list,
)
from spark_batch.project.layout import RecipeLayout, copied
from spark_batch.project.selecting import chosen_records
from spark_batch.recipe.output import name_fault, template_fault
from spark_batch.recipe.variants import size_label
from spark_batch.text import printable, quoted, slug


class ExportChange(str, Enum):
    """What an export does with a file."""

    COPY = "copy"
    KEEP = "keep"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """What to export, and how: the options of the command."""

    to: str
    picked: bool = False
    only: tuple[str, ...] = ()
    name: str | None = None
    mirror: bool = False


@dataclass(frozen=True, slots=True)
class Export:
    """An export that has been checked, and has not written anything.

    `changes` has what happens to every file in the manifest's order, `earlier` the unchanged files
    of earlier exports, `unfinished` the number of chosen jobs without a picture, `unknown` that of
    picked jobs that the recipe does not have. `strange` are jobs of earlier files that the
    checkpoint has never had: another recipe of the same name may have delivered those.
    """

    layout: RecipeLayout
    destination: Destination
    changes: tuple[tuple[ExportChange, Delivery], ...]
    earlier: tuple[Delivery, ...]
    unfinished: int
    unknown: int
    strange: frozenset[str]

    def count(self, change: ExportChange) -> int:
        """The number of files with this change."""
        return sum(found is change for found, _ in self.changes)

    @property
    def others(self) -> tuple[Delivery, ...]:
        """Unchanged files of earlier exports that are not part of this one."""
        names = {delivery.file for _, delivery in self.changes}
        return tuple(one for one in self.earlier if one.file not in names)

    @property
    def strangers(self) -> int:
        """The number of unchanged files of jobs that the checkpoint has never had."""
        return sum(one.job in self.strange for one in self.others)

    def execute(self) -> None:
        """Copy and delete the files.

        After an error or a kill, a new export continues. Raises UsageError for an original that
        changed, OutputError and StoreError.
        """
        manifest, intent = _names(self.layout)
        chosen = [one for change, one in self.changes if change is not ExportChange.DELETE]
        copied, deleted = self._those(ExportChange.COPY), self._those(ExportChange.DELETE)
        if copied or deleted:
            self._write_list(intent, [*self.earlier, *chosen])
        self._copy(copied)
        self._write_list(manifest, [*chosen, *self.others])
        for delivery in deleted:
            self.destination.delete(delivery.file)
        if self.destination.size(intent) is not None:
            self.destination.delete(intent)

    def _those(self, change: ExportChange) -> list[Delivery]:
        return [delivery for found, delivery in self.changes if found is change]

    def _copy(self, deliveries: list[Delivery]) -> None:
        """Copy pictures, as many at once as the destination allows."""

        def copy(delivery: Delivery) -> None:
            self.destination.write(delivery.file, _original(self.layout, delivery))

        pool = ThreadPoolExecutor(self.destination.at_once)
        try:
            for _ in pool.map(copy, deliveries):
                pass
        finally:
            pool.shutdown(cancel_futures=True)

    def _write_list(self, name: str, deliveries: Iterable[Delivery]) -> None:
        content = list_text(dict.fromkeys(deliveries)).encode()
        if self.destination.read(name) != content:
            self.destination.write(name, content)


def _names(layout: RecipeLayout) -> tuple[str, str]:
    """The names of the export manifest, and of the list that an unfinished export leaves."""
    return f"{layout.label}{LIST_SUFFIX}", f"{layout.label}{UNFINISHED_SUFFIX}"


def prepare_export(layout: RecipeLayout, options: ExportOptions) -> Export:
    """Decide what an export does, and check it; writes nothing.

    Raises UsageError for names that collide or are not allowed, for a file of one of these names
    that no export wrote, for a mirror that would delete everything, for an original that is
    missing or has changed, and for a damaged manifest; OutputError and StoreError for a destination
    that cannot be read.
    """
    place = destination(options.to, output_dir=layout.paid_dir)
    earlier: dict[str, list[Delivery]] = {}
    for name in _names(layout):
        for one in _listed(place, name):
            earlier.setdefault(one.file, []).append(one)
    deliveries, unfinished, unknown = _deliveries(layout, options)
    _check_names(deliveries, _names(layout))
    changes = [_change(place, one, earlier.get(one.file, ())) for one in deliveries]
    standing = tuple(
        one
        for file, recorded in earlier.items()
        if (there := _content(place, file, recorded)) is not None
        for one in dict.fromkeys(recorded)
        if one.sha256 == there
    )
    strange = _strange(layout, standing)
    if options.mirror:
        deletions = list(_deletions(place, deliveries, standing, {*unfinished, *strange}))
        if deletions and not (deliveries or unfinished):
            raise UsageError(_nothing_chosen(layout, options, len(deletions)))
        changes += deletions
    for change, delivery in changes:
        if change is ExportChange.COPY:
            _original(layout, delivery)
    return Export(layout, place, tuple(changes), standing, len(unfinished), unknown, strange)


def _strange(layout: RecipeLayout, earlier: Iterable[Delivery]) -> frozenset[str]:
    """The jobs of earlier files that the checkpoint has never had.

    Two recipes of one name share the manifest of a folder, which does not say whose a file is.
    """
    jobs = {delivery.job for delivery in earlier}
    if not jobs:
        return frozenset()
    with copied(layout) as checkpoint:
        return frozenset(job for job in jobs if checkpoint.find_request(job) is None)


def _nothing_chosen(layout: RecipeLayout, options: ExportOptions, count: int) -> str:
    """The error for a mirror that would leave nothing, as when the picks file is missing."""
    picked = options.picked and layout.picks is not None
    why = f"no chosen job is picked in {layout.picks}" if picked else "no job is chosen"
    return (
        f"{why}, so that --mirror would delete all {count} delivered pictures: choose some, or"
        " delete them yourself"
    )


def _listed(place: Destination, name: str) -> tuple[Delivery, ...]:
    """The files in a list of earlier exports. Raises UsageError for any other file."""
    shown = f"{place.shown}/{name}"
    if (place.size(name) or 0) > MOST_BYTES:
        raise UsageError(f"{shown} is larger than a list of an export: move it away")
    content = place.read(name)
    return () if content is None else read_list(content, shown)


def _deliveries(
    layout: RecipeLayout, options: ExportOptions
) -> tuple[list[Delivery], Sequence[str], int]:
    """The pictures to deliver, the chosen jobs without one, and the number of unknown picks."""
    picks = layout.read_picks() if options.picked else Picks()
    found: list[Delivery] = []
    unfinished: list[str] = []
    with copied(layout) as checkpoint:
        for record in chosen_records(checkpoint, options.only, layout):
            if options.picked and picks.verdict(record.key) is not Verdict.PICK:
                continue
            picture = record.attempt.picture if record.attempt else None
            if record.status is not Status.DONE or record.file is None or picture is None:
                unfinished.append(record.key)
                continue
            if leads_away(record.file):
                raise UsageError(
                    f"{layout.checkpoint} lists a file outside of its output folder:"
                    f" {quoted(record.file)}"
                )
            name = _name(record, layout, options.name)
            found.append(Delivery(name, picture.sha256, record.key, record.file, picture.bytes))
        picked = [pick for pick in picks if pick.verdict is Verdict.PICK and layout.owns(pick.job)]
        keys = checkpoint.keys() if picked and not options.only else {pick.job for pick in picked}
    return found, unfinished, sum(pick.job not in keys for pick in picked)


def _name(record: JobRecord, layout: RecipeLayout, template: str | None) -> str:
    """The final name of a picture. Raises UsageError for a template that is not allowed."""
    if record.file is None or template is None:
        return record.file or record.output
    values = _values(record, layout)
    known = tuple(dict.fromkeys((*VARIABLES, *values)))
    if fault := template_fault(template, known):
        raise UsageError(f"--name {template}: {fault}")
    missing = [token.name for token in tokens(template) if token.name and token.name not in values]
    if missing:
        raise UsageError(
            f"--name {template}: the prompt of job {record.key} has no variable ${{{missing[0]}}}"
        )
    name = output_name(template, values)
    if fault := name_fault(name):
        raise UsageError(f"--name {template}: {fault}")
    return f"{name}{Path(record.file).suffix}"


def _values(record: JobRecord, layout: RecipeLayout) -> Mapping[str, str]:
    """The values of a template's variables, as `output.name` has them."""
    request = record.request
    variables = {name: slug(value) for name, value in record.variables}
    own = {name: value_slug(value) for name, value in request.parameters}
    return {
        **dict.fromkeys(layout.models.further, ABSENT),
        **own,
        "model": value_slug(request.model),
        **variables,
        "input": record.input,
        "prompt": "-".join((record.prompt_id, *variables.values())),
        "size": size_label(facts(record, layout.models).get("size", (ABSENT,))[0]),
        "scale": value_slug(request.scale),
        "seed": value_slug(request.seed),
        "take": str(request.take),
        "width": value_slug(request.width),
        "height": value_slug(request.height),
        "job": record.key,
        "recipe": layout.name,
    }


def _check_names(deliveries: Iterable[Delivery], lists: Iterable[str]) -> None:
    """Raise UsageError for two files of one name, ignoring case, or one below the other."""
    taken = {name.casefold(): "the export manifest" for name in lists}
    folders: dict[str, str] = {}
    for delivery in deliveries:
        name = delivery.file.casefold()
        above = [name.rsplit("/", count)[0] for count in range(1, name.count("/") + 1)]
        other = taken.get(name) or folders.get(name)
        other = other or next((taken[folder] for folder in above if folder in taken), None)
        if other is not None:
            raise UsageError(
                f"{_whole(delivery.output)} and {other} would both be {_whole(delivery.file)}:"
                " add variables to --name, such as ${input}, ${prompt}, ${seed} or ${job}"
            )
        taken[name] = _whole(delivery.output)
        folders.update(dict.fromkeys(above, _whole(delivery.output)))


def _whole(name: str) -> str:
    """A file's name in quotes for a message, uncut: the ends of two names tell them apart."""
    return f"'{printable(name)}'"


def _change(
    place: Destination, delivery: Delivery, recorded: Sequence[Delivery]
) -> tuple[ExportChange, Delivery]:
    """Whether a picture is copied; `recorded` is what earlier exports wrote under its name.

    Raises UsageError for a file that no export wrote.
    """
    there = _content(place, delivery.file, recorded, delivery)
    if there == delivery.sha256:
        return ExportChange.KEEP, delivery
    ours = {one.sha256 for one in recorded}
    if there is not None and (there not in ours or not _is_still(place, delivery.file, there)):
        raise UsageError(
            f"{place.shown} has a file {_whole(delivery.file)} that export did not write, or that"
            " was changed since: move it away, or choose other names with --name"
        )
    return ExportChange.COPY, delivery


def _content(
    place: Destination, file: str, recorded: Sequence[Delivery], wanted: Delivery | None = None
) -> str | None:
    """The SHA-256 of a file; None when there is none, "" possibly for one that no export wrote.

    A remote file is downloaded only when its size does not identify its recorded content.
    """
    if not place.is_remote:
        return place.sha256(file)
    size = place.size(file)
    if size is None:
        return None
    listed = {one.sha256 for one in recorded if one.bytes == size}
    if wanted is not None and wanted.bytes == size:
        if listed == {wanted.sha256}:
            return wanted.sha256
        return place.sha256(file)
    if len(listed) == 1:
        return listed.pop()
    unknown = listed or any(one.bytes is None for one in recorded)
    return place.sha256(file) if unknown else ""


def _is_still(place: Destination, file: str, sha256: str) -> bool:
    """Whether a file certainly has this content, before it is replaced or deleted."""
    return not place.is_remote or place.sha256(file) == sha256


def _deletions(
    place: Destination,
    deliveries: Iterable[Delivery],
    standing: Iterable[Delivery],
    kept: Container[str],
) -> Iterator[tuple[ExportChange, Delivery]]:
    """The deletions of unchanged files of earlier exports that are no longer chosen.

    Keeps the files of the jobs in `kept`: of chosen ones without a picture, such as pruned or
    expired ones, since these may be the only copies, and of other recipes.
    """
    chosen = {delivery.file.casefold() for delivery in deliveries}
    for one in standing:
        is_chosen = one.file.casefold() in chosen or one.job in kept
        if not is_chosen and _is_still(place, one.file, one.sha256):
            yield ExportChange.DELETE, one


def _original(layout: RecipeLayout, delivery: Delivery) -> bytes:
    """The bytes of a finished picture. Raises UsageError when they are not the recorded ones."""
    path = layout.output_dir / delivery.output
    if not is_regular(path):
        raise UsageError(
            f"{path} is missing, or not a regular file: `{layout.command('verify')}` lists such"
            f" files, and `{layout.command('run')}` fetches missing ones"
        )
    if lfs.read(path) is not None:
        raise UsageError(f"{path}: {lfs.NOTICE}")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    if hashlib.sha256(content).hexdigest() != delivery.sha256:
        raise UsageError(f"{path} was changed: {changed(layout)}")
    return content
