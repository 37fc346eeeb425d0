"""Amounts, times and durations in the form that every report uses; None for unknown values."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from spark_batch.checkpoint import time_text
from spark_batch.jobs import Attempt


def amount_text(number: Decimal | None) -> str | None:
    """Write a decimal without an exponent."""
    return None if number is None else format(number, "f")


def moment_text(moment: datetime | None) -> str | None:
    """Write a time in UTC as ISO 8601."""
    return None if moment is None else time_text(moment)


def seconds_of(attempt: Attempt | None) -> float | None:
    """Seconds from submission to the end of an attempt; 0 if the clock was set back meanwhile."""
    if attempt is None or attempt.submitted_at is None or attempt.completed_at is None:
        return None
    return max(0.0, (attempt.completed_at - attempt.submitted_at).total_seconds())
