"""Read `variants`, `run` and `price`."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Hashable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import product
from typing import Any, TypeVar

from spark_batch.jobs import NO_SIZE, Block, Parameters, RunSettings, Size
from spark_batch.jobs.structure import structured
from spark_batch.models import Model, Models, schemas
from spark_batch.models import names as shipped_models
from spark_batch.recipe import schema, validators
from spark_batch.recipe.diagnostics import Findings
from spark_batch.recipe.schema import judge, shown
from spark_batch.recipe.yaml import Node, placed_items
from spark_batch.text import quoted

_SIDES = re.compile("([0-9]+)[xX\N{MULTIPLICATION SIGN}]([0-9]+)")
_DIGITS = 9  # of a side; more are an error in any case
# Stands for the size with the proportions of the input; blocks of jobs have sides in its place.
INPUT_SIZE = Size(validators.INPUT_SIZE, None, None, validators.INPUT_SIZE)
T = TypeVar("T", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Located:
    """A size with its place."""

    node: Node
    where: str
    size: Size


@dataclass(frozen=True, slots=True)
class Variants:
    """The axes of `variants` for a model, as a block without inputs and prompts.

    An axis that is left out has the model's default. `located` are the sizes that the recipe names,
    with their places; the block has `INPUT_SIZE` as it is.
    """

    block: Block
    located: tuple[Located, ...]


def variants(
    node: Node | None,
    model: Model,
    findings: Findings,
    *,
    path: str = "variants",
    size_names: Collection[str] = (),
) -> Variants:
    """The checked axes of the mapping at `path` for a model, without the axes that it lacks.

    `size_names` are the named sizes of all of the recipe's models. Those that this model lacks are
    left out too, and a note says so.
    """

    def axis(name: str, default: T, read: Callable[[Node, str], T | None]) -> tuple[T, ...]:
        given = node.get(name) if node is not None and model.has_axis(name) else None
        if given is None:
            return (default,)
        return _values(given, f"{path}.{name}", read, findings) or (default,)

    located: list[Located] = []

    def size(item: Node, where: str) -> Size | None:
        if is_of_another(item, model, size_names):
            message = f"the model has no size {shown(item)}, so it is left out"
            findings.note(item.mark, code="size-of-another-model", path=where, message=message)
            return None
        value = size_of(item, where, model, findings)
        if value is not None:
            located.append(Located(node=item, where=where, size=value))
        return value

    default = NO_SIZE if model.default_size is None else named_size(model.default_size, model)
    seeds = axis("seed", model.default_seed, lambda item, _: whole(item))
    further = {
        name: axis(name, structured(model.default(name)), lambda item, _: parameter_value(item))
        for name in model.further
    }
    block = Block(
        model=model,
        inputs=(),
        prompts=(),
        sizes=axis("size", default, size),
        # -0.0 + 0.0 is 0.0: with its sign it would be the same request under another key.
        scales=axis("scale", model.default_scale, lambda item, _: number(item) + 0.0),
        seeds=seeds,
        takes=_takes(node, seeds, path, model, findings),
        parameters=combined(further),
    )
    return Variants(block, tuple(located))


def combined(values: Mapping[str, tuple[Any, ...]]) -> tuple[Parameters, ...]:
    """The combinations of further parameters, each without those that are not sent."""
    return tuple(
        tuple(
            (name, structured(value))
            for name, value in zip(values, chosen, strict=True)
            if value is not None
        )
        for chosen in product(*values.values())
    )


def parameter_value(node: Node) -> Any:
    """The value of a further parameter, which the schema has checked."""
    return structured(schema.plain_values(node))


def run(node: Node | None) -> RunSettings:
    """The `run` mapping with the schema's defaults filled in."""
    known = schemas.schema(schemas.RECIPE)["properties"]["run"]["properties"]

    def value(name: str) -> Any:
        given = node.get(name) if node is not None else None
        return known[name].get("default") if given is None else number(given)

    cost = node.get("max_cost") if node is not None else None
    return RunSettings(
        concurrency=int(value("concurrency")),
        submit_rate=float(value("submit_rate")),
        attempts=int(value("attempts")),
        task_timeout=float(value("task_timeout")),
        fetch_tries=int(value("fetch_tries")),
        unreachable_timeout=float(value("unreachable_timeout")),
        rate_limit_timeout=float(value("rate_limit_timeout")),
        stop_timeout=float(value("stop_timeout")),
        max_uncertain=int(value("max_uncertain")),
        workers=_workers(node.get("workers") if node is not None else None),
        max_cost=money(cost),
    )


def _workers(node: Node | None) -> int | None:
    return None if node is None or isinstance(node.value, str) else whole(node)


def money(node: Node | None) -> Decimal | None:
    """An amount in USD, with the digits that are written."""
    if node is None:
        return None
    amount = abs(Decimal(node.value if isinstance(node.value, int) else node.raw))
    return Decimal(f"{amount:f}")  # `str` would show 1e9 as 1E+9


