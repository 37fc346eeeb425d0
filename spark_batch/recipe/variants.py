"""Read `variants`, `run` and `price`."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeVar

from spark_batch.jobs import Block, Input, Prompt, RunSettings, Size
from spark_batch.models import Model, schemas
from spark_batch.recipe.diagnostics import Findings
from spark_batch.recipe.schema import judge, shown
from spark_batch.recipe.yaml import Node
from spark_batch.text import quoted

_SIDES = re.compile("([0-9]+)[xX\N{MULTIPLICATION SIGN}]([0-9]+)")
_DIGITS = 9  # of a side; more are an error in any case
T = TypeVar("T", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Located:
    """A size with its place."""

    node: Node
    where: str
    size: Size


@dataclass(frozen=True, slots=True)
class Variants:
    """The axes of `variants`; an axis that is left out has the model's default."""

    model: Model
    sizes: tuple[Size, ...]
    scales: tuple[float, ...]
    seeds: tuple[int, ...]
    takes: int
    located: tuple[Located, ...]  # the sizes that the recipe names, with their places

    def block(
        self, inputs: Iterable[Input], prompts: Iterable[Prompt], *, origin: str = "variants"
    ) -> Block:
        """Every combination of these inputs and prompts with the axes."""
        return Block(
            model=self.model,
            inputs=tuple(inputs),
            prompts=tuple(prompts),
            sizes=self.sizes,
            scales=self.scales,
            seeds=self.seeds,
            takes=self.takes,
            origin=origin,
        )


def variants(
    node: Node | None, model: Model, findings: Findings, *, path: str = "variants"
) -> Variants:
    """The checked axes of the mapping at `path`."""

    def axis(name: str, default: T, read: Callable[[Node, str], T | None]) -> tuple[T, ...]:
        given = node.get(name) if node is not None else None
        return (default,) if given is None else _values(given, f"{path}.{name}", read, findings)

    located: list[Located] = []

    def size(item: Node, where: str) -> Size | None:
        value = size_of(item, where, model, findings)
        if value is not None:
            located.append(Located(node=item, where=where, size=value))
        return value

    default = Size(size_label(model.default_size), *model.sizes[model.default_size])
    seeds = axis("seed", model.default_seed, lambda item, _: whole(item))
    return Variants(
        model=model,
        sizes=axis("size", default, size),
        # -0.0 + 0.0 is 0.0: with its sign it would be the same request under another key.
        scales=axis("scale", model.default_scale, lambda item, _: number(item) + 0.0),
        seeds=seeds,
        takes=_takes(node, seeds, path, model, findings),
        located=tuple(located),
    )


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
    """The number of worker processes; None for `auto`."""
    return None if node is None or isinstance(node.value, str) else whole(node)


def money(node: Node | None) -> Decimal | None:
    """An amount in USD, exactly as it is written."""
    if node is None:
        return None
    return abs(Decimal(node.value if isinstance(node.value, int) else node.raw))


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
    for at, item in enumerate(node.items()):
        here = f"{where}[{at}]" if isinstance(node.value, tuple) else where
        value = read(item, here)
        if value is None:
            continue
        mark = (value.width, value.height) if isinstance(value, Size) else value
        known = first.setdefault(mark, item)
        if known is item:
            values.append(value)
            continue
        same = f", first as {shown(known)}" if shown(known) != shown(item) else ""
        place = findings.where(known.mark)
        message = f"{shown(item)} is given twice{same} {place}; remove one"
        findings.error(item.mark, code="duplicate-value", path=here, message=message)
    return tuple(values)


def size_of(node: Node, where: str, model: Model, findings: Findings) -> Size | None:
    """The size of a checked node; None with errors, which are reported."""
    if isinstance(node.value, Mapping):
        width, height = whole(node.value["width"]), whole(node.value["height"])
        return Size(f"{width}x{height}", width, height)
    text = node.text().strip()
    named = model.sizes.get(text)
    if named:
        return Size(size_label(text), *named)
    match = _SIDES.fullmatch(text)
    if match is None:
        message = f"{quoted(text)} is not a size"
        findings.error(node.mark, code="value", path=where, message=message)
        return None
    sides = []
    for name, digits in zip(("width", "height"), match.groups(), strict=True):
        side = int(digits[-_DIGITS:] if len(digits) <= _DIGITS else "9" * _DIGITS)
        sides.append(side)
        for message in judge(side, model.validator(name), part=name, shown=digits[:20]):
            findings.error(node.mark, code="range", path=where, message=message)
    return Size(f"{sides[0]}x{sides[1]}", *sides)


def size_label(name: str) -> str:
    """The named size as file names write it: `16x9` for `16:9`."""
    return name.replace(":", "x")


def _takes(
    node: Node | None, seeds: tuple[int, ...], path: str, model: Model, findings: Findings
) -> int:
    given = node.get("takes") if node is not None else None
    if given is None:
        axes = schemas.schema(schemas.RECIPE)["properties"]["variants"]["properties"]
        default: int = axes["takes"]["default"]
        return default
    takes, random = whole(given), model.random_seed
    if takes > 1 and random not in seeds:
        message = (
            f"{takes} takes need the random seed {random}: with another seed all of them would be"
            " the same"
        )
        findings.error(given.mark, code="takes", path=f"{path}.takes", message=message)
    return takes
