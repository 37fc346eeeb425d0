"""Rows and cells of a table, whatever file they come from."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from spark_batch.recipe.characters import forbidden
from spark_batch.recipe.table.json_cells import BadNumber
from spark_batch.recipe.yaml import Scalar
from spark_batch.text import quoted

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