def check_prices(node: Node | None, models: Models, findings: Findings) -> None:
    """Report prices for models that neither the recipe nor spark-batch has.

    A shipped model that the recipe does not use may keep its price.
    """
    known = dict.fromkeys((*models.names, *shipped_models()))
    for name, mark in node.keys.items() if node is not None else ():
        if name not in known:
            hint = findings.suggestion(name, tuple(known))
            message = f"there is no model {quoted(name)}"
            message += hint or f"; choose one of {', '.join(models.names)}"
            findings.error(mark, code="value", path="price", message=message)


def prices(node: Node | None, models: Models) -> dict[str, Decimal]:
    """The price of a picture in USD by model; a number counts for all of the recipe's models."""
    if node is None:
        return {}
    if isinstance(node.value, Mapping):
        return {
            name: amount for name, item in node.value.items() if (amount := money(item)) is not None
        }
    amount = money(node)
    return {} if amount is None else dict.fromkeys(models.names, amount)


def number(node: Node) -> float:
    """The number that a checked node holds."""
    assert isinstance(node.value, int | float)
    return node.value


def whole(node: Node) -> int:
    """The whole number that a checked node holds; 7.0 is one."""
    return int(number(node))


def _values(
    node: Node, where: str, read: Callable[[Node, str], T | None], findings: Findings
) -> tuple[T, ...]:
    """The values of an axis; reports duplicates, which would be paid for twice."""
    first: dict[Hashable, Node] = {}
    values: list[T] = []
    for item, here in placed_items(node, where):
        value = read(item, here)
        if value is None:
            continue
        mark = value.identity if isinstance(value, Size) else value
        known = first.setdefault(mark, item)
        if known is item:
            values.append(value)
            continue
        same = f", first as {shown(known)}" if shown(known) != shown(item) else ""
        place = findings.where(known.mark)
        message = f"{shown(item)} is given twice{same} {place}; remove one"
        findings.error(item.mark, code="duplicate-value", path=here, message=message)
    return tuple(values)


def is_of_another(node: Node, model: Model, names: Collection[str]) -> bool:
    """Whether a size is one of `names` that another model has."""
    text = node.text().strip()
    return not isinstance(node.value, Mapping) and text in names and text not in model.sizes


def size_of(node: Node, where: str, model: Model, findings: Findings) -> Size | None:
    """The size of a checked node; None with errors, which are reported."""
    if isinstance(node.value, Mapping):
        text = f"{whole(node.value['width'])}x{whole(node.value['height'])}"
    else:
        text = node.text().strip()
    if text == INPUT_SIZE.text:
        return INPUT_SIZE
    if text in model.sizes:
        return named_size(text, model)
    match = _SIDES.fullmatch(text)
    if match is not None and model.size_parameter is not None:
        text = f"{match[1]}x{match[2]}"
        faults = judge(text, model.validator(model.size_parameter), part="size", shown=quoted(text))
        for message in faults:
            findings.error(node.mark, code="value", path=where, message=message)
        return None if faults else Size(text, int(match[1]), int(match[2]), text)
    if match is None:
        message = f"{quoted(text)} is not a size"
        findings.error(node.mark, code="value", path=where, message=message)
        return None
    return _sides(match, node, where, model, findings)


def _sides(match: re.Match[str], node: Node, where: str, model: Model, findings: Findings) -> Size:
    """The size of two checked sides; reports those that the model does not take."""
    sides = []
    for name, digits in zip(("width", "height"), match.groups(), strict=True):
        side = int(digits if len(digits) <= _DIGITS else "9" * _DIGITS)
        sides.append(side)
        for message in judge(side, model.validator(name), part=name, shown=digits[:20]):
            findings.error(node.mark, code="range", path=where, message=message)
    width, height = sides
    return Size(f"{width}x{height}", width, height)


def named_size(name: str, model: Model) -> Size:
    """A size that the model has by name."""
    width, height = model.sizes[name] or (None, None)
    text = None if model.size_parameter is None else name
    return Size(size_label(name), width, height, text)


def size_label(name: str) -> str:
    """The named size as file names write it: `16x9` for `16:9`."""
    return name.replace(":", "x")


def _takes(
    node: Node | None, seeds: tuple[int | None, ...], path: str, model: Model, findings: Findings
) -> int:
    given = node.get("takes") if node is not None else None
    if given is None:
        axes = schemas.schema(schemas.RECIPE)["properties"]["variants"]["properties"]
        default: int = axes["takes"]["default"]
        return default
    takes, random = whole(given), model.random_seed
    if takes > 1 and not {random, None}.intersection(seeds):
        needed = "a random seed" if random is None else f"the random seed {random}"
        message = f"{takes} takes need {needed}: with another seed all of them would be the same"
        findings.error(given.mark, code="takes", path=f"{path}.takes", message=message)
    return takes
