"""JUnit XML: a case a job, for what shows test results.

Its structure is that of Jenkins' junit-10.xsd, the strictest that is in use: there a case has no
`file` and no `line`, so the recipe's place begins the text of a failure, where readers look for it.
Failed is a failure; uncertain and expired are errors; what is under way or still to be done is
skipped; a suspect picture is there, and passes with a word about it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

from spark_batch.checkpoint import CheckpointReader, Counts
from spark_batch.jobs import JobRecord, Status
from spark_batch.models import Model
from spark_batch.reports.facts import seconds_of
from spark_batch.reports.verdicts import UNKNOWN, Trouble, Verdict, recipe_file, verdict
from spark_batch.reports.writing import write_lines

# What XML 1.0 has no way to write, not even as a reference.
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ELEMENTS = {
    Trouble.FAILED: "failure",
    Trouble.UNCERTAIN: "error",
    Trouble.EXPIRED: "error",
}
_ERRORS = (Status.UNCERTAIN, Status.SUBMITTING, Status.EXPIRED)
_SKIPPED = {
    Status.PENDING: "not made yet: `spark-batch run` makes it",
    Status.RUNNING: "under way and paid for: `spark-batch rescue` fetches it",
    Status.FETCHING: "made and paid for: `spark-batch rescue` fetches it",
}


class Lines:
    """The report, piece by piece, for `writing`."""

    def __init__(self, reader: CheckpointReader, *, name: str, model: Model) -> None:
        self._counts = reader.counts()
        self._recipe = recipe_file(reader)
        self._name = name
        self._model = model

    def head(self) -> str:
        """The suite's sums."""
        counts = self._counts
        sums = {
            "tests": str(counts.total),
            "failures": str(counts.jobs[Status.FAILED]),
            "errors": str(sum(counts.jobs[status] for status in _ERRORS)),
            "time": f"{counts.seconds:.3f}",
        }
        suite = {
            "name": self._name,
            **sums,
            "skipped": str(sum(counts.jobs[status] for status in _SKIPPED)),
            **_timestamp(counts),
            **({} if self._recipe == UNKNOWN else {"file": self._recipe}),
        }
        return (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            f"<testsuites{_attributes({'name': 'spark-batch', **sums})}>\n"
            f"<testsuite{_attributes(suite)}>\n"
        )

    def line(self, record: JobRecord) -> str:
        """A job's case."""
        seconds = seconds_of(record.attempt) or 0.0
        case = {
            "name": record.output,
            "classname": f"{self._name}.{record.prompt_id}",
            "time": f"{seconds:.3f}",
        }
        inside = self._inside(record)
        end = f">{inside}</testcase>" if inside else "/>"
        return f"<testcase{_attributes(case)}{end}\n"

    def tail(self) -> str:
        """What closes the suite."""
        return "</testsuite>\n</testsuites>\n"

    def _inside(self, record: JobRecord) -> str:
        found = verdict(record, recipe=self._recipe, model=self._model)
        if found is None:
            skipped = _SKIPPED.get(record.status)
            return "" if skipped is None else f"<skipped{_attributes({'message': skipped})}/>"
        element = _ELEMENTS.get(found.trouble)
        told = escape(_clean(_told(record, found)), {"\r": "&#13;"})
        if element is None:
            return f"<system-out>{told}</system-out>"
        said = _attributes({"type": found.code, "message": found.said})
        return f"<{element}{said}>{told}</{element}>"


def lines(reader: CheckpointReader, *, name: str, model: Model) -> Lines:
    """The report of a checkpoint."""
    return Lines(reader, name=name, model=model)


def write(
    path: Path,
    reader: CheckpointReader,
    *,
    name: str,
    output_dir: Path,
    recipe_dir: Path | None,
    model: Model,
) -> int:
    """Write the report; gives the number of its cases. Raises OutputError."""
    with reader.snapshot():
        return write_lines(path, lines(reader, name=name, model=model), reader.records())


def _told(record: JobRecord, found: Verdict) -> str:
    """The place, what happened, and what to do."""
    place = f"{record.source}: " if record.source else ""
    job = f"job {record.key}, attempt {record.attempts}"
    return "\n".join((place + found.said, found.advice, found.command, job))


def _timestamp(counts: Counts) -> dict[str, str]:
    """When the first job was sent, UTC; some readers take no zone and no fraction."""
    begun = counts.begun
    return {"timestamp": begun.strftime("%Y-%m-%dT%H:%M:%S")} if begun else {}


def _attributes(values: Mapping[str, str]) -> str:
    return "".join(f" {name}={quoteattr(_clean(value))}" for name, value in values.items())


def _clean(text: str) -> str:
    return _FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", text)
