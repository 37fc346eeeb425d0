"""Load and check recipes; `load` is the entry point."""

from spark_batch.recipe.diagnostics import MAX_ERRORS, Diagnostic, error_of
from spark_batch.recipe.load import Loaded, load

__all__ = ["MAX_ERRORS", "Diagnostic", "Loaded", "error_of", "load"]
