"""The rest of a recipe, which the rows of its table depend on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from spark_batch.jobs import Block
from spark_batch.models import Models
from spark_batch.recipe import per_input
from spark_batch.recipe.diagnostics import Findings
from spark_batch.recipe.prompts import PromptEntry

# Columns that a model may not have.
OF_MODELS = ("size", "scale", "seed")


@dataclass(frozen=True, slots=True)
class Given:
    """The rest of the recipe: its blocks, the axes of its models and inputs, its folder.

    `name` is the table's path as written; `inputs_valid` says that `inputs` has no errors.
    `prompts` are the recipe's, for a table without its own; `template` is that of output names.
    """

    blocks: tuple[Block, ...]
    axes: per_input.Values
    models: Models
    folder: Path
    name: str
    inputs_valid: bool
    prompts: tuple[PromptEntry, ...]
    template: str | None
    findings: Findings
