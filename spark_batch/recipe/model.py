"""The recipe's `model` → the model whose rules the rest of the recipe is checked by."""

from __future__ import annotations

from spark_batch import models
from spark_batch.models import Model
from spark_batch.recipe.diagnostics import Findings
from spark_batch.recipe.yaml import Node
from spark_batch.text import quoted


def read_model(root: Node, findings: Findings) -> Model:
    """The model that a recipe names, or the default one for a recipe that names none.

    Reports a name that no model has; the rest of the recipe is then checked by the rules of the
    default one. A value that is not a text is left to the recipe's schema.
    """
    node = root.get("model")
    if node is None or not isinstance(node.value, str):
        return models.default()
    known = models.names()
    if node.value in known:
        return models.load(node.value)
    hint = findings.suggestion(node.value, known) or f"; choose one of {', '.join(known)}"
    message = f"there is no model {quoted(node.value)}{hint}"
    findings.error(node.mark, code="value", path="model", message=message)
    return models.default()
