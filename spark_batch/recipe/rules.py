"""Read `exclude`, and the inputs that prompts are for: rules that drop jobs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from spark_batch.jobs import (
    Block,
    Exclusion,
    Parameters,
    Recipe,
    Size,
    SizeIdentity,
    dropping,
    matrix,
)
from spark_batch.jobs.names import value_slug
from spark_batch.jobs.request import value_text
from spark_batch.models import Model
from spark_batch.recipe import ids
from spark_batch.recipe.diagnostics import Findings
from spark_batch.recipe.prompts import PromptEntry
from spark_batch.recipe.schema import shown, start
from spark_batch.recipe.variants import number, parameter_value, size_label, size_of, whole
from spark_batch.recipe.yaml import Node, placed_items
from spark_batch.text import quoted

_AXES = ("model", "input", "prompt", "take")

T = TypeVar("T", bound=Hashable)


def exclusions(
    node: Node | None, blocks: Sequence[Block], known: ids.Known, findings: Findings
) -> tuple[Exclusion, ...]:
    """The exclusions from the blocks of the matrix.

    Reports unknown axes, and values that the axis does not have. Does not check names that may
    refer to entries with errors.
    """
    axes = _Axes(_distinct(blocks), _variables(blocks), known)
    return tuple(
        _exclusion(item, where, axes, findings) for item, where in placed_items(node, "exclude")
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
    """The ids of the inputs that a prompt is for; reports a prompt that is for none."""
    if entry.inputs is None:
        return frozenset(known)
    where, before = f"{entry.where}.inputs", findings.errors
    found = ids.chosen(entry.inputs, where, kind="input", known=known, findings=findings)
    if not found and findings.errors == before:
        message = "this leaves no input for the prompt; name one, or remove the prompt"
        findings.error(entry.inputs.mark, code="no-such-id", path=where, message=message)
    return found


def check_exclusions(recipe: Recipe, node: Node | None, findings: Findings) -> None:
    """Report exclusions that match no job, and a recipe without jobs."""
    if node is None:
        return
    idle = dropping.idle(recipe)
    for at in idle:
        message = "no combination of the recipe matches this; remove it"
        mark, where = start(node.items()[at]), f"exclude[{at}]"
        findings.error(mark, code="exclude-idle", path=where, message=message)
    if not idle and matrix.count_jobs(recipe) == 0:
        message = "every combination of the recipe is excluded; nothing is left to make"
        findings.error(node.mark, code="exclude-all", path="exclude", message=message)


@dataclass(frozen=True, slots=True)
class _Axes:
    """The values that exclusions can name: those of the matrix, whose blocks differ in them."""

    blocks: tuple[Block, ...]
    variables: Mapping[str, tuple[str, ...]]
    known: ids.Known

    @property
    def models(self) -> tuple[Model, ...]:
        """The models of the matrix."""
        return tuple({block.model.name: block.model for block in self.blocks}.values())

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all axes. A variable may be called `model` where there is one model."""
        of_models = (name for model in self.models for name in model.axes)
        return tuple(dict.fromkeys((*_AXES, *of_models, *self.variables)))


def _distinct(blocks: Sequence[Block]) -> tuple[Block, ...]:
    """One block of each set of values; blocks for other inputs mostly have the same."""
    found: dict[tuple[object, ...], Block] = {}
    for block in blocks:
        values = (block.sizes, block.scales, block.seeds, block.takes, block.parameters)
        found.setdefault((block.model.name, *values), block)
    return tuple(found.values())


