"""The validators of recipes: the recipe's schema with the rules of a model in their place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from spark_batch.models import Model, Models, schemas

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

INPUT_SIZE = "input"  # the size with the proportions of the input
_KEPT = 20  # validators of recipes


@lru_cache(_KEPT)
def recipe_validator(model: Model, models: Models) -> Validator:
    """A validator for recipes over `models`, by the rules of one of them; it takes milliseconds.

    The recipe's schema refers to the default model, so that editors can complete its parameters,
    and accepts what any model may have; here `model` takes the place of both. The axes are those of
    all `models`: what only others have is checked by their rules.
    """
    whole = dict(schemas.expanded(schemas.RECIPE, "", _in_place(model, models.size_names)))
    sections = whole["properties"]
    include, inputs = sections["include"], sections["inputs"]
    entry = inputs["items"]["else"]
    axes = models.axes
    own = tuple(axis for axis in axes if axis in entry["properties"])
    whole["properties"] = {
        **sections,
        "variants": _with_axes(sections["variants"], model, axes),
        "include": {**include, "items": _with_axes(include["items"], model, axes)},
        "inputs": {**inputs, "items": {**inputs["items"], "else": _with_axes(entry, model, own)}},
        "exclude": _with_structures(sections["exclude"], model, sorted(models.structures)),
    }
    return schemas.validator_of(whole)


@lru_cache(_KEPT)
def size_validator(model: Model, models: Models) -> Validator:
    """A validator for a size, as recipes over `models` write it, by the rules of one of them."""
    instead = _in_place(model, models.size_names)
    return schemas.validator_of(schemas.expanded(schemas.RECIPE, "size", instead))


def _in_place(model: Model, sizes: Sequence[str]) -> Mapping[str, Any]:
    """The definitions to which the recipe's schema refers, as the model has them.

    `sizes` are the names that a size may have, those of other models of the recipe among them.
    """
    named = model.schema["$defs"].get("sizeName", {"title": "Named size"})
    others = (*(name for name in sizes if name not in model.sizes), INPUT_SIZE)
    known = [*named.get("oneOf", ()), *({"const": name} for name in others)]
    parts = {
        "prompt": {},
        **{name: {} for name in ("scale", "seed")},
        **{name: {"type": "integer", "minimum": 1} for name in ("width", "height")},
        **model.parameters,
        "sizeName": {**named, "oneOf": known} if model.sizes or sizes else {},
    }
    recipe = dict(schemas.schema(schemas.RECIPE))
    del recipe["allOf"]  # what editors check in place of the rules of the recipe's models
    of_default, *_ = recipe["$defs"]["shippedSizeName"]["anyOf"]
    recipe["$defs"] = {**recipe["$defs"], "sizeName": of_default}
    return {schemas.default_model(): {"$defs": parts}, schemas.RECIPE: recipe}


def _with_axes(section: Mapping[str, Any], model: Model, axes: tuple[str, ...]) -> dict[str, Any]:
    """A section of the recipe's schema with just these axes of models."""
    given = section["properties"]
    kept = {name: node for name, node in given.items() if name not in axes_of_schema()}
    own = {name: _axis(name, given, model) for name in axes}
    return {**section, "properties": {**own, **kept}, "additionalProperties": False}


def _with_structures(
    section: Mapping[str, Any], model: Model, structures: Iterable[str]
) -> dict[str, Any]:
    """The section `exclude` with the parameters whose values are mappings or lists."""
    item = section["items"]
    known = {name: _axis(name, {}, model) for name in structures}
    return {**section, "items": {**item, "properties": {**item["properties"], **known}}}


def _axis(name: str, given: Mapping[str, Any], model: Model) -> Any:
    """A value or a list of values for an axis; anything for one that the model does not have."""
    if not model.has_axis(name):
        return {}
    if name == "size" or (name in given and name not in model.further):
        return given[name]
    node = model.parameters[name]
    if node.get("type") == "array":
        node = {"x-expected": "a list in a list, such as [[a, b], [c]]", **node}
    return {
        "title": node.get("title", name),
        "if": {"type": "array"},
        "then": {"minItems": 1, "items": node},
        "else": node,
    }


def axes_of_schema() -> frozenset[str]:
    """The axes of `variants` that belong to models: all but the number of takes."""
    known = schemas.schema(schemas.RECIPE)["properties"]["variants"]["properties"]
    return frozenset(known) - {"takes"}
