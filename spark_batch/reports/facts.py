"""Amounts, times and durations as every report writes them; None where nothing is known."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from spark_batch.checkpoint import time_text
from spark_batch.jobs import Attempt


def amount_text(number: Decimal | None) -> str | None:
    """A decimal without an exponent."""
    return None if number is None else format(number, "f")


def moment_text(moment: datetime | None) -> str | None:
    """A time in UTC, ISO 8601."""
    return None if moment is None else time_text(moment)


def seconds_of(attempt: Attempt | None) -> float | None:
    """Seconds between sending and the end; a clock that was set back meanwhile makes it 0."""
    if attempt is None or attempt.submitted_at is None or attempt.completed_at is None:
        return None
    return max(0.0, (attempt.completed_at - attempt.submitted_at).total_seconds())
