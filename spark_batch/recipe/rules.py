"""Read `exclude`, rules that drop jobs, and `include`, further blocks of jobs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from spark_batch.jobs import Block, Exclusion, Parameters, Recipe, Size, SizeIdentity, matrix
from spark_batch.jobs.names import value_slug
from spark_batch.jobs.request import value_text
from spark_batch.models import Model
from spark_batch.recipe import ids, variants, warnings
from spark_batch.recipe.diagnostics import Findings
from spark_batch.recipe.prompts import PromptEntry
from spark_batch.recipe.schema import shown, start
from spark_batch.recipe.variants import (
    combined,
    number,
    parameter_value,
    size_label,
    size_of,
    whole,
)
from spark_batch.recipe.yaml import Node
from spark_batch.text import quoted

_AXES = ("model", "input", "prompt", "take")
_FIELDS = {"size": "sizes", "scale": "scales", "seed": "seeds", "takes": "takes"}

T = TypeVar("T", bound=Hashable)


def exclusions(
    node: Node | None, blocks: Sequence[Block], known: ids.Known, findings: Findings
) -> tuple[Exclusion, ...]:
    """The exclusions from the blocks of the matrix, one a model.

    Reports unknown axes, and values that the axis does not have. Does not check names that may
    refer to entries with errors.
    """
    items = () if node is None else node.items()
    axes = _Axes(tuple(blocks), _variables(blocks), known)
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
    """The values that exclusions can name: those of the matrix, which has one block a model."""

    blocks: tuple[Block, ...]
    variables: Mapping[str, tuple[str, ...]]
    known: ids.Known

    @property
    def models(self) -> tuple[Model, ...]:
        """The models of the matrix."""
        return tuple(block.model for block in self.blocks)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all axes. A variable may be called `model` where there is one model."""
        of_models = (name for model in self.models for name in model.axes)
        return tuple(dict.fromkeys((*_AXES, *of_models, *self.variables)))


def _exclusion(node: Node, where: str, axes: _Axes, findings: Findings) -> Exclusion:
    blocks, variables, doubtful = axes.blocks, axes.variables, axes.known.doubtful

    def names(axis: str, known: tuple[str, ...] | None) -> frozenset[str] | None:
        given = node.get(axis)
        if given is None or known is None or axis in variables:
            return None
        return ids.chosen(given, f"{where}.{axis}", kind=axis, known=known, findings=findings)

    def values(
        axis: str, known: Mapping[T, str], value: Callable[[Node, str], T | None]
    ) -> frozenset[T] | None:
        given = node.get(axis)
        if given is None or ("variants" in doubtful and axis not in variables):
            return None
        return _values(given, f"{where}.{axis}", known, value, findings)

    sizes = {size.identity: _written(size, block.model) for block in blocks for size in block.sizes}
    scales: dict[float | None, str] = {
        scale: value_slug(scale) for block in blocks for scale in block.scales if scale is not None
    }
    seeds: dict[int | None, str] = {
        seed: str(seed) for block in blocks for seed in block.seeds if seed is not None
    }
    takes = {take: str(take) for block in blocks for take in range(1, block.takes + 1)}

    def size(item: Node, here: str) -> SizeIdentity | None:
        found = _size_of_any(item, here, axes.models, findings)
        return None if found is None else found.identity

    if "prompts" not in doubtful:
        _unknown(node, where, axes.names, findings)
    return Exclusion(
        models=names("model", tuple(model.name for model in axes.models)),
        inputs=names("input", axes.known.inputs),
        prompts=names("prompt", axes.known.prompts),
        sizes=values("size", sizes, size),
        scales=values("scale", scales, lambda item, _: number(item) + 0.0),
        seeds=values("seed", seeds, lambda item, _: whole(item)),
        takes=values("take", takes, lambda item, _: whole(item)),
        parameters=_parameters(node, where, axes, findings),
        variables=tuple(
            (name, found)
            for name, known in variables.items()
            if "prompts" not in doubtful
            if (found := values(name, {text: text for text in known}, lambda item, _: item.text()))
        ),
    )


def _size_of_any(item: Node, here: str, models: Sequence[Model], findings: Findings) -> Size | None:
    """The size that a value is to the first model that knows it; reports one that none knows."""
    able = [model for model in models if model.has_axis("size")]
    for model in able[1:]:
        if (size := size_of(item, here, model, Findings(findings.source))) is not None:
            return size
    return size_of(item, here, able[0], findings) if able else None


