"""Load and check recipes; `load` is the entry point."""

from spark_batch.recipe.diagnostics import Diagnostic
from spark_batch.recipe.load import MAX_ERRORS, Loaded, error_of, load

__all__ = ["MAX_ERRORS", "Diagnostic", "Loaded", "error_of", "load"]
