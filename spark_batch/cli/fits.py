"""What `plan` says of pictures that are fitted before they are sent."""

from __future__ import annotations

from collections.abc import Iterator

from spark_batch import project

_SHOWN = 20


def lines(plan: project.Plan) -> Iterator[str]:
    """A line for each such input of the recipe, up to 20 of them."""
    inputs = {each.id: each.fit for block in plan.recipe.blocks for each in block.inputs}
    fitted = {name: words for name, words in inputs.items() if words}
    for name in list(fitted)[:_SHOWN]:
        yield f"fit {name}: {fitted[name]}"
    if len(fitted) > _SHOWN:
        yield f"fit: and {len(fitted) - _SHOWN} more inputs (--json tells of each job)"