def _parameters(
    node: Node, where: str, axes: _Axes, findings: Findings
) -> frozenset[Parameters] | None:
    """The combinations of further parameters that an exclusion is about; None for any."""
    combinations = dict.fromkeys(one for block in axes.blocks for one in block.parameters)
    known: dict[str, dict[Any, str]] = {}
    for name, value in (pair for combination in combinations for pair in combination):
        known.setdefault(name, {})[value] = value_text(value)
    wanted = {
        name: _values(given, f"{where}.{name}", values, _parameter, findings)
        for name, values in known.items()
        if name not in axes.variables and (given := node.get(name)) is not None
    }
    if not wanted:
        return None
    return frozenset(
        combination
        for combination in combinations
        if all(dict(combination).get(name) in values for name, values in wanted.items())
    )


def _parameter(item: Node, _where: str) -> Any:
    return parameter_value(item)


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


def _unknown(node: Node, where: str, known: tuple[str, ...], findings: Findings) -> None:
    for key, mark in node.keys.items():
        if key not in known:
            hint = findings.suggestion(key, known) or f"; known are {', '.join(known)}"
            message = f"{quoted(key)} is not an axis of this recipe{hint}"
            findings.error(mark, code="unknown-key", path=where, message=message)


def _variables(blocks: Sequence[Block]) -> Mapping[str, tuple[str, ...]]:
    found: dict[str, dict[str, None]] = {}
    prompts = blocks[0].prompts if blocks else ()  # each model has the same
    for name, value in (pair for prompt in prompts for pair in prompt.variables):
        found.setdefault(name, {})[value] = None
    return {name: tuple(values) for name, values in found.items()}


def _written(size: Size, model: Model) -> str:
    """A size as written in recipes; its label is for file names."""
    return next((name for name in model.sizes if size_label(name) == size.label), size.label)


def inclusions(
    node: Node | None, matrix_blocks: Sequence[Block], known: ids.Known, findings: Findings
) -> tuple[Block, ...]:
    """Blocks for each entry, with inputs and prompts of the main matrix, which has one a model.

    Reports unknown ids, unless errors leave the ids unknown. Jobs of earlier blocks are not
    repeated.
    """
    repeats = [matrix.made_by(block) for block in matrix_blocks]
    size_names = {name for block in matrix_blocks for name in block.model.sizes}
    found: list[Block] = []
    for at, item in enumerate(() if node is None else node.items()):
        where = f"include[{at}]"
        chosen = _models(item, where, matrix_blocks, findings)
        blocks = []
        for name, part in findings.by_model(block.model.name for block in chosen):
            source = next(block for block in chosen if block.model.name == name)
            block = _block(item, where, source, known, part, size_names=size_names)
            blocks.append(replace(block, apart=source.apart))
        found.extend(replace(block, repeats=_of_model(block, repeats)) for block in blocks)
        repeats.extend(map(matrix.made_by, blocks))
    return tuple(found)


def _models(
    node: Node, where: str, blocks: Sequence[Block], findings: Findings
) -> tuple[Block, ...]:
    """The blocks of the models that an entry names; all of them when it names none."""
    given = node.get("model")
    if given is None:
        return tuple(blocks)
    known = tuple(block.model.name for block in blocks)
    names = ids.chosen(given, f"{where}.model", kind="model", known=known, findings=findings)
    return tuple(block for block in blocks if block.model.name in names)


def _of_model(block: Block, rules: Sequence[Exclusion]) -> tuple[Exclusion, ...]:
    """The rules that can match a job of the block's model."""
    return tuple(rule for rule in rules if block.model.name in (rule.models or ()))


def check_inclusions(recipe: Recipe, node: Node | None, findings: Findings) -> None:
    """Warn about entries whose jobs all exist already."""
    for at, item in enumerate(() if node is None else node.items()):
        path = f"include[{at}]"
        blocks = tuple(block for block in recipe.blocks if block.origin == path)
        if matrix.count_jobs(replace(recipe, blocks=blocks)) == 0:
            message = "this adds nothing: all of its jobs exist already"
            findings.warn(start(item), code="include-repeats", path=path, message=message)


def _block(
    node: Node,
    where: str,
    source: Block,
    known: ids.Known,
    findings: Findings,
    *,
    size_names: Collection[str],
) -> Block:
    axes = variants.variants(node, source.model, findings, path=where, size_names=size_names)
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
    left = [axis for axis in source.model.axes if node.get(axis) is None]
    if node.get("takes") is None and ("seed" in left or not source.model.has_axis("seed")):
        left.append("takes")  # they belong to a seed
    changed = {field: getattr(source, field) for axis, field in _FIELDS.items() if axis in left}
    whole = replace(block, **changed, parameters=_given_parameters(block, source, left))
    if whole != block:
        message = f"{where} takes {', '.join(left)} from variants"
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
