"""Restore the cells of a manifest that a spreadsheet program has rewritten.

Only unambiguous changes are undone: decimal commas, other spellings of a number, times without
their T and Z. A number that has lost digits stays as it is, and the reader that needs it refuses
it. The model of a recipe finds an error code without its leading zeros.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from functools import cache
from types import MappingProxyType

from spark_batch.checkpoint import time_text
from spark_batch.jobs.request import number_text
from spark_batch.models.schemas import MANIFEST, schema
from spark_batch.reports.values import amount_text

# A number with a decimal point, or a comma where commas do not separate cells. A positive
# exponent is excluded: a spreadsheet writes one when it has dropped the last digits.
_POINT = re.compile(r"[+-]?([0-9]{1,30}(\.[0-9]{0,30})?|\.[0-9]{1,30})([Ee]-[0-9]{1,2})?")
_COMMA = re.compile(_POINT.pattern.replace(r"\.", ","))
_CLOCK = (
    r"(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2})"
    r"(:(?P<second>[0-9]{2})([.,](?P<part>[0-9]{1,6}))?)?"
)
_TIMES = (
    re.compile(
        r"(?P<year>[0-9]{4})-(?P<month>[0-9]{2})-(?P<day>[0-9]{2})[T ]" + _CLOCK + "(Z|[+]00:00)?"
    ),
    # Only dates whose first number is the day have dots.
    re.compile(r"(?P<day>[0-9]{1,2})[.](?P<month>[0-9]{1,2})[.](?P<year>[0-9]{4}) " + _CLOCK),
)


def restore(cells: dict[str, str], *, decimal_comma: bool) -> None:
    """Restore the cells of a row in place.

    With `decimal_comma` a comma in a number separates its fraction.
    """
    patterns = _patterns()
    for name, restored in _RESTORED.items():
        text = cells[name]
        if not text or (name in patterns and patterns[name].search(text)):
            continue
        number = _COMMA if decimal_comma and "," in text else _POINT
        cells[name] = restored(text.strip(), number) or text


@cache
def _patterns() -> Mapping[str, re.Pattern[str]]:
    properties = schema(MANIFEST)["items"]["properties"]
    return {
        name: re.compile(column["pattern"])
        for name, column in properties.items()
        if "pattern" in column
    }


def _number(text: str, pattern: re.Pattern[str]) -> Decimal | None:
    return Decimal(text.replace(",", ".")) if pattern.fullmatch(text) else None


def _whole(text: str, pattern: re.Pattern[str]) -> str | None:
    number = _number(text, pattern)
    return str(int(number)) if number is not None and number == int(number) else None


def _amount(text: str, pattern: re.Pattern[str]) -> str | None:
    return amount_text(_number(text, pattern))


def _scale(text: str, pattern: re.Pattern[str]) -> str | None:
    number = _number(text, pattern)
    return None if number is None else number_text(float(number))


def _moment(text: str, _: re.Pattern[str]) -> str | None:
    found = next((found for form in _TIMES if (found := form.fullmatch(text))), None)
    if found is None:
        return None
    part = found.groupdict(default="")
    day = f"{part['year']}-{part['month']:0>2}-{part['day']:0>2}"
    clock = f"{part['hour']:0>2}:{part['minute']}:{part['second']:0>2}.{part['part']:0<6}"
    try:
        return time_text(datetime.fromisoformat(f"{day}T{clock}+00:00"))
    except ValueError:
        return None


Restore = Callable[[str, re.Pattern[str]], str | None]

_RESTORED: Mapping[str, Restore] = MappingProxyType(
    {
        **dict.fromkeys(
            (
                *("seed", "take", "asked_width", "asked_height", "expected_width"),
                *("expected_height", "width", "height", "bytes", "input_tokens", "output_tokens"),
                *("total_tokens", "generated_images", "attempts"),
            ),
            _whole,
        ),
        **dict.fromkeys(("cost_usd", "discount", "seconds"), _amount),
        **dict.fromkeys(("submitted_at", "completed_at"), _moment),
        **dict.fromkeys(("job", "status", "sha256"), lambda text, _: text),
        "scale": _scale,
    }
)
