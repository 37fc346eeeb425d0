"""The schemas: valid, whole when printed, and with every rule of the vendor's page in them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

import spark_batch
from spark_batch import models
from spark_batch.errors import UsageError
from spark_batch.models import schemas
from tests.literals import constants
from tests.makers import MODEL


@pytest.mark.parametrize("name", schemas.names())
def test_every_schema_is_valid_and_stands_for_itself(name: str) -> None:
    """The printed schema is valid 2020-12, and no reference leads out of it."""
    whole = schemas.bundled(name)
    Draft202012Validator.check_schema(whole)
    text = json.dumps(whole)
    assert ".schema.json#" not in text
    Draft202012Validator(whole).is_valid({})


@pytest.mark.parametrize("name", schemas.names())
def test_beside_a_reference_stand_annotations_alone(name: str) -> None:
    """A keyword that judges would be lost where the reference has the same one."""

    def beside(node: Any) -> Iterator[str]:
        if isinstance(node, dict) and "$ref" in node:
            yield from node
        values = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
        for value in values:
            yield from beside(value)

    annotations = {"title", "description", "examples", "default", "x-errors", "x-errorCodes"}
    assert set(beside(schemas.schema(name))) <= {"$schema", "$defs", "$ref", *annotations}


SCALARS = st.sampled_from([None, True, -2, -1, 0, 0.5, 1, 7.0, 700, "", "a", "16:9", "1024x768"])
KEYS = st.sampled_from(["prompts", "inputs", "variants", "scale", "size", "seed", "text", "width"])
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3)
)


@pytest.mark.parametrize("name", schemas.names())
@given(value=VALUES)
@settings(max_examples=20)
def test_without_references_a_schema_judges_alike(name: str, value: Any) -> None:
    """What the validators say is what jsonschema says when it follows the references itself."""
    registry: Registry[Any] = Registry().with_resources(
        (_address(other), DRAFT202012.create_resource(schemas.schema(other)))
        for other in schemas.names()
    )
    for part in ("", *(f"/$defs/{part}" for part in schemas.schema(name).get("$defs", ()))):
        judge = Draft202012Validator({"$ref": f"{_address(name)}#{part}"}, registry=registry)
        expected = judge.is_valid(value)
        assert schemas.validator(name, part[len("/$defs/") :]).is_valid(value) == expected


def _address(name: str) -> str:
    """Where a schema stands, as a reference in another one resolves to it."""
    folder = "models/" if name in schemas.model_names() else ""
    return f"https://schemas.example/{folder}{name}.schema.json"


def test_every_reference_leads_to_a_file() -> None:
    """Editors follow references by path, the package by name alone: both find the same schema."""

    def references(node: Any) -> Iterator[str]:
        if isinstance(node, dict):
            yield from (node[key] for key in ("$ref", "x-errorCodes") if key in node)
        values = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
        for value in values:
            yield from references(value)

    files = {path.resolve() for path in schemas.schema_folder().rglob("*.schema.json")}
    assert {schemas.name_of(path.name) for path in files} == set(schemas.names())
    assert len(files) == len(schemas.names())
    for path in files:
        found = references(json.loads(path.read_text(encoding="utf-8")))
        others = {reference.partition("#")[0] for reference in found} - {""}
        assert {(path.parent / other).resolve() for other in others} <= files


def test_the_models_are_the_schemas_in_their_folder() -> None:
    """A file in the folder is a model by its name; every other schema is none."""
    assert models.names() == schemas.model_names()
    assert MODEL.name in models.names()
    for name in models.names():
        assert models.load(name).definition("model")["const"] == name
    with pytest.raises(UsageError, match=MODEL.name):
        models.load("errors")


def test_an_error_for_an_unknown_schema_lists_the_known_ones() -> None:
    """The message names the schemas that exist."""
    with pytest.raises(UsageError, match="recipe"):
        schemas.schema("nope")


PARAMS = {"prompt": "Change background to beach", "image_urls": ["https://a.example/a.jpg"]}


@pytest.mark.parametrize(
    ("change", "valid"),
    [
        ({}, True),
        ({"prompt": "x" * 800}, True),
        ({"prompt": "x" * 801}, False),
        ({"prompt": ""}, False),
        ({"prompt": None}, False),
        ({"scale": 0}, True),
        ({"scale": 1}, True),
        ({"scale": -0.01}, False),
        ({"scale": 1.01}, False),
        ({"seed": -1}, True),
        ({"seed": -2}, False),
        ({"seed": 1.5}, False),
        ({"width": 512, "height": 2016}, True),
        ({"width": 511, "height": 1024}, False),
        ({"width": 1024, "height": 2017}, False),
        ({"width": 1024}, False),
        ({"height": 1024}, False),
        ({"image_urls": []}, False),
        ({"image_urls": ["https://a.example/a.jpg"] * 2}, False),
        ({"binary_data_base64": ["aGFsbG8="]}, False),
    ],
)
def test_the_request_is_judged_as_the_vendors_page_has_it(
    change: dict[str, object], valid: bool
) -> None:
    """Ranges at their edges, both sizes or none, exactly one source with exactly one picture."""
    request = {"model": "spark_i2i_3_0", "input": [{"params": {**PARAMS, **change}}]}
    assert MODEL.validator("request").is_valid(request) is valid


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ((1328, 1328), (1328, 1328)),
        ((1472, 1104), (1472, 1104)),
        ((1584, 1056), (1536, 1056)),
        ((1664, 936), (1536, 944)),
        ((2016, 864), (1536, 864)),
        ((512, 519), (512, 512)),
        ((520, 521), (528, 528)),
    ],
)
def test_the_size_that_comes_back(asked: tuple[int, int], given: tuple[int, int]) -> None:
    """The closest multiple of 16, each side by itself, then within the output's range."""
    assert MODEL.expected_size(*asked) == given


