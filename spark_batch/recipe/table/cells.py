"""Rows, cells and columns of a table, whatever file they come from."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property

from spark_batch.jobs.names import MODEL, VARIABLES
from spark_batch.models import schemas
from spark_batch.recipe.characters import forbidden
from spark_batch.recipe.diagnostics import Findings, Mark, stop
from spark_batch.recipe.yaml import Scalar
from spark_batch.text import quoted, romanized

TEXTS = ("image", "prompt", "id", "size")  # columns in which `7` is a text
NOT_SAVED = "#UNSAVED!"  # the text of a cell whose formula has no saved result

_WHOLE = 10.0**21  # from it on, spreadsheets show a number with an exponent
# What spreadsheets show for a formula that fails, in their languages: a CSV file has these texts.
_ERRORS = frozenset(
    " ".join(
        (
            "#N/A #DIV/0! #NAME? #NULL! #NUM! #REF! #VALUE! #SPILL! #CALC! #FIELD! #BLOCKED!",
            "#CONNECT! #BUSY! #UNKNOWN! #PYTHON! #GETTING_DATA #ERROR!",  # the last: Google's
            "#NV #ZAHL! #BEZUG! #WERT! #ÜBERLAUF!",  # German
            "#NOM? #VALEUR! #NOMBRE! #NUL!",  # French
            "#N/D #N/D! #¿NOMBRE? #¡VALOR! #¡REF! #¡NUM! #¡NULO! #¡DIV/0!",  # Spanish
            "#NOME? #VALORE! #RIF! #NULLO! #VALOR! #NÚM! #NULO!",  # Italian, Portuguese
            "#N/B #NAAM? #WAARDE! #VERW! #GETAL! #DEEL/0! #LEEG!",  # Dutch
            "#NAZWA? #ARG! #ADR! #LICZBA! #DZIEL/0! #ZERO!",  # Polish
            "#Н/Д #ИМЯ? #ЗНАЧ! #ССЫЛКА! #ЧИСЛО! #ДЕЛ/0! #ПУСТО!",  # noqa: RUF001 - Russian
        )
    ).split()
)
_ERROR_NUMBER = re.compile(r"Err ?:5\d\d")  # LibreOffice's
_TOO_NARROW = re.compile("#{3,}")  # a number that did not fit into its column

MAX_COLUMNS = 100

_WORD = re.compile(r"[a-z0-9]+")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,99}")
_RESERVED = frozenset(VARIABLES) - {MODEL}  # names that a variable cannot have


class BadNumber(str):
    """A number of JSON that cannot be used: NaN, Infinity, 1e999; its text as written."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Row:
    """The cells of a row that are not empty; `line` is its first."""

    line: int
    cells: Mapping[str, Scalar]


def number_text(number: float) -> str:
    """A number of a cell with up to 15 significant digits, as spreadsheets show it."""
    text = f"{number:.15g}"
    return str(int(float(text))) if number.is_integer() and abs(number) < _WHOLE else text


def fault(column: str, value: object) -> str | None:
    """The error in a value that no column allows, or None."""
    if value == NOT_SAVED:
        return "the formula has no saved result; open the file in a spreadsheet program and save it"
    if isinstance(value, str) and (value in _ERRORS or _ERROR_NUMBER.fullmatch(value)):
        return f"the cell has the error {value}; mend its formula, or empty the cell"
    if isinstance(value, str) and _TOO_NARROW.fullmatch(value):
        return (
            f"the cell has {quoted(value)} in place of a value, which did not fit into its column;"
            " widen the column and save the table again"
        )
    if not isinstance(value, BadNumber):
        return forbidden(value) if isinstance(value, str) else None
    if column in TEXTS:
        return "expected a text; put it in quotes"
    if value[-1].isdigit():
        return f"{quoted(value)} is too large or too long for a number"
    return f"{quoted(value)} is not valid JSON; write a number, or leave it out"


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
