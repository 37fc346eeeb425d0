"""The only reader of `schemas/`: the API's rules, ranges, sizes and error codes, and the manifest.

Every number of the API stands in the schemas and nowhere else; this room hands them out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from spark_batch.errors import UsageError

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

API = "spark_i2i_3_0"
RECIPE = "recipe"
ERRORS = "errors"
MANIFEST = "manifest"
PLANFILE = "planfile"

_REFERENCES = frozenset({"$ref", "$defs"})

Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class PictureRules:
    """What an input picture must be. Sides in pixels; `ratio` is long side by short side."""

    formats: tuple[str, ...]
    recommended_format: str
    max_bytes: int
    recommended_bytes: int
    max_side: int
    max_ratio: float


@dataclass(frozen=True, slots=True)
class Rules:
    """The API's defaults and the ranges that are needed to compute, not only to check."""

    model: str
    default_scale: float
    default_seed: int
    random_seed: int
    default_size: str
    sizes: Mapping[str, tuple[int, int]]
    recommended_prompt: int
    recommended_side: int
    output_min: int
    output_max: int
    output_multiple: int
    picture: PictureRules
    result_hours: int


@dataclass(frozen=True, slots=True)
class ErrorCode:
    """One error code of the model, of its upstream service or of the gateway.

    `again` is what the same request may do: `never`, `new-task`, `create` or `poll`; `fault` is
    `request` or `vendor`; `rate_limit` says that fewer requests are wanted.
    """

    code: str
    title: str
    fault: str
    again: str
    advice: str
    rate_limit: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerRules:
    """How the fields of an answer are read.

    Status words by what they mean, the ways to write USD, the types of pictures (a pattern), and
    why precharge names no price, in words. All of them are in lower case but the reasons' keys.
    """

    waiting: frozenset[str]
    completed: frozenset[str]
    failed: frozenset[str]
    usd: frozenset[str]
    picture_type: re.Pattern[str]
    quote_reasons: Mapping[str, str]


def _folder() -> Path:
    packaged = files("spark_batch") / "schemas"
    if packaged.is_dir():
        return Path(str(packaged))
    return Path(__file__).parents[1] / "schemas"


def _file(name: str) -> str:
    return f"{name}.schema.json"


def names() -> tuple[str, ...]:
    """The names of the schemas, sorted."""
    return tuple(sorted(path.name.split(".")[0] for path in _folder().glob(_file("*"))))


@cache
def schema(name: str) -> Schema:
    """The schema `name`, as it stands in the file.

    Raises UsageError for a name that is none of `names()`.
    """
    if name not in names():
        raise UsageError(f"there is no schema {name!r}: choose one of {', '.join(names())}")
    text = (_folder() / _file(name)).read_text(encoding="utf-8")
    loaded: Schema = json.loads(text)
    return loaded


def bundled(name: str) -> Schema:
    """The schema `name` with every schema that it refers to inside, so that one file is enough."""
    inside: dict[str, Any] = {}
    whole = dict(_rewritten(schema(name), here="", inside=inside))
    if inside:
        whole["$defs"] = {**whole.get("$defs", {}), **inside}
    return whole


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
        other = file.split(".")[0]
        if other and other not in inside:
            inside[other] = {}
            part = _rewritten(schema(other), here=f"/$defs/{other}", inside=inside)
            inside[other] = {k: v for k, v in part.items() if k != "$schema"}
        copy["$ref"] = f"#/$defs/{other}{pointer}" if other else f"#{here}{pointer}"
    return copy


@cache
def validator(name: str, part: str = "") -> Validator:
    """A JSON Schema validator for the schema `name`, or for `$defs/PART` of it.

    Its schema holds no reference: jsonschema needs three times as long to judge a value when it has
    to follow them.
    """
    from jsonschema import Draft202012Validator

    whole = schema(name)
    return Draft202012Validator(_expanded(whole["$defs"][part] if part else whole, whole))


def _expanded(node: Any, file: Schema) -> Any:
    """`node` of the schema `file` with the schema that it points to in the place of each `$ref`.

    A schema that refers to itself cannot be expanded. Where both say the same keyword, the one that
    is pointed to counts: titles and descriptions alone stand beside a `$ref`.
    """
    if isinstance(node, list):
        return [_expanded(item, file) for item in node]
    if not isinstance(node, dict):
        return node
    own = {key: _expanded(value, file) for key, value in node.items() if key not in _REFERENCES}
    if "$ref" not in node:
        return own
    name, _, pointer = node["$ref"].partition("#")
    target = schema(name.split(".")[0]) if name else file
    found: Any = target
    for key in pointer.split("/")[1:]:
        found = found[key]
    return {**own, **_expanded(found, target)}


def definition(name: str) -> Schema:
    """The part `$defs/NAME` of the API's schema, for example `scale` or `prompt`."""
    part: Schema = schema(API)["$defs"][name]
    return part


