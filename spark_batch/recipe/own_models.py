"""Read `model`: shipped models by name, and files of the user's own that describe one.

The parts of a model must fit together, which the schema of model files cannot express.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from spark_batch import models
from spark_batch.jobs.names import VARIABLES
from spark_batch.models import Model, Models, schemas
from spark_batch.recipe import entries, yaml
from spark_batch.recipe.diagnostics import Findings, error_of
from spark_batch.recipe.schema import check_by, judge, plain_values, shown
from spark_batch.recipe.validators import INPUT_SIZE
from spark_batch.recipe.yaml import Node, placed_items
from spark_batch.text import quoted

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

_ENDING = ".json"  # of a path; no name of a model has one

Fault = Callable[[Node, str, str], None]

# Names that a parameter cannot have: columns of tables, axes and facts about jobs.
_TAKEN = frozenset(
    (
        *(VARIABLES),
        *("id", "image", "inputs", "prompts", "output", "status", "pick", "takes", "action"),
    )
) - {"prompt", "size", "scale", "seed", "width", "height"}
# Parameters that mean the same in every model, with the types that they may have.
_TYPES = {"seed": ("integer",), "scale": ("number", "integer")}
_BOUNDS = (
    ("minimum", "maximum"),
    ("minLength", "maxLength"),
    ("minItems", "maxItems"),
    ("minProperties", "maxProperties"),
)


def read_models(root: Node, base: Path, findings: Findings) -> Models:
    """The models that a recipe names, or the default one for a recipe that names none.

    Reports names that no model has, and errors in files; the rest of the recipe is then checked by
    the rules of the other models, or of the default one. Values that are not texts are
    left to the recipe's schema.
    """
    node = root.get("model")
    found: dict[str, Model] = {}
    for item, where in placed_items(node, "model"):
        model = _model(item, where, base, findings) if isinstance(item.value, str) else None
        if model is None:
            continue
        if model.name in found:
            message = f"the model {quoted(model.name)} is given twice; remove one"
            findings.error(item.mark, code="duplicate-value", path=where, message=message)
        found.setdefault(model.name, model)
    if node is not None:
        _check_formats(tuple(found.values()), node, findings)
    return models.of_recipe(*(found.values() or (models.default(),)))


def _check_formats(chosen: Sequence[Model], node: Node, findings: Findings) -> None:
    """Report models of which each takes other formats: no picture can be sent to all of them."""
    if len(chosen) > 1 and not models.of_recipe(*chosen).picture.formats:
        taken = ", ".join(f"{one.name} takes {' and '.join(one.picture.formats)}" for one in chosen)
        message = f"no format of pictures is taken by all models: {taken}; use a recipe for each"
        findings.error(node.mark, code="model", path="model", message=message)


def model_files(root: Node) -> Iterator[str]:
    """The paths of the recipe's own models, as it writes them."""
    node = root.get("model")
    for item in () if node is None else node.items():
        if isinstance(item.value, str) and _is_path(item.text()):
            yield item.text().strip()


def _is_path(text: str) -> bool:
    return text.strip().lower().endswith(_ENDING)


def _model(item: Node, where: str, base: Path, findings: Findings) -> Model | None:
    text = item.text()
    if _is_path(text):
        return _own_model(item, text.strip(), where, base, findings)
    known = models.names()
    if text in known:
        return models.load(text)
    hint = findings.suggestion(text, known) or f"; choose one of {', '.join(known)}"
    message = f"there is no model {quoted(text)}{hint}"
    findings.error(item.mark, code="value", path=where, message=message)
    return None


def _own_model(item: Node, text: str, where: str, base: Path, findings: Findings) -> Model | None:
    if not entries.exists(item, text, where, base, findings):
        return None
    model, found = _described(base / text)
    findings.adopt(found)
    return model


def read_file(path: Path) -> Model:
    """The model that a file describes. Raises RecipeError with its errors."""
    model, findings = _described(path)
    if model is None:
        raise error_of(findings)
    return model


def _described(path: Path) -> tuple[Model | None, Findings]:
    root, found = yaml.read(path)
    if root is None:
        return None, found
    check_by(schemas.validator(schemas.MODEL), root, found)
    if not found.errors:
        _check_parts(root, found)
    return (None if found.errors else models.build(plain_values(root))), found


def _check_parts(root: Node, findings: Findings) -> None:
    """Report parts of a model file that do not fit together although its schema allows them."""
    parts = _part(root, "$defs")
    params = _part(_part(parts, "params"), "properties")
    parameters = params.value if isinstance(params.value, Mapping) else {}

    def fault(node: Node, where: str, message: str) -> None:
        """Report at a part of `$defs`."""
        findings.error(node.mark, code="model", path=f"$defs.{where}", message=message)

    _check_names(params, parameters, fault)
    for name, node in parameters.items():
        _check_parameter(name, node, f"params.properties.{name}", fault)
    _check_required(_part(parts, "params").get("required"), tuple(parameters), findings)
    side = parts.get("outputSide")
    if side is not None:
        _check_bounds(side, "outputSide", fault)
    names = parts.get("sizeName")
    if names is not None and not findings.errors:
        _check_sizes(names, parameters, fault)
    if names is None and "size" in parameters and parameters["size"].get("enum") is not None:
        message = "a recipe cannot name these sizes; list them in 'sizeName' as well"
        fault(parameters["size"], "params.properties.size", message)
    picture = parts.get("picture")
    if picture is not None:
        formats = _part(_part(picture, "properties"), "format")
        if not _is_listed(formats):
            fault(formats, "picture.properties.format", "'x-recommended' is not one of the formats")