def _exclusion(node: Node, where: str, axes: _Axes, findings: Findings) -> Exclusion:
    blocks, variables, doubtful = axes.blocks, axes.variables, axes.known.doubtful

    def names(axis: str, known: tuple[str, ...] | None) -> frozenset[str] | None:
        given = node.get(axis)
        if given is None or known is None or axis in variables:
            return None
        return ids.chosen(given, f"{where}.{axis}", kind=axis, known=known, findings=findings)

    def values(
        axis: str, known: Mapping[T, str], meant: Callable[[Node, str], Collection[T]]
    ) -> frozenset[T] | None:
        given = node.get(axis)
        if given is None or ("variants" in doubtful and axis not in variables):
            return None
        return _values(given, f"{where}.{axis}", known, meant, findings)

    sizes = {size.identity: _written(size, block.model) for block in blocks for size in block.sizes}
    scales: dict[float | None, str] = {
        scale: value_slug(scale) for block in blocks for scale in block.scales if scale is not None
    }
    seeds: dict[int | None, str] = {
        seed: str(seed) for block in blocks for seed in block.seeds if seed is not None
    }
    takes = {take: str(take) for block in blocks for take in range(1, block.takes + 1)}

    def text(item: Node, _: str) -> Collection[str]:
        return (item.text(),)

    if "prompts" not in doubtful:
        _unknown(node, where, axes.names, findings)
    return Exclusion(
        models=names("model", tuple(model.name for model in axes.models)),
        inputs=names("input", axes.known.inputs),
        prompts=names("prompt", axes.known.prompts),
        sizes=values("size", sizes, lambda item, at: _identities(item, at, axes.models, findings)),
        scales=values("scale", scales, lambda item, _: (number(item) + 0.0,)),
        seeds=values("seed", seeds, lambda item, _: (whole(item),)),
        takes=values("take", takes, lambda item, _: (whole(item),)),
        parameters=_parameters(node, where, axes, findings),
        variables=tuple(
            (name, found)
            for name, known in variables.items()
            if "prompts" not in doubtful
            if (found := values(name, {one: one for one in known}, text))
        ),
    )


def _identities(
    item: Node, here: str, models: Sequence[Model], findings: Findings
) -> frozenset[SizeIdentity]:
    """The identities of a size in the models that have it; reports a size that no model has."""
    able = [model for model in models if model.has_axis("size")]
    known = (size_of(item, here, model, Findings(findings.source)) for model in able)
    found = frozenset(size.identity for size in known if size is not None)
    if able and not found:
        size_of(item, here, able[0], findings)
    return found


def _parameters(
    node: Node, where: str, axes: _Axes, findings: Findings
) -> frozenset[Parameters] | None:
    """The combinations of further parameters that an exclusion is about; None for any."""
    combinations = dict.fromkeys(one for block in axes.blocks for one in block.parameters)
    known: dict[str, dict[Any, str]] = {}
    for name, value in (pair for combination in combinations for pair in combination):
        known.setdefault(name, {})[value] = value_text(value)
    wanted = {
        name: _values(
            given, f"{where}.{name}", values, lambda item, _: (parameter_value(item),), findings
        )
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


def _values(
    node: Node,
    where: str,
    known: Mapping[T, str],
    meant: Callable[[Node, str], Collection[T]],
    findings: Findings,
) -> frozenset[T]:
    """The values that an exclusion names on an axis; reports those that the recipe lacks.

    `meant` returns what a value means to the recipe's models; nothing for a value with errors.
    """
    found: set[T] = set()
    for item, here in placed_items(node, where):
        values = meant(item, here)
        found.update(values)
        if values and known.keys().isdisjoint(values):
            texts = tuple(known.values())
            hint = findings.suggestion(item.text(), texts) if isinstance(item.value, str) else ""
            axis = where.rpartition(".")[2]
            what = shown(item) if item.raw else f"this {axis}"
            known_ones = f"choose one of {ids.listed(texts)}" if texts else f"it has no {axis}"
            message = f"{what} is not in the recipe{hint or f'; {known_ones}'}"
            findings.error(item.mark, code="no-such-value", path=here, message=message)
    return frozenset(found)


def _unknown(node: Node, where: str, known: tuple[str, ...], findings: Findings) -> None:
    for key, mark in node.keys.items():
        if key not in known:
            hint = findings.suggestion(key, known) or f"; choose one of {', '.join(known)}"
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
