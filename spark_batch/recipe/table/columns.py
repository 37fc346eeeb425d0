"""The columns of a table: the recipe's own, parameters of models, and variables."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from functools import cached_property

from spark_batch.jobs.names import MODEL, VARIABLES
from spark_batch.models import schemas
from spark_batch.recipe.diagnostics import Findings, Mark, stop
from spark_batch.recipe.table.cells import TEXTS
from spark_batch.text import quoted, romanized

MAX_COLUMNS = 100

_WORD = re.compile(r"[a-z0-9]+")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,99}")
_RESERVED = frozenset(VARIABLES) - {MODEL}  # names that a variable cannot have


class Columns:
    """The names of a table's columns, or of the keys of its objects.

    `variables` maps each column that is a variable to its name in `${...}`; `header` has all
    columns in their order, none in a table without a header.
    """

    def __init__(self, parameters: Mapping[str, bool], whole: Collection[str] = ()) -> None:
        """`parameters` are those of the recipe's models; those with True hold texts.

        Columns in `whole` hold whole numbers.
        """
        self._parameters = parameters
        self.whole = whole
        self.texts = {*TEXTS, *(name for name, is_text in parameters.items() if is_text)}
        self.variables: dict[str, str] = {}
        self.header: list[str] = []
        self._taken: dict[str, str] = {}  # the column that has a name, by that name

    @cached_property
    def known(self) -> tuple[str, ...]:
        """The columns that are not variables."""
        row = schemas.schema(schemas.RECIPE)["$defs"]["row"]
        return (*row["properties"], *self._parameters)

    def take_known(self) -> None:
        """Reserve the names in `known`, in a table whose columns show up one after the other."""
        self._taken.update(zip(self.known, self.known, strict=True))

    def add(self, column: str) -> str | None:
        """Record a column and its variable; return the error in its name, or None."""
        is_known = column in self.known
        name = column if is_known else variable_name(column)
        if not name:
            return f"the column {quoted(column)} has no letter; give it a name, or remove it"
        if not is_known and (name in _RESERVED or name in self._parameters):
            return (
                f"the column {quoted(column)} cannot be a variable: {quoted(name)} has a meaning of"
                " its own in output names; use another name"
            )
        if name in self._taken:
            first = self._taken[name]
            same = "" if first == column else f": it is the same variable as {quoted(first)}"
            return f"the column {quoted(column)} is given twice{same}"
        self._taken[name] = column
        if not is_known:
            self.variables[column] = name
        return None


def variable_name(column: str) -> str:
    """A column's name as `${...}` writes it: itself, or its words in ASCII, joined by `_`."""
    if _NAME.fullmatch(column):
        return column
    words = "_".join(_WORD.findall(romanized(column)[0].lower()))
    return words if _NAME.fullmatch(words) else ""


def refuse_many(findings: Findings, line: int, number: int, what: str) -> None:
    """Raise Stop for more columns than a table may have; `what` is what they are called."""
    if number > MAX_COLUMNS:
        message = f"the table has {number} {what}; at most {MAX_COLUMNS} are allowed"
        raise stop(findings, Mark(line), "table", message)
