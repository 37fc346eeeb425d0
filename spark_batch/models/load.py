"""Load a `Model` from its schema."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from spark_batch.errors import UsageError
from spark_batch.models import schemas
from spark_batch.models.codes import ErrorCode, ErrorCodes
from spark_batch.models.model import AnswerRules, Model, OutputRules, PictureFields, PictureRules
from spark_batch.models.schemas import Schema

_Parts = Mapping[str, Any]


def names() -> tuple[str, ...]:
    """The names of the models, sorted."""
    return schemas.model_names()


def default() -> Model:
    """The model of a recipe that names none: the one that the recipe's schema refers to."""
    return load(schemas.default_model())


def load(name: str) -> Model:
    """The model `name`; it is read from its schema once.

    Raises UsageError for a name that is none of `names()`.
    """
    return _load(schemas.schema_folder(), name)


@cache
def _load(folder: Path, name: str) -> Model:
    """The model `name` of a folder, which is a part of the cache's key only."""
    if name not in names():
        raise UsageError(f"there is no model {name!r}: choose one of {', '.join(names())}")
    schema = schemas.schema(name)
    parts: _Parts = schema["$defs"]
    seed, sizes = parts["seed"], parts["sizeName"]
    return Model(
        name=name,
        default_scale=parts["scale"]["default"],
        default_seed=seed["default"],
        random_seed=seed["x-random"],
        usual_seeds=_range(seed["x-recommended"]["anyOf"][-1]),
        default_size=sizes["default"],
        sizes=MappingProxyType(
            {
                size["const"]: (size["x-size"]["width"], size["x-size"]["height"])
                for size in sizes["oneOf"]
            }
        ),
        recommended_prompt=parts["prompt"]["x-recommendedMaxLength"],
        recommended_side=parts["side"]["x-recommendedMinimum"],
        output=_output(parts["outputSide"]),
        picture=_picture(parts["picture"]),
        fields=_fields(schema),
        result_hours=parts["content"]["properties"]["url"]["x-keptHours"],
        errors=_errors(schemas.schema(schemas.name_of(schema["x-errorCodes"]))),
        answers=_answers(parts),
        schema=schema,
    )


def _range(limits: _Parts) -> range:
    return range(limits["minimum"], limits["maximum"] + 1)


def _output(side: _Parts) -> OutputRules:
    return OutputRules(side["minimum"], side["maximum"], side["multipleOf"])


def _picture(schema: Schema) -> PictureRules:
    rules: _Parts = schema["properties"]
    return PictureRules(
        formats=tuple(rules["format"]["enum"]),
        recommended_format=rules["format"]["x-recommended"],
        max_bytes=rules["bytes"]["maximum"],
        recommended_bytes=rules["bytes"]["x-recommendedMaximum"],
        max_side=rules["width"]["maximum"],
        max_ratio=rules["ratio"]["maximum"],
        schema=schema,
    )


def _fields(schema: Schema) -> PictureFields:
    """The picture's fields: the alternatives of `params`; `contentEncoding` marks Base64."""
    parts: _Parts = schema["$defs"]
    ways = [way["required"][0] for way in parts["params"]["oneOf"]]
    in_base64 = {
        name: "contentEncoding" in _target(parts["params"]["properties"][name], parts)["items"]
        for name in ways
    }
    return PictureFields(
        url=next(name for name in ways if not in_base64[name]),
        base64=next((name for name in ways if in_base64[name]), None),
    )


def _target(node: _Parts, parts: _Parts) -> _Parts:
    """A parameter's own definition, where its `$ref` leads within the model's schema."""
    found: _Parts = parts[node["$ref"].rpartition("/")[2]]
    return found


def _errors(schema: Schema) -> ErrorCodes:
    known = (
        ErrorCode(
            code=code["const"],
            title=code["title"],
            fault=code["x-fault"],
            again=code["x-again"],
            advice=code["x-advice"],
            rate_limit=code.get("x-rateLimit", False),
        )
        for code in schema["oneOf"]
    )
    return ErrorCodes(
        by_code=MappingProxyType({code.code: code for code in known}),
        balance=_range(schema["$defs"]["balanceCode"]),
        success=frozenset(schema["$defs"]["successCode"]["enum"]),
    )


def _answers(parts: _Parts) -> AnswerRules:
    words = parts["status"]["x-reads"]
    reason = parts["quote"]["properties"]["data"]["properties"]["reason"]
    return AnswerRules(
        waiting=frozenset(words["waiting"]),
        completed=frozenset(words["completed"]),
        failed=frozenset(words["failed"]),
        usd=frozenset(parts["currency"]["x-usd"]),
        picture_type=re.compile(parts["content"]["properties"]["type"]["x-reads"]),
        task_id=re.compile(parts["taskId"]["pattern"]),
        quote_reasons=MappingProxyType(reason["x-reasons"]),
    )
