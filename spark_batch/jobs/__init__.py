"""The nouns: recipe, job, attempt, result, and the states that an attempt goes through.

All of them are frozen values without behaviour beyond what follows from their own fields.
Money is `decimal.Decimal` in USD, sizes are pixels, times are aware UTC datetimes.
"""

from spark_batch.jobs.made import (
    NO_USAGE,
    SANDBOX_API,
    Attempt,
    Provenance,
    Result,
    Standing,
    State,
    Status,
    Usage,
    status_of,
)
from spark_batch.jobs.wanted import (
    Block,
    Exclusion,
    Fit,
    Input,
    Job,
    Picture,
    Place,
    Prompt,
    Recipe,
    RunSettings,
    Size,
    Treatment,
)

__all__ = [
    "NO_USAGE",
    "SANDBOX_API",
    "Attempt",
    "Block",
    "Exclusion",
    "Fit",
    "Input",
    "Job",
    "Picture",
    "Place",
    "Prompt",
    "Provenance",
    "Recipe",
    "Result",
    "RunSettings",
    "Size",
    "Standing",
    "State",
    "Status",
    "Treatment",
    "Usage",
    "status_of",
]
