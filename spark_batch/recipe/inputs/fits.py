"""The recipe's `fit` → what is to be done to a picture."""

from __future__ import annotations

from functools import cache

from spark_batch import contract
from spark_batch.jobs import Fit
from spark_batch.recipe.document import Node


def fit_of(node: Node | None) -> Fit | None:
    """The fit that a checked entry asks for, the schema's defaults filled in; None for none."""
    if node is None or node.value is False:
        return None
    chosen = {key: node.get(key) for key in _defaults()}
    return Fit(
        **{key: each.text() if (each := chosen[key]) else text for key, text in _defaults().items()}
    )


@cache
def _defaults() -> dict[str, str]:
    properties = contract.schema(contract.RECIPE)["$defs"]["fit"]["properties"]
    return {key: each["default"] for key, each in properties.items()}
