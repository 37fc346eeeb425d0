"""Report jobs without a value for a parameter that their model requires."""

from __future__ import annotations

from collections.abc import Iterable

from spark_batch.jobs import NO_SIZE, Block, dropping
from spark_batch.recipe.diagnostics import Findings
from spark_batch.recipe.yaml import Node
from spark_batch.text import quoted

_SIDES = frozenset(("width", "height"))


def lacking(block: Block) -> tuple[str, ...]:
    """The axes that the block's model requires, and for which some requests have no value."""
    required = block.model.required
    if not required:
        return ()
    without = {"size": NO_SIZE in block.sizes}
    without |= {"scale": None in block.scales, "seed": None in block.seeds}
    for name in block.model.further:
        without[name] = any(name not in dict(chosen) for chosen in block.parameters)
    needed = required | {"size"} if required & _SIDES else required
    return tuple(axis for axis, is_without in without.items() if is_without and axis in needed)


def check(blocks: Iterable[Block], root: Node, findings: Findings) -> None:
    """Report each required axis that jobs of `variants` or of an entry of `include` lack.

    Those of rows are reported at the row, where they are read.
    """
    entries = root.get("include")
    places = {f"include[{at}]": node for at, node in enumerate(entries.items() if entries else ())}
    top = root.get("variants") or root.get("model") or root
    absent = dict.fromkeys(
        (block.origin, block.model.name, axis)
        for block in blocks
        for axis in lacking(block)
        if dropping.count(block)
    )
    for origin, model, axis in absent:
        message = f"{model} requires {quoted(axis)}, and jobs have no value for it"
        message += f"; add {origin}.{axis}"
        mark = places.get(origin, top).mark
        findings.error(mark, code="required", path=origin, message=message)
