"""Read `model`: shipped models by name, and files of the user's own that describe one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from spark_batch import models
from spark_batch.jobs.names import VARIABLES
from spark_batch.models import Model, Models, schemas
from spark_batch.recipe import entries, yaml
from spark_batch.recipe.diagnostics import Findings
from spark_batch.recipe.schema import check_by, judge, plain_values, shown
from spark_batch.recipe.validators import INPUT_SIZE
from spark_batch.recipe.yaml import Node
from spark_batch.text import quoted

_ENDING = ".json"  # of a path; no name of a model has one
# What a parameter cannot be called: columns of tables, axes and facts about jobs.
_TAKEN = frozenset(
    (
        *(VARIABLES),
        *("id", "image", "inputs", "prompts", "output", "status", "pick", "takes", "action"),
    )
) - {"prompt", "size", "scale", "seed", "width", "height"}

_TYPES = {"scale": ("number", "integer"), "seed": ("integer",)}


def read_models(root: Node, base: Path, findings: Findings) -> Models:
    """The models that a recipe names, or the default one for a recipe that names none.

    Reports names that no model has, and errors in files; the rest of the recipe is then checked by
    the rules of the other models, or of the default one. Values that are no texts are left to the
    recipe's schema.
    """
    node = root.get("model")
    found: dict[str, Model] = {}
    for at, item in enumerate(() if node is None else node.items()):
        where = f"model[{at}]" if node is not None and item is not node else "model"
        model = _model(item, where, base, findings) if isinstance(item.value, str) else None
        if model is None:
            continue
        if model.name in found:
            message = f"the model {quoted(model.name)} is given twice; remove one"
            findings.error(item.mark, code="duplicate-value", path=where, message=message)
        found.setdefault(model.name, model)
    return models.of_recipe(*(found.values() or (models.default(),)))


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
    """The model that a file describes; errors in it have their line and column there."""
    if not entries.exists(item, text, where, base, findings):
        return None
    root, found = yaml.read(base / text)
    if root is not None:
        check_by(schemas.validator(schemas.MODEL), root, found)
    model = None
    if root is not None and not found.errors:
        _check_parts(root, found)
    if root is not None and not found.errors:
        model = models.build(plain_values(root))
    findings.adopt(found)
    return model


def _check_parts(root: Node, findings: Findings) -> None:
    """Report what a JSON Schema of models cannot say: how the parts belong together."""
    parts = _part(root, "$defs")
    params = _part(_part(parts, "params"), "properties")
    parameters = params.value if isinstance(params.value, Mapping) else {}

    def fault(node: Node, where: str, message: str) -> None:
        findings.error(node.mark, code="model", path=f"$defs.{where}", message=message)

    pictures = {name for name, node in parameters.items() if node.get("x-picture")}
    if not pictures:
        fault(params, "params.properties", "no parameter has 'x-picture': none carries the picture")
    if len({"width", "height"} & parameters.keys()) == 1:
        fault(params, "params.properties", "width and height belong together; give both or none")
    elif {"width", "size"} <= parameters.keys():
        message = "a size is a text, or width and height; give one of them"
        fault(parameters["size"], "params.properties.size", message)
    for name in parameters.keys() & _TAKEN - pictures:
        message = (
            f"{quoted(name)} has a meaning of its own in recipes: no parameter can be called so"
        )
        fault(parameters[name], f"params.properties.{name}", message)
    _check_values(parameters, findings)
    names = parts.get("sizeName")
    if names is not None:
        _check_sizes(names, parameters, findings)
    formats = parts.get("picture") and _part(_part(parts, "picture"), "format")
    if formats and formats.get("x-recommended") and not _is_listed(formats):
        fault(formats, "picture.format", "'x-recommended' is none of the formats")


def _check_values(parameters: Mapping[str, Node], findings: Findings) -> None:
    """Report types that recipes cannot use, and defaults that the parameters do not allow."""
    for name, node in parameters.items():
        where, kind = f"$defs.params.properties.{name}", _part(node, "type")
        allowed = _TYPES.get(name, (kind.text(),))
        if kind.text() not in allowed:
            message = f"{name} is {' or '.join(map(quoted, allowed))} in every model"
            findings.error(kind.mark, code="model", path=f"{where}.type", message=message)
        default = node.get("default")
        if default is not None and kind.text() in allowed:
            _check_value(default, node, name, f"{where}.default", findings)


def _check_value(value: Node, parameter: Node, name: str, where: str, findings: Findings) -> None:
    rules = schemas.validator_of(plain_values(parameter))
    for message in judge(plain_values(value), rules, part=name, shown=shown(value)):
        findings.error(value.mark, code="model", path=where, message=message)


def _check_sizes(names: Node, parameters: Mapping[str, Node], findings: Findings) -> None:
    """Report named sizes that the model cannot be sent."""
    where, by_text = "$defs.sizeName", "size" in parameters
    known = [_part(item, "const").text() for item in _part(names, "oneOf").items()]
    default = names.get("default")
    if default is not None and default.text() not in known:
        message = f"the default {quoted(default.text())} is none of the names"
        findings.error(default.mark, code="model", path=where, message=message)
    if not by_text and "width" not in parameters:
        message = "the model has neither width and height nor a size; remove the names"
        findings.error(names.mark, code="model", path=where, message=message)
    for at, item in enumerate(_part(names, "oneOf").items()):
        _check_size(item, f"{where}.oneOf[{at}]", parameters, findings)


def _check_size(item: Node, where: str, parameters: Mapping[str, Node], findings: Findings) -> None:
    name, sides = _part(item, "const"), item.get("x-size")
    if name.text() == INPUT_SIZE:
        message = f"{quoted(INPUT_SIZE)} has a meaning of its own in recipes: call it otherwise"
        findings.error(item.mark, code="model", path=where, message=message)
    if "size" in parameters:
        _check_value(name, parameters["size"], "size", where, findings)
    elif sides is None:
        message = "without 'x-size' the name says neither width nor height"
        findings.error(item.mark, code="model", path=where, message=message)
    elif "width" in parameters:
        for side in ("width", "height"):
            at = f"{where}.x-size.{side}"
            _check_value(_part(sides, side), parameters[side], side, at, findings)


def _is_listed(formats: Node) -> bool:
    listed = [item.text() for item in _part(formats, "enum").items()]
    return _part(formats, "x-recommended").text() in listed


def _part(node: Node, key: str) -> Node:
    """The node at a key that the schema requires."""
    found = node.get(key)
    assert found is not None
    return found