@given(width=st.integers(512, 2016), height=st.integers(512, 2016))
def test_every_size_comes_back_as_the_schema_says(width: int, height: int) -> None:
    """Whatever is asked, both sides are valid output sides, and near where that is possible."""
    judge = MODEL.validator("outputSide")
    expected, output = MODEL.expected_size(width, height), MODEL.output
    assert expected is not None
    assert output is not None
    for asked, back in zip((width, height), expected, strict=True):
        assert judge.is_valid(back)
        assert abs(asked - back) <= 8 or back == output.maximum


def test_codes_that_lost_their_zeros_are_known() -> None:
    """An integer, a short text and the full text are the same code; others are none."""
    assert len(MODEL.errors.by_code) == 30
    for code in (3003006, "3003006", "003003006", " 003003006 "):
        known = MODEL.errors.find(code)
        assert known is not None
        assert known.title == "Invalid scale factor"
    assert MODEL.errors.find("000050411") is MODEL.errors.find(50411)
    for code in (None, True, "", "0", "nonsense", 999, "-3003006", "³003006", "٥٠٤١١", "9" * 5000):
        assert MODEL.errors.find(code) is None


def test_what_each_code_allows() -> None:
    """A wrong request and a refused one are never sent again; upstream's own errors neither."""
    codes = MODEL.errors.by_code
    again = {code: known.again for code, known in codes.items()}
    refused = ("50411", "50412", "50413", "50512", "50518", "50520", "50521", "50522", "110001")
    assert {code for code, may in again.items() if may == "never"} == {
        *(f"00300300{n}" for n in range(1, 10)),
        *refused,
        *("50500", "50501"),
    }
    assert {code for code, known in codes.items() if known.rate_limit} == {"1002", "50429", "50430"}
    assert {again[code] for code in ("50511", "50519", "50429", "50430", "1002")} == {"new-task"}
    assert again["003003098"] == "poll"
    assert again["003003099"] == "create"


def test_the_schemas_have_one_reader() -> None:
    """No other module names their files, except for `init`, which writes a copy for editors."""
    package = Path(spark_batch.__file__).parent
    found = {
        str(path.relative_to(package))
        for path in package.rglob("*.py")
        for node in constants(path)
        if ".schema.json" in str(node.value)
    }
    assert found == {"models/schemas.py", "project/starting.py"}


def test_no_number_of_the_api_stands_outside_the_schemas() -> None:
    """No name, limit, size or code of a model is written down a second time."""
    numbers = ("4928307", "4700000", "1536", "2016", "1328", "4096", "3003", "2147483647")
    written = (*numbers, MODEL.name, str(MODEL.fields.base64))
    package = Path(spark_batch.__file__).parent
    found = [
        f"{path.relative_to(package)}:{node.lineno}: {node.value!r}"
        for path in package.rglob("*.py")
        for node in constants(path)
        if any(each in str(node.value) for each in written)
    ]
    assert found == []
