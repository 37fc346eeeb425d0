"""A recipe's text → located YAML → checked Recipe; `load` is the way in."""

from spark_batch.recipe.diagnostics import Diagnostic
from spark_batch.recipe.load import MAX_ERRORS, Loaded, error_of, load

__all__ = ["MAX_ERRORS", "Diagnostic", "Loaded", "error_of", "load"]
