"""The models of the API: their parameters, picture rules, answers and error codes.

The only reader of `schemas/`. A `Model` is a value: a recipe carries the one that it names, and
whoever needs a rule gets the model as an argument. `models.schemas` reads the schemas that belong
to no model: the recipe, the manifest, a saved plan.
"""

from spark_batch.models.codes import ErrorCode, ErrorCodes
from spark_batch.models.load import build, default, gateway, load, names, of_recipe
from spark_batch.models.model import (
    AnswerRules,
    Model,
    Models,
    OutputRules,
    PictureField,
    PictureFields,
    PictureRules,
)

__all__ = [
    "AnswerRules",
    "ErrorCode",
    "ErrorCodes",
    "Model",
    "Models",
    "OutputRules",
    "PictureField",
    "PictureFields",
    "PictureRules",
    "build",
    "default",
    "gateway",
    "load",
    "names",
    "of_recipe",
]
