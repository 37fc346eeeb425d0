"""Recipe → jobs, lazily and in the recipe's order, with their keys and the names of their files.

A job's key is a hash of what the API will see, and of nothing else; `requests` has its exact form,
`names` the output templates.
"""

from spark_batch.matrix.clashes import collisions, in_folders, reduced
from spark_batch.matrix.making import (
    combinations,
    count,
    excluded,
    idle,
    jobs,
    made_by,
    origins,
    template,
)
from spark_batch.matrix.names import (
    VARIABLES,
    default_template,
    digest,
    output_name,
    prompt_id,
    prompt_name,
    seen,
    slug,
    tokens,
    value_names,
    without_accents,
)
from spark_batch.matrix.requests import KEY_DIGITS, key, number_text, picture_text
from spark_batch.matrix.selecting import Chooser, Facts, job_facts, standing_facts
from spark_batch.matrix.sharding import Shard, labelled_shard, read_shard

__all__ = [
    "KEY_DIGITS",
    "VARIABLES",
    "Chooser",
    "Facts",
    "Shard",
    "collisions",
    "combinations",
    "count",
    "default_template",
    "digest",
    "excluded",
    "idle",
    "in_folders",
    "job_facts",
    "jobs",
    "key",
    "labelled_shard",
    "made_by",
    "number_text",
    "origins",
    "output_name",
    "picture_text",
    "prompt_id",
    "prompt_name",
    "read_shard",
    "reduced",
    "seen",
    "slug",
    "standing_facts",
    "template",
    "tokens",
    "value_names",
    "without_accents",
]
