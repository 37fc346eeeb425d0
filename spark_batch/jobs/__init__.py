"""The nouns: recipe, job, attempt, result, and the states of an attempt.

All are frozen values; their methods compute nothing but what follows from their own fields.
Money is `decimal.Decimal` in USD, sizes are pixels, times are aware UTC datetimes.
"""

from spark_batch.jobs.attempt import (
    FLAG_CODES,
    FLAGGED,
    NO_USAGE,
    SANDBOX_API,
    Attempt,
    JobRecord,
    Provenance,
    Result,
    State,
    Status,
    Usage,
    record_of,
    status_of,
)
from spark_batch.jobs.recipe import (
    NO_SIZE,
    Block,
    Exclusion,
    Fit,
    Input,
    Metadata,
    Parameters,
    Picture,
    Prompt,
    Recipe,
    RunSettings,
    Size,
    SizeIdentity,
    SourceLocation,
    Treatment,
)
from spark_batch.jobs.request import Difference, Job, Kind, Request, differences
from spark_batch.jobs.structure import Structure

__all__ = [
    "FLAGGED",
    "FLAG_CODES",
    "NO_SIZE",
    "NO_USAGE",
    "SANDBOX_API",
    "Attempt",
    "Block",
    "Difference",
    "Exclusion",
    "Fit",
    "Input",
    "Job",
    "JobRecord",
    "Kind",
    "Metadata",
    "Parameters",
    "Picture",
    "Prompt",
    "Provenance",
    "Recipe",
    "Request",
    "Result",
    "RunSettings",
    "Size",
    "SizeIdentity",
    "SourceLocation",
    "State",
    "Status",
    "Structure",
    "Treatment",
    "Usage",
    "differences",
    "record_of",
    "status_of",
]
