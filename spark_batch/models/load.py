"""Load a `Model` from its schema."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from types import MappingProxyType
from typing import Any

from spark_batch.errors import UsageError
from spark_batch.models import schemas
from spark_batch.models.codes import ErrorCode, ErrorCodes
from spark_batch.models.model import (
    AnswerRules,
    Model,
    Models,
    OutputRules,
    PictureField,
    PictureFields,
    PictureRules,
)
from spark_batch.models.schemas import Schema

_Parts = Mapping[str, Any]
_NONE: _Parts = MappingProxyType({})


def names() -> tuple[str, ...]:
    """The names of the models, sorted."""
    return schemas.model_names()


def default() -> Model:
    """The model of a recipe that names none: the default of the recipe's schema."""
    return load(schemas.default_model())


@cache
def load(name: str) -> Model:
    """The shipped model `name`; its schema is read once.

    Raises UsageError for a name that is not in `names()`.
    """
    if name not in names():
        raise UsageError(f"there is no model {name!r}: choose one of {', '.join(names())}")
    schema = schemas.schema(name)
    file = schema.get("x-errorCodes") or schemas.schema(schemas.GATEWAY)["x-errorCodes"]
    return build(schema, schemas.schema(schemas.name_of(file)))


def of_recipe(*chosen: Model) -> Models:
    """The models of a recipe, which can look up the shipped ones as well."""
    return Models(chosen, lambda name: load(name) if name in names() else None)


def build(schema: Schema, codes: Schema | None = None) -> Model:
    """The model that a schema describes; `codes` has its error codes, by default the gateway's."""
    if codes is None:
        codes = schemas.schema(schemas.name_of(schemas.schema(schemas.GATEWAY)["x-errorCodes"]))
    parts: _Parts = schema["$defs"]
    name = str(parts["model"]["const"])
    parameters = {
        key: schemas.expanded_at(f"/$defs/params/properties/{key}", name, {name: schema})
        for key in parts["params"]["properties"]
    }
    fields = _fields(parameters)
    seed, prompt = parameters.get("seed", _NONE), parameters["prompt"]
    always = {"prompt", *(key for key, node in parameters.items() if "x-picture" in node)}
    own = {*always, "width", "height", "size", "scale", "seed"}
    sizes = parts.get("sizeName", _NONE)
    usual = seed.get("x-recommended", _NONE).get("anyOf")
    picture = parts.get("picture") or schemas.schema(schemas.GATEWAY)["$defs"]["picture"]
    side, output = parameters.get("width", _NONE), parts.get("outputSide")
    return Model(
        name=name,
        parameters=MappingProxyType(parameters),
        further=tuple(key for key in parameters if key not in own),
        required=frozenset(parts["params"].get("required", ())) - always,
        default_scale=parameters.get("scale", _NONE).get("default"),
        default_seed=seed.get("default"),
        random_seed=seed.get("x-random"),
        usual_seeds=_range(usual[-1]) if usual else None,
        default_size=sizes.get("default"),
        sizes=MappingProxyType({size["const"]: _sides(size) for size in sizes.get("oneOf", ())}),
        size_parameter="size" if "size" in parameters else None,
        recommended_prompt=prompt.get("x-recommendedMaxLength"),
        recommended_side=side.get("x-recommendedMinimum"),
        output=output and OutputRules(output["minimum"], output["maximum"], output["multipleOf"]),
        picture=PictureRules.of(picture),
        fields=fields,
        errors=_errors(codes, parts.get("errorCode", _NONE).get("oneOf", ())),
        schema=schema,
    )


def _sides(size: _Parts) -> tuple[int, int] | None:
    sides = size.get("x-size")
    return None if sides is None else (sides["width"], sides["height"])


def _range(limits: _Parts) -> range:
    return range(limits["minimum"], limits["maximum"] + 1)


def _fields(parameters: Mapping[str, Schema]) -> PictureFields:
    """The parameters that carry the picture: `x-picture` is `url`, `base64` or `either`."""
    found: dict[str, PictureField] = {}
    for name, node in parameters.items():
        way = node.get("x-picture")
        for form in ("url", "base64") if way == "either" else (way,):
            if form is not None:
                found.setdefault(form, PictureField(name, node.get("type") == "array"))
    return PictureFields(found.get("url"), found.get("base64"))


def _errors(schema: Schema, own: Iterable[_Parts]) -> ErrorCodes:
    """The error codes of a schema and a model's own, which take precedence."""
    known = (
        ErrorCode(
            code=code["const"],
            title=code["title"],
            fault=code["x-fault"],
            again=code["x-again"],
            advice=code["x-advice"],
            rate_limit=code.get("x-rateLimit", False),
        )
        for code in (*schema["oneOf"], *own)
    )
    return ErrorCodes(
        by_code=MappingProxyType({code.code: code for code in known}),
        balance=_range(schema["$defs"]["balanceCode"]),
        success=frozenset(schema["$defs"]["successCode"]["enum"]),
    )


@cache
def gateway() -> AnswerRules:
    """How the answers of the gateway are read, whatever the model."""
    parts: _Parts = schemas.schema(schemas.GATEWAY)["$defs"]
    words = parts["status"]["x-reads"]
    reason = parts["quote"]["properties"]["data"]["properties"]["reason"]
    content = parts["content"]["properties"]
    return AnswerRules(
        waiting=frozenset(words["waiting"]),
        completed=frozenset(words["completed"]),
        failed=frozenset(words["failed"]),
        usd=frozenset(parts["currency"]["x-usd"]),
        picture_type=re.compile(content["type"]["x-reads"]),
        task_id=re.compile(parts["taskId"]["pattern"]),
        quote_reasons=MappingProxyType(reason["x-reasons"]),
        result_hours=content["url"]["x-keptHours"],
    )
