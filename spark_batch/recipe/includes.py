"""The recipe's `include` → further blocks, which leave out what earlier ones make."""

from __future__ import annotations

from dataclasses import replace

from spark_batch import matrix
from spark_batch.jobs import Block, Exclusion, Recipe
from spark_batch.recipe import advice, ids, variants
from spark_batch.recipe.check import start
from spark_batch.recipe.diagnostics import Findings
from spark_batch.recipe.document import Node


def read(
    node: Node | None, matrix_block: Block, known: ids.Known, findings: Findings
) -> tuple[Block, ...]:
    """A block for each entry, with inputs and prompts of the matrix before it.

    An id that is unknown is told, unless errors leave open what ids there are. What an
    earlier block makes, the entry does not make again.
    """
    made: list[Exclusion] = [matrix.made_by(matrix_block)]
    found: list[Block] = []
    for at, item in enumerate(() if node is None else node.items()):
        block = _block(item, f"include[{at}]", matrix_block, known, findings)
        found.append(replace(block, repeats=tuple(made)))
        made.append(matrix.made_by(block))
    return tuple(found)


def check(recipe: Recipe, node: Node | None, findings: Findings) -> None:
    """Warns of an entry all of whose jobs are there already."""
    items = () if node is None else node.items()
    for at, (item, block) in enumerate(zip(items, recipe.blocks[1:], strict=False)):
        if matrix.count(replace(recipe, blocks=(block,))) == 0:
            message = "this adds nothing: everything in it is made already"
            path = f"include[{at}]"
            findings.warn(start(item), code="include-repeats", path=path, message=message)


def _block(node: Node, where: str, source: Block, known: ids.Known, findings: Findings) -> Block:
    axes = variants.variants(node, findings, path=where)
    advice.sizes(axes.located, findings)
    advice.seeds(node.get("seed"), findings, path=f"{where}.seed")

    def names(key: str, kind: str, there: tuple[str, ...] | None) -> frozenset[str]:
        given = node.get(key)
        if given is None or there is None:
            return frozenset(there or ())
        return ids.chosen(given, f"{where}.{key}", kind=kind, known=there, findings=findings)

    inputs = names("inputs", "input", known.inputs)
    prompts = names("prompts", "prompt", known.prompts)
    return Block(
        inputs=tuple(each for each in source.inputs if each.id in inputs),
        prompts=tuple(each for each in source.prompts if each.id in prompts),
        sizes=axes.sizes,
        scales=axes.scales,
        seeds=axes.seeds,
        takes=axes.takes,
        origin=where,
    )
