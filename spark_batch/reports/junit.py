"""JUnit XML: a test case per job, for tools that show test results.

The structure is that of Jenkins' junit-10.xsd, the strictest schema in use: its cases have no
`file` and no `line`, so the text of a failure begins with the job's line in the recipe. Failed jobs
and flagged ones are failures; uncertain and expired ones are errors; jobs under way, not made yet
or pruned are skipped.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from xml.sax.saxutils import escape, quoteattr

from spark_batch.checkpoint import CheckpointReader, Counts
from spark_batch.jobs import JobRecord, Status
from spark_batch.reports.report import Report, Target
from spark_batch.reports.values import seconds_of
from spark_batch.reports.verdicts import UNKNOWN, Trouble, recipe_file, verdict

# Characters that XML 1.0 cannot contain, not even as references.
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ELEMENTS = {
    Trouble.FAILED: "failure",
    Trouble.FLAGGED: "failure",
    Trouble.UNCERTAIN: "error",
    Trouble.EXPIRED: "error",
}
_ERRORS = (Status.UNCERTAIN, Status.SUBMITTING, Status.EXPIRED)
_SKIPPED = {
    Status.PENDING: "not made yet: `spark-batch run` makes it",
    Status.RUNNING: "under way and paid for: `spark-batch rescue` fetches it",
    Status.FETCHING: "made and paid for: `spark-batch rescue` fetches it",
    Status.PRUNED: "made and paid for, and deleted by `spark-batch prune`",
}


class _Suite:
    """See `Report`."""

    def __init__(self, reader: CheckpointReader, target: Target) -> None:
        self._models = target.models
        self._picks = target.verdicts.counts(reader.keys()) if target.verdicts else None
        self._counts = reader.counts()
        self._recipe = recipe_file(reader)
        self._name = target.name

    def begin(self) -> str:
        counts = self._counts
        sums = {
            "tests": str(counts.total),
            "failures": str(counts.jobs[Status.FAILED] + counts.flagged),
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
            f"{self._properties()}"
        )

    def _properties(self) -> str:
        """The numbers of verdicts; nothing where the recipe has none."""
        if self._picks is None:
            return ""
        numbers = {"picked": self._picks.picked, "rejected": self._picks.rejected}
        found = (
            f"<property{_attributes({'name': name, 'value': str(number)})}/>\n"
            for name, number in numbers.items()
        )
        return f"<properties>\n{''.join(found)}</properties>\n"

    def line(self, record: JobRecord) -> str:
        group = f"{self._name}.{record.prompt_id}"
        if len(self._models.chosen) > 1:
            group += f".{record.request.model}"
        seconds = seconds_of(record.attempt) or 0.0
        case = {"name": record.output, "classname": group, "time": f"{seconds:.3f}"}
        content = self._content(record)
        end = f">{content}</testcase>" if content else "/>"
        return f"<testcase{_attributes(case)}{end}\n"

    def end(self) -> str:
        return "</testsuite>\n</testsuites>\n"

    def _content(self, record: JobRecord) -> str:
        found = verdict(record, recipe=self._recipe, models=self._models)
        if found is None:
            skipped = _SKIPPED.get(record.status)
            return "" if skipped is None else f"<skipped{_attributes({'message': skipped})}/>"
        element = _ELEMENTS[found.trouble]
        place = f"{record.source}: " if record.source else ""
        job = f"job {record.key}, attempt {record.attempts}"
        details = "\n".join((place + found.summary, found.advice, found.command, job))
        text = escape(_clean(details), {"\r": "&#13;"})
        attributes = _attributes({"type": found.code, "message": found.summary})
        return f"<{element}{attributes}>{text}</{element}>"


def report(reader: CheckpointReader, target: Target) -> Report:
    return _Suite(reader, target)


def _timestamp(counts: Counts) -> dict[str, str]:
    """When the first job was sent, in UTC; some readers accept no zone and no fraction."""
    begun = counts.begun
    return {"timestamp": begun.strftime("%Y-%m-%dT%H:%M:%S")} if begun else {}


def _attributes(values: Mapping[str, str]) -> str:
    return "".join(f" {name}={_quoted(value)}" for name, value in values.items())


@lru_cache(maxsize=256)  # many cases have the same class, time or message
def _quoted(value: str) -> str:
    return quoteattr(_clean(value))


def _clean(text: str) -> str:
    return _FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", text)