def _check_required(node: Node | None, known: tuple[str, ...], findings: Findings) -> None:
    for item in () if node is None else node.items():
        name = item.text()
        if name not in known:
            hint = findings.suggestion(name, known) or "; add it to properties, or remove it"
            message = f"there is no parameter {quoted(name)}{hint}"
            findings.error(item.mark, code="model", path="$defs.params.required", message=message)


def _check_names(params: Node, parameters: Mapping[str, Node], fault: Fault) -> None:
    """Report parameters that lack another one, or whose name is taken."""
    pictures = {name for name, node in parameters.items() if node.get("x-picture")}
    if not pictures:
        fault(
            params, "params.properties", "add 'x-picture' to the parameter that carries the picture"
        )
    if len({"width", "height"} & parameters.keys()) == 1:
        fault(params, "params.properties", "width and height belong together; give both or none")
    elif {"width", "size"} <= parameters.keys():
        message = "give either size, or width and height, but not both"
        fault(parameters["size"], "params.properties.size", message)
    for name in parameters.keys() & _TAKEN - pictures:
        message = (
            f"{quoted(name)} has a meaning of its own in recipes; a parameter cannot have this name"
        )
        fault(parameters[name], f"params.properties.{name}", message)


def _check_parameter(name: str, node: Node, where: str, fault: Fault) -> None:
    """Report a parameter that no value fits, or of another type than in every other model."""
    kinds, kind = _TYPES.get(name), _part(node, "type").text()
    if kinds and kind not in kinds:
        fault(node, f"{where}.type", f"the type of {quoted(name)} must be {kinds[0]}")
    for inner, place in _schemas(node, where):
        _check_bounds(inner, place, fault)
    validator = _validator(node)
    for key in ("default", "enum"):
        given = node.get(key)
        for item in () if given is None else (given,) if key == "default" else given.items():
            for message in judge(plain_values(item), validator, part=name, shown=shown(item))[:1]:
                what = "the default" if key == "default" else "a value of enum"
                fault(item, f"{where}.{key}", f"{what} breaks the other rules: {message}")


def _check_bounds(node: Node, where: str, fault: Fault) -> None:
    known = plain_values(node)
    for low, high in _BOUNDS:
        if low in known and high in known and known[low] > known[high]:
            message = f"{low} {known[low]} is more than {high} {known[high]}"
            fault(node, where, message)


def _schemas(node: Node, where: str) -> Iterator[tuple[Node, str]]:
    """A parameter's schema and those inside of it, with their places."""
    yield node, where
    items, keys = node.get("items"), node.get("properties")
    if items is not None:
        yield from _schemas(items, f"{where}.items")
    if keys is not None and isinstance(keys.value, Mapping):
        for name, inner in keys.value.items():
            yield from _schemas(inner, f"{where}.properties.{name}")


def _check_sizes(names: Node, parameters: Mapping[str, Node], fault: Fault) -> None:
    where, items = "sizeName", _part(names, "oneOf").items()
    known = [_part(item, "const").text() for item in items]
    default = names.get("default")
    if default is not None and default.text() not in known:
        fault(default, where, f"the default {quoted(default.text())} is not one of the names")
    if not parameters.keys() & {"size", "width"}:
        message = "the model has neither width and height nor a size; remove the names"
        fault(names, where, message)
        return
    for at, (item, name) in enumerate(zip(items, known, strict=True)):
        if name in known[:at]:
            fault(item, where, f"the name {quoted(name)} is given twice; remove one")
        if name == INPUT_SIZE:
            fault(item, where, f"{quoted(name)} has a meaning of its own in recipes; rename it")
        for message in _size_faults(item, name, parameters):
            fault(item, where, message)


def _size_faults(item: Node, name: str, parameters: Mapping[str, Node]) -> Iterator[str]:
    """The faults of the values that are sent for a named size."""
    sides = item.get("x-size")
    if "size" in parameters:
        yield from judge(name, _validator(parameters["size"]), part="size", shown=quoted(name))
    elif sides is None:
        yield "the name has no 'x-size'; add it, with width and height"
    else:
        for part, side in plain_values(sides).items():
            yield from judge(side, _validator(parameters[part]), part=part, shown=str(side))


def _validator(parameter: Node) -> Validator:
    return schemas.validator_of(plain_values(parameter))


def _is_listed(formats: Node) -> bool:
    listed = [item.text() for item in _part(formats, "enum").items()]
    return _part(formats, "x-recommended").text() in listed


def _part(node: Node, key: str) -> Node:
    """The node at a key that the schema requires."""
    found = node.get(key)
    assert found is not None
    return found
