"""Read `include`: further blocks of jobs; what all of them require."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby

from spark_batch.jobs import Block, Parameters, Recipe, dropping, matrix
from spark_batch.jobs.dropping import Repeats
from spark_batch.recipe import ids, per_input, variants, warnings
from spark_batch.recipe.diagnostics import Findings
from spark_batch.recipe.inputs import Listed
from spark_batch.recipe.per_input import Refuse
from spark_batch.recipe.schema import start
from spark_batch.recipe.variants import combined
from spark_batch.recipe.yaml import Node, placed_items
from spark_batch.text import quoted

_FIELDS = {"size": "sizes", "scale": "scales", "seed": "seeds", "takes": "takes"}


def inclusions(
    node: Node | None,
    matrix_blocks: Sequence[Block],
    listed: Sequence[Listed],
    known: ids.Known,
    findings: Findings,
) -> tuple[Block, ...]:
    """Blocks for each entry, with inputs and prompts of the blocks of the main matrix.

    Reports unknown ids, unless errors leave the ids unknown. Jobs of earlier blocks are not
    repeated.
    """
    repeats = Repeats(matrix_blocks)
    size_names = {name for block in matrix_blocks for name in block.model.sizes}
    found: list[Block] = []
    for item, where in placed_items(node, "include"):
        chosen = _models(item, where, matrix_blocks, findings)
        blocks: list[Block] = []
        for name, part in findings.by_model(dict.fromkeys(block.model.name for block in chosen)):
            sources = [block for block in chosen if block.model.name == name]
            refuse = per_input.refusal(listed, part)
            blocks += _joined(
                _blocks(item, where, sources, known, part, size_names=size_names, refuse=refuse)
            )
        found.extend(
            replace(block, repeats=repeats.of(block.model.name, (one.id for one in block.inputs)))
            for block in blocks
        )
        repeats.add(blocks)
    return tuple(found)


def check_required(blocks: Iterable[Block], root: Node, findings: Findings) -> None:
    """Report each required axis that jobs of `variants` or of an entry of `include` lack.

    Those of rows are reported at the row, where they are read.
    """
    places = {path: node for node, path in placed_items(root.get("include"), "include")}
    top = root.get("variants") or root.get("model") or root
    absent = dict.fromkeys(
        (block.origin, block.model.name, axis)
        for block in blocks
        for axis in block.lacking
        if dropping.count(block)
    )
    for origin, model, axis in absent:
        message = f"{model} requires {quoted(axis)}, and jobs have no value for it"
        message += f"; add {origin}.{axis}"
        mark = places.get(origin, top).mark
        findings.error(mark, code="required", path=origin, message=message)


def _models(
    node: Node, where: str, blocks: Sequence[Block], findings: Findings
) -> tuple[Block, ...]:
    """The blocks of the models that an entry names; all of them when it names none."""
    given = node.get("model")
    if given is None:
        return tuple(blocks)
    known = tuple(dict.fromkeys(block.model.name for block in blocks))
    names = ids.chosen(given, f"{where}.model", kind="model", known=known, findings=findings)
    return tuple(block for block in blocks if block.model.name in names)


def check_inclusions(recipe: Recipe, node: Node | None, findings: Findings) -> None:
    """Warn about entries whose jobs all exist already."""
    for item, path in placed_items(node, "include"):
        blocks = tuple(block for block in recipe.blocks if block.origin == path)
        if matrix.count_jobs(replace(recipe, blocks=blocks)) == 0:
            message = "this adds nothing: all of its jobs exist already"
            findings.warn(start(item), code="include-repeats", path=path, message=message)


def _blocks(
    node: Node,
    where: str,
    sources: Sequence[Block],
    known: ids.Known,
    findings: Findings,
    *,
    size_names: Collection[str],
    refuse: Refuse,
) -> Iterator[Block]:
    """The blocks of an entry for a model: one for each of the model's main blocks or more."""
    model = sources[0].model
    axes = variants.variants(node, model, findings, path=where, size_names=size_names)
    warnings.sizes(axes.located, model, findings)
    warnings.seeds(node.get("seed"), model, findings, path=f"{where}.seed")

    def names(key: str, kind: str, there: tuple[str, ...] | None) -> frozenset[str]:
        given = node.get(key)
        if given is None or there is None:
            return frozenset(there or ())
        return ids.chosen(given, f"{where}.{key}", kind=kind, known=there, findings=findings)

    inputs = names("inputs", "input", known.inputs)
    prompts = names("prompts", "prompt", known.prompts)
    for source in sources:
        block = replace(
            axes.block,
            inputs=tuple(picture for picture in source.inputs if picture.id in inputs),
            prompts=tuple(prompt for prompt in source.prompts if prompt.id in prompts),
            origin=where,
        )
        if block.inputs or len(sources) == 1:
            whole = _inherited(block, source, node, where, findings)
            yield from per_input.split(replace(whole, apart=source.apart), refuse)


def _joined(blocks: Iterator[Block]) -> Iterator[Block]:
    """Blocks with the same axes that follow each other as one."""
    for axes, alike in groupby(blocks, lambda block: replace(block, inputs=())):
        yield replace(axes, inputs=tuple(one for block in alike for one in block.inputs))


def _inherited(block: Block, source: Block, node: Node, where: str, findings: Findings) -> Block:
    """A block with the axes of `variants` that its entry leaves open; a note lists them."""
    left = [axis for axis in source.model.axes if node.get(axis) is None]
    if node.get("takes") is None and ("seed" in left or not source.model.has_axis("seed")):
        left.append("takes")  # they belong to a seed
    changed = {field: getattr(source, field) for axis, field in _FIELDS.items() if axis in left}
    whole = replace(block, **changed, parameters=_given_parameters(block, source, left))
    if whole != block:
        message = f"inherits {', '.join(left)} from variants"
        findings.note(start(node), code="include-inherits", path=where, message=message)
    return whole


def _given_parameters(block: Block, source: Block, left: Sequence[str]) -> tuple[Parameters, ...]:
    """The combinations of further parameters: those of the entry, those in `left` inherited."""
    owners = {name: source if name in left else block for name in block.model.further}
    return combined(
        {
            name: tuple(dict.fromkeys(dict(one).get(name) for one in owner.parameters))
            for name, owner in owners.items()
        }
    )
