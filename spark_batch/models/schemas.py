"""JSON Schemas from `schemas/` by name: as written, with references expanded, as validators."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from spark_batch.errors import UsageError

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

RECIPE = "recipe"
MANIFEST = "manifest"
PLANFILE = "planfile"
GATEWAY = "gateway"
MODEL = "model"  # what a file that describes a model looks like

Schema = Mapping[str, Any]

_MODELS = "models"  # the folder of the models' schemas, below the one of all others
_NONE: Mapping[str, Schema] = MappingProxyType({})
_REFERENCES = frozenset({"$ref", "$defs"})
_VALUES = frozenset({"const", "default", "enum", "examples"})  # a `$ref` in them is a value


@cache
def schema_folder() -> Path:
    """The folder of the schemas: in the wheel, or in the checkout."""
    inside = files("spark_batch") / "schemas"
    if inside.is_dir():
        return Path(str(inside))
    return Path(__file__).parents[2] / "schemas"


def names() -> tuple[str, ...]:
    """The names of the schemas, those of the models included, sorted."""
    return tuple(sorted(_files()))


def model_names() -> tuple[str, ...]:
    """The names of the schemas that describe a model, sorted: those in the folder `models`."""
    return tuple(sorted(name_of(path.name) for path in _in(schema_folder() / _MODELS)))


def name_of(file: str) -> str:
    """The name of the schema in a file, or of the one that a reference leads to."""
    path, _, _ = file.partition("#")
    return path.rpartition("/")[2].partition(".")[0]


@cache
def schema(name: str) -> Schema:
    """The schema `name`, as its file has it; a file is read once.

    Raises UsageError for a name that is not in `names()`.
    """
    path = _files().get(name)
    if path is None:
        raise UsageError(f"there is no schema {name!r}: choose one of {', '.join(names())}")
    loaded: Schema = json.loads(path.read_text(encoding="utf-8"))
    return loaded


def _files() -> dict[str, Path]:
    folder = schema_folder()
    return {name_of(path.name): path for path in (*_in(folder), *_in(folder / _MODELS))}


def default_model() -> str:
    """The name of the model of a recipe that names none."""
    name: str = schema(RECIPE)["properties"]["model"]["default"]
    return name


def bundled(name: str) -> Schema:
    """The schema `name` with every schema that it refers to in its `$defs`, for use as one file."""
    inside: dict[str, Any] = {}
    whole = dict(_rewritten(schema(name), here="", inside=inside))
    if inside:
        whole["$defs"] = {**whole.get("$defs", {}), **inside}
    return whole


def expanded(name: str, part: str = "", instead: Mapping[str, Schema] = _NONE) -> Schema:
    """The schema `name`, or its `$defs/PART`, with each `$ref` replaced by its target.

    Schemas of `instead` replace those of the same names. jsonschema needs three times as long to
    check a value when it has to follow references (measured).
    """
    return expanded_at(f"/$defs/{part}" if part else "", name, instead)


def expanded_at(pointer: str, name: str, instead: Mapping[str, Schema] = _NONE) -> Schema:
    """As `expanded`, for the part of a schema at a JSON pointer."""
    found: Schema = _expanded(_at(pointer, name, instead), name, instead)
    return found


@cache
def validator(name: str, part: str = "") -> Validator:
    """A JSON Schema validator for the schema `name`, or for `$defs/PART` of it; made once."""
    return validator_of(expanded(name, part))


def validator_of(whole: Schema) -> Validator:
    """A JSON Schema validator for a schema that refers to no other file."""
    from jsonschema import Draft202012Validator

    return Draft202012Validator(whole)


def _in(folder: Path) -> tuple[Path, ...]:
    """The files of the schemas in a folder, without those in folders below it."""
    return tuple(folder.glob("*.schema.json"))


def _at(pointer: str, name: str, instead: Mapping[str, Schema]) -> Any:
    found: Any = instead.get(name) or schema(name)
    for key in pointer.split("/")[1:]:
        found = found[key]
    return found


def _expanded(node: Any, name: str, instead: Mapping[str, Schema]) -> Any:
    """`node` of the schema `name` with each `$ref` replaced by its target.

    A schema that refers to itself cannot be expanded. If both have the same keyword, the target's
    counts: only titles and descriptions are written beside a `$ref`.
    """
    if isinstance(node, list):
        return [_expanded(item, name, instead) for item in node]
    if not isinstance(node, dict):
        return node
    own = {}
    for key, value in node.items():
        if key == "properties":  # its keys are names, which may be those of keywords
            own[key] = {prop: _expanded(part, name, instead) for prop, part in value.items()}
        elif key in _VALUES:
            own[key] = value
        elif key not in _REFERENCES:
            own[key] = _expanded(value, name, instead)
    if "$ref" not in node:
        return own
    file, _, pointer = node["$ref"].partition("#")
    target = name_of(file) or name
    return {**own, **_expanded(_at(pointer, target, instead), target, instead)}


def _rewritten(node: Any, *, here: str, inside: dict[str, Any]) -> Any:
    """`node` with references to other files turned into references to `#/$defs/FILE`."""
    if isinstance(node, list):
        return [_rewritten(item, here=here, inside=inside) for item in node]
    if not isinstance(node, dict):
        return node
    copy = {key: _rewritten(value, here=here, inside=inside) for key, value in node.items()}
    reference = copy.get("$ref")
    if isinstance(reference, str):
        file, _, pointer = reference.partition("#")
        other = name_of(file)
        if other and other not in inside:
            inside[other] = {}
            part = _rewritten(schema(other), here=f"/$defs/{other}", inside=inside)
            inside[other] = {key: value for key, value in part.items() if key != "$schema"}
        copy["$ref"] = f"#/$defs/{other}{pointer}" if other else f"#{here}{pointer}"
    return copy