@cache
def rules() -> Rules:
    """The API's rules as numbers."""
    side = definition("outputSide")
    picture = definition("picture")["properties"]
    named = definition("sizeName")
    sizes = {
        each["const"]: (each["x-size"]["width"], each["x-size"]["height"])
        for each in named["oneOf"]
    }
    return Rules(
        model=definition("model")["const"],
        default_scale=definition("scale")["default"],
        default_seed=definition("seed")["default"],
        random_seed=definition("seed")["x-random"],
        default_size=named["default"],
        sizes=MappingProxyType(sizes),
        recommended_prompt=definition("prompt")["x-recommendedMaxLength"],
        recommended_side=definition("side")["x-recommendedMinimum"],
        output_min=side["minimum"],
        output_max=side["maximum"],
        output_multiple=side["multipleOf"],
        picture=PictureRules(
            formats=tuple(picture["format"]["enum"]),
            recommended_format=picture["format"]["x-recommended"],
            max_bytes=picture["bytes"]["maximum"],
            recommended_bytes=picture["bytes"]["x-recommendedMaximum"],
            max_side=picture["width"]["maximum"],
            max_ratio=picture["ratio"]["maximum"],
        ),
        result_hours=definition("content")["properties"]["url"]["x-keptHours"],
    )


def expected_size(width: int, height: int) -> tuple[int, int]:
    """The size in pixels that a picture of the asked size comes back at.

    Each side by itself is rounded to the closest multiple of 16, a tie upwards, and then brought
    within the output range. The vendor's page leaves both the tie and the order open
    (schemas/README.md, "What the vendor's page leaves open").
    """
    return _expected_side(width), _expected_side(height)


def _expected_side(side: int) -> int:
    limits = rules()
    step = limits.output_multiple
    rounded = (side + step // 2) // step * step
    return min(max(rounded, limits.output_min), limits.output_max)


@cache
def error_codes() -> Mapping[str, ErrorCode]:
    """The error codes of the model, its upstream service and the gateway, by code."""
    found = (
        ErrorCode(
            code=each["const"],
            title=each["title"],
            fault=each["x-fault"],
            again=each["x-again"],
            advice=each["x-advice"],
            rate_limit=each.get("x-rateLimit", False),
        )
        for each in schema(ERRORS)["oneOf"]
    )
    return MappingProxyType({each.code: each for each in found})


def error_code(code: str | int | None) -> ErrorCode | None:
    """The error code that `code` names, or None; a number that lost its zeros is still known."""
    if code is None or isinstance(code, bool):
        return None
    text = str(code).strip()
    return _by_number().get(text.lstrip("0")) if text.isascii() and text.isdecimal() else None


@cache
def _by_number() -> Mapping[str, ErrorCode]:
    return {code.lstrip("0"): known for code, known in error_codes().items()}


def is_balance_code(code: str | int | None) -> bool:
    """Whether a gateway's `error_code` says that the balance does not suffice."""
    limits = schema(ERRORS)["$defs"]["balanceCode"]
    text = str(code).strip()
    return text.isdecimal() and limits["minimum"] <= int(text[:9]) <= limits["maximum"]


def is_success_code(code: str | int) -> bool:
    """Whether a code in an answer says that nothing is wrong."""
    return str(code).strip().lower() in schema(ERRORS)["$defs"]["successCode"]["enum"]


@cache
def answer_rules() -> AnswerRules:
    """How the fields of an answer are read."""
    words = definition("status")["x-reads"]
    quote = definition("quote")["properties"]["data"]["properties"]
    return AnswerRules(
        waiting=frozenset(words["waiting"]),
        completed=frozenset(words["completed"]),
        failed=frozenset(words["failed"]),
        usd=frozenset(definition("currency")["x-usd"]),
        picture_type=re.compile(definition("content")["properties"]["type"]["x-reads"]),
        quote_reasons=MappingProxyType(quote["reason"]["x-reasons"]),
    )


def manifest_columns() -> tuple[str, ...]:
    """The manifest's columns in their order."""
    return tuple(schema(MANIFEST)["items"]["required"])


def required_columns() -> tuple[str, ...]:
    """The manifest's columns without which nobody can tell what is paid for."""
    columns = schema(MANIFEST)["items"]["properties"]
    return tuple(name for name in manifest_columns() if not columns[name].get("x-optional"))


def picture_faults() -> Callable[[dict[str, Any]], list[tuple[str, Any]]]:
    """A check of picture facts: gives the pairs (property, limit) that are violated."""
    properties = definition("picture")["properties"]
    judge = validator(API, "picture")

    def faults(facts: dict[str, Any]) -> list[tuple[str, Any]]:
        found = []
        for error in judge.iter_errors(facts):
            name = str(error.absolute_path[0])
            limits = properties[name]
            found.append((name, limits.get("maximum", limits.get("enum"))))
        return found

    return faults
