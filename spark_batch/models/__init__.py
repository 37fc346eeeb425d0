"""The models of the API: their parameters, picture rules, answers and error codes.

The only reader of `schemas/`. A `Model` is a value: a recipe holds the models that it names, and
code that needs a rule gets the model as an argument. `models.schemas` also reads the schemas that
do not belong to a model: the recipe, the manifest, a saved plan.
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
