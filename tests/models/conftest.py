"""A second model: its schema is in a temporary folder, beside copies of the shipped schemas."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from spark_batch import models
from spark_batch.models import Model, schemas
from tests.makers import MODEL

SECOND = "tiny_edit_1_0"


@pytest.fixture
def second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Model]:
    """A model with other ranges, defaults, sizes, picture rules and error codes than the first."""
    folder = tmp_path / "schemas"
    shutil.copytree(schemas.schema_folder(), folder)
    _write(folder / "models", SECOND, _schema())
    _write(folder, "tiny_errors", _codes())
    _use(folder, monkeypatch)
    yield models.load(SECOND)
    _forget()


@pytest.fixture
def by_url(second: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Model:
    """The second model as one that takes URLs alone, in a field of another name."""
    folder = tmp_path / "by-url"
    shutil.copytree(schemas.schema_folder(), folder)
    schema = _schema()
    params = schema["$defs"]["params"]
    params["properties"].pop("binary_data_base64")
    params["properties"]["source_urls"] = params["properties"].pop("image_urls")
    params["oneOf"] = [{"required": ["source_urls"]}]
    _write(folder / "models", second.name, schema)
    _use(folder, monkeypatch)
    return models.load(second.name)


def _use(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the schemas read from another folder."""
    monkeypatch.setattr(schemas, "schema_folder", lambda: folder)
    _forget()


def _forget() -> None:
    """Forget what has been read: a process has one folder of schemas."""
    for read in (schemas.schema, schemas.validator, models.load, models.gateway):
        read.cache_clear()


def _write(folder: Path, name: str, schema: dict[str, Any]) -> None:
    (folder / f"{name}.schema.json").write_text(json.dumps(schema), encoding="utf-8")


def _schema() -> dict[str, Any]:
    schema: dict[str, Any] = json.loads(json.dumps(MODEL.schema))
    parts = schema["$defs"]
    schema["x-errorCodes"] = "../tiny_errors.schema.json"
    parts["model"] |= {"const": SECOND, "default": SECOND}
    parts["prompt"] |= {"maxLength": 20, "x-recommendedMaxLength": 10}
    parts["scale"] |= {"minimum": 1, "maximum": 10, "default": 5}
    parts["seed"] |= {"minimum": 0, "default": 0, "x-random": 0}
    parts["seed"]["x-recommended"]["anyOf"] = [{"const": 0}, {"minimum": 100, "maximum": 200}]
    parts["side"] |= {"minimum": 64, "maximum": 512, "x-recommendedMinimum": 100}
    parts["outputSide"] |= {"minimum": 64, "maximum": 256, "multipleOf": 64}
    parts["sizeName"]["oneOf"] = [
        {"const": "thumb", "title": "96 × 96", "x-size": {"width": 96, "height": 96}},  # noqa: RUF001
        {"const": "card", "title": "300 × 150", "x-size": {"width": 300, "height": 150}},  # noqa: RUF001
    ]
    parts["sizeName"]["default"] = "thumb"
    picture = parts["picture"]["properties"]
    picture["format"] |= {"enum": ["PNG"], "x-recommended": "PNG"}
    picture["width"]["maximum"] = picture["height"]["maximum"] = 200
    return schema


def _codes() -> dict[str, Any]:
    schema: dict[str, Any] = json.loads(json.dumps(schemas.schema("errors")))
    own = next(code for code in schema["oneOf"] if code["const"] == "003003095")
    schema["oneOf"].append({**own, "const": "007001", "title": "Too tiny", "x-again": "never"})
    return schema
