"""Read `exclude`, rules that drop jobs, and `include`, further blocks of jobs."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from spark_batch.jobs import Block, Exclusion, Recipe, Size, matrix
from spark_batch.jobs.request import number_text
from spark_batch.models import Model
from spark_batch.recipe import ids, variants, warnings
from spark_batch.recipe.diagnostics import Findings
from spark_batch.recipe.prompts import PromptEntry
from spark_batch.recipe.schema import shown, start
from spark_batch.recipe.variants import number, size_label, size_of, whole
from spark_batch.recipe.yaml import Node
from spark_batch.text import quoted

_AXES = ("input", "prompt", "size", "scale", "seed", "take")

T = TypeVar("T", bound=Hashable)


def exclusions(
    node: Node | None, block: Block, known: ids.Known, findings: Findings
) -> tuple[Exclusion, ...]:
    """The exclusions. Reports unknown axes, and values that the axis does not have.

    Does not check names that may refer to entries with errors.
    """
    items = () if node is None else node.items()
    axes = _Axes(block, _variables(block), known)
    return tuple(
        _exclusion(item, f"exclude[{at}]", axes, findings) for at, item in enumerate(items)
    )


def apart(
    entries: Sequence[PromptEntry], known: ids.Known, findings: Findings
) -> tuple[Exclusion, ...]:
    """Rules that drop each prompt with the inputs that it is not for."""
    found = []
    for entry in entries:
        if entry.inputs is not None and known.inputs is not None:
            others = frozenset(known.inputs) - inputs_for(entry, known.inputs, findings)
            found.append(Exclusion(inputs=others, prompts=frozenset((entry.id,))))
    return tuple(found)


def inputs_for(entry: PromptEntry, known: tuple[str, ...], findings: Findings) -> frozenset[str]:
    """The ids of the inputs that a prompt is for; reports one that is for none."""
    if entry.inputs is None:
        return frozenset(known)
    where, before = f"{entry.where}.inputs", findings.errors
    found = ids.chosen(entry.inputs, where, kind="input", known=known, findings=findings)
    if not found and findings.errors == before:
        message = "no input is left for this prompt; remove it, or name one"
        findings.error(entry.inputs.mark, code="no-such-id", path=where, message=message)
    return found


def check_exclusions(recipe: Recipe, node: Node | None, findings: Findings) -> None:
    """Report exclusions that match no job, and a recipe without jobs."""
    if node is None:
        return
    idle = matrix.idle(recipe)
    for at in idle:
        message = "no combination of the recipe matches this; remove it"
        mark, where = start(node.items()[at]), f"exclude[{at}]"
        findings.error(mark, code="exclude-idle", path=where, message=message)
    if not idle and matrix.count_jobs(recipe) == 0:
        message = "every combination of the recipe is excluded; nothing is left to make"
        findings.error(node.mark, code="exclude-all", path="exclude", message=message)


@dataclass(frozen=True, slots=True)
class _Axes:
    """The values that exclusions can name."""

    block: Block
    variables: Mapping[str, tuple[str, ...]]
    known: ids.Known


def _exclusion(node: Node, where: str, axes: _Axes, findings: Findings) -> Exclusion:
    block, variables, doubtful = axes.block, axes.variables, axes.known.doubtful

    def names(axis: str, known: tuple[str, ...] | None) -> frozenset[str] | None:
        given = node.get(axis)
        if given is None or known is None:
            return None
        return ids.chosen(given, f"{where}.{axis}", kind=axis, known=known, findings=findings)

    def values(
        axis: str, known: Mapping[T, str], value: Callable[[Node, str], T | None]
    ) -> frozenset[T] | None:
        given = node.get(axis)
        if given is None or ("variants" in doubtful and axis not in variables):
            return None
        return _values(given, f"{where}.{axis}", known, value, findings)

    sizes = {(size.width, size.height): _written(size, block.model) for size in block.sizes}

    def sides(item: Node, here: str) -> tuple[int, int] | None:
        size = size_of(item, here, block.model, findings)
        return None if size is None else (size.width, size.height)

    if "prompts" not in doubtful:
        _unknown(node, where, variables, findings)
    return Exclusion(
        inputs=names("input", axes.known.inputs),
        prompts=names("prompt", axes.known.prompts),
        sizes=values("size", sizes, sides),
        scales=values(
            "scale",
            {scale: number_text(scale) for scale in block.scales},
            lambda item, _: number(item) + 0.0,
        ),
        seeds=values(
            "seed", {seed: str(seed) for seed in block.seeds}, lambda item, _: whole(item)
        ),
        takes=values(
            "take",
            {take: str(take) for take in range(1, block.takes + 1)},
            lambda item, _: whole(item),
        ),
        variables=tuple(
            (name, found)
            for name, known in variables.items()
            if "prompts" not in doubtful
            if (found := values(name, {text: text for text in known}, lambda item, _: item.text()))
        ),
    )


def _values(
    node: Node,
    where: str,
    known: Mapping[T, str],
    value: Callable[[Node, str], T | None],
    findings: Findings,
) -> frozenset[T]:
    """The values that an exclusion names on an axis; reports those that the recipe lacks."""
    found: set[T] = set()
    for at, item in enumerate(node.items()):
        here = ids.item_path(node, where, at)
        one = value(item, here)
        if one is None:
            continue
        found.add(one)
        if one not in known:
            texts = tuple(known.values())
            hint = findings.suggestion(item.text(), texts) if isinstance(item.value, str) else ""
            what = shown(item) if item.raw else "this size"
            message = f"{what} is not in the recipe{hint or f'; there are {ids.listed(texts)}'}"
            findings.error(item.mark, code="no-such-value", path=here, message=message)
    return frozenset(found)


def _unknown(
    node: Node, where: str, variables: Mapping[str, tuple[str, ...]], findings: Findings
) -> None:
    known = (*_AXES, *variables)
    for key, mark in node.keys.items():
        if key not in known:
            hint = findings.suggestion(key, known) or f"; known are {', '.join(known)}"
            message = f"{quoted(key)} is not an axis of this recipe{hint}"
            findings.error(mark, code="unknown-key", path=where, message=message)


def _variables(block: Block) -> Mapping[str, tuple[str, ...]]:
    found: dict[str, dict[str, None]] = {}
    for name, value in (pair for prompt in block.prompts for pair in prompt.variables):
        found.setdefault(name, {})[value] = None
    return {name: tuple(values) for name, values in found.items()}


def _written(size: Size, model: Model) -> str:
    """A size as written in recipes; its label is for file names."""
    return next((name for name in model.sizes if size_label(name) == size.label), size.label)


def inclusions(
    node: Node | None, matrix_block: Block, known: ids.Known, findings: Findings
) -> tuple[Block, ...]:
    """A block for each entry, with inputs and prompts of the main matrix.

    Reports unknown ids, unless errors leave the ids unknown. Jobs of earlier blocks are not
    repeated.
    """
    repeats: list[Exclusion] = [matrix.made_by(matrix_block)]
    found: list[Block] = []
    for at, item in enumerate(() if node is None else node.items()):
        block = _block(item, f"include[{at}]", matrix_block, known, findings)
        block = replace(block, apart=matrix_block.apart)
        found.append(replace(block, repeats=tuple(repeats)))
        repeats.append(matrix.made_by(block))
    return tuple(found)


def check_inclusions(recipe: Recipe, node: Node | None, findings: Findings) -> None:
    """Warn about entries whose jobs all exist already."""
    items = () if node is None else node.items()
    for at, (item, block) in enumerate(zip(items, recipe.blocks[1:], strict=False)):
        if matrix.count_jobs(replace(recipe, blocks=(block,))) == 0:
            message = "this adds nothing: all of its jobs exist already"
            path = f"include[{at}]"
            findings.warn(start(item), code="include-repeats", path=path, message=message)


def _block(node: Node, where: str, source: Block, known: ids.Known, findings: Findings) -> Block:
    axes = variants.variants(node, source.model, findings, path=where)
    warnings.sizes(axes.located, source.model, findings)
    warnings.seeds(node.get("seed"), source.model, findings, path=f"{where}.seed")

    def names(key: str, kind: str, there: tuple[str, ...] | None) -> frozenset[str]:
        given = node.get(key)
        if given is None or there is None:
            return frozenset(there or ())
        return ids.chosen(given, f"{where}.{key}", kind=kind, known=there, findings=findings)

    inputs = names("inputs", "input", known.inputs)
    prompts = names("prompts", "prompt", known.prompts)
    block = axes.block(
        (picture for picture in source.inputs if picture.id in inputs),
        (prompt for prompt in source.prompts if prompt.id in prompts),
        origin=where,
    )
    return _inherited(block, source, node, where, findings)


def _inherited(block: Block, source: Block, node: Node, where: str, findings: Findings) -> Block:
    """A block with the axes of `variants` that its entry leaves open; a note says which."""
    takes = "seed" if node.get("takes") is None else ""  # takes belong to a seed
    axes = {"size": "sizes", "scale": "scales", "seed": "seeds"}
    left = {axis: field for axis, field in axes.items() if node.get(axis) is None}
    if takes in left:
        left["takes"] = "takes"
    changed = {field: getattr(source, field) for field in left.values()}
    if replace(block, **changed) != block:
        message = f"{where} takes {', '.join(left)} from variants"
        findings.note(start(node), code="include-inherits", path=where, message=message)
    return replace(block, **changed)
