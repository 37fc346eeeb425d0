"""Recipe → jobs, lazily and in the recipe's order, with their keys and the names of their files.

A job's key is a hash of what the API will see, and of nothing else (spark_batch/README.md, "The
job id"); `jobs.request` says of what exactly, `names` how an output template is filled in.
"""

from spark_batch.jobs.request import KEY_DIGITS, key, number_text, picture_text
from spark_batch.matrix.clashes import collisions, in_folders, reduced
from spark_batch.matrix.excluding import made_by
from spark_batch.matrix.making import (
    combinations,
    count,
    excluded,
    idle,
    jobs,
    origins,
    template,
)
from spark_batch.matrix.names import (
    VARIABLES,
    default_template,
    output_name,
    prompt_name,
    tokens,
    value_names,
)
from spark_batch.matrix.selecting import Chooser, Facts, facts
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
    "excluded",
    "facts",
    "idle",
    "in_folders",
    "jobs",
    "key",
    "labelled_shard",
    "made_by",
    "number_text",
    "origins",
    "output_name",
    "picture_text",
    "prompt_name",
    "read_shard",
    "reduced",
    "template",
    "tokens",
    "value_names",
]
