"""Parameters whose values are mappings or lists."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from spark_batch import pictures
from spark_batch.checkpoint.rows import parameters, parameters_text
from spark_batch.client.bodies import Bodies
from spark_batch.errors import RecipeError
from spark_batch.jobs import Job, Provenance, Structure, differences, matrix, record_of
from spark_batch.jobs.request import tail
from spark_batch.jobs.select import Chooser, facts
from spark_batch.jobs.structure import structured
from spark_batch.models import schemas
from spark_batch.recipe import load
from tests.makers import write_manifest

LOGO: dict[str, Any] = {
    "type": "object",
    "required": ["position"],
    "additionalProperties": False,
    "properties": {
        "position": {"type": "string", "enum": ["top", "bottom"]},
        "opacity": {"type": "number", "minimum": 0, "maximum": 1},
        "box": {"type": "array", "items": {"type": "integer"}, "minItems": 4, "maxItems": 4},
    },
}
OWN: dict[str, Any] = {
    "model": {"const": "mine_1"},
    "params": {
        "properties": {
            "prompt": {"type": "string"},
            "picture": {"type": "string", "x-picture": "either"},
            "logo": LOGO,
            "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 3},
        }
    },
}
HEAD = "version: 1\nname: x\nmodel: mine.json\n"
INPUTS = "inputs: [a.png]\nprompts: [Make it red]\n"
TOP, BOTTOM = '{"opacity":0.5,"position":"top"}', '{"position":"bottom"}'


@pytest.fixture(autouse=True)
def a_model_beside_a_picture(tmp_path: Path) -> None:
    Image.new("RGB", (1500, 1400), "teal").save(tmp_path / "a.png")
    (tmp_path / "mine.json").write_text(json.dumps({"$defs": OWN}))


def recipe_of(folder: Path, text: str) -> Any:
    path = folder / "recipe.yaml"
    path.write_text(HEAD + text, encoding="utf-8")
    return load(path, probe=pictures.probe).recipe


def jobs_of(folder: Path, text: str) -> list[Job]:
    return list(matrix.jobs(recipe_of(folder, text)))


def errors(folder: Path, text: str) -> list[str]:
    with pytest.raises(RecipeError) as caught:
        recipe_of(folder, text)
    return [
        f"{error.place.line}:{error.place.column} {error.path}: {error.message}"
        for error in caught.value.diagnostics
    ]


def values(jobs: list[Job], name: str = "logo") -> list[str]:
    return [str(dict(job.parameters).get(name)) for job in jobs]


def test_a_mapping_or_list_is_a_value_of_an_axis(tmp_path: Path) -> None:
    """A parameter that is a list is written as a list in a list."""
    text = INPUTS + (
        "variants:\n  logo: [{position: top, opacity: 0.5}, {position: bottom}]\n"
        "  tags: [[b, a], [c]]\n"
    )
    jobs = jobs_of(tmp_path, text)
    assert values(jobs) == [TOP, TOP, BOTTOM, BOTTOM]
    assert values(jobs, "tags") == ['["b","a"]', '["c"]'] * 2
    assert jobs[0].output == (
        "a/make-it-red-logoopacity-0.5-position-top-31a5de16-tagsb-a-02d8bc30"
    )
    assert values(jobs_of(tmp_path, INPUTS + "variants: {logo: {position: top}}\n")) == [
        '{"position":"top"}'
    ]


def test_the_canonical_form_has_the_keys_in_order_and_never_changes(tmp_path: Path) -> None:
    """How a mapping is written costs nothing: its order, and 1.0 in place of 1."""
    given = structured({"position": "top", "box": [1, 2.0, 3, 4], "opacity": 1.0})
    assert tail(None, None, 1, (("tags", structured(["ü"])), ("logo", given))) == (
        b',"parameters":{"logo":{"box":[1,2,3,4],"opacity":1,"position":"top"},'
        b'"tags":["\\u00fc"]},"take":1}'
    )
    same = [
        jobs_of(tmp_path, INPUTS + f"variants: {{logo: {{{text}}}}}\n")[0].key
        for text in ("position: top, opacity: 1", "opacity: 1.0, position: 'top'")
    ]
    assert same == ["4bd00c40b101029f"] * 2


def test_the_same_value_twice_is_an_error(tmp_path: Path) -> None:
    both = "{position: top, opacity: 1}, {opacity: 1.0, position: top}"
    assert errors(tmp_path, INPUTS + f"variants: {{logo: [{both}]}}\n") == [
        "6:48 variants.logo[1]: a mapping is given twice in line 6; remove one"
    ]


def test_rules_compare_whole_values(tmp_path: Path) -> None:
    """`exclude` drops, `include` adds; a value that the recipe does not have is an error."""
    text = INPUTS + (
        "variants: {logo: [{position: top}, {position: bottom}], tags: [[a]]}\n"
        "exclude: [{logo: {position: %s}}]\ninclude: [{logo: {position: top, opacity: 0}}]\n"
    )
    jobs = jobs_of(tmp_path, text % "top")
    assert values(jobs) == [BOTTOM, '{"opacity":0,"position":"top"}']
    assert values(jobs, "tags") == ['["a"]'] * 2
    (found,) = errors(tmp_path, text % "top, opacity: 1")
    assert found.endswith(
        'this logo is not in the recipe; choose one of {"position":"top"}, {"position":"bottom"}'
    )


def test_selections_compare_the_text_as_patterns(tmp_path: Path) -> None:
    recipe = recipe_of(tmp_path, INPUTS + f"variants: {{logo: [{TOP}, {BOTTOM}]}}\n")
    records = [record_of(job) for job in matrix.jobs(recipe)]
    chooser = Chooser(("logo=*top*",))
    assert [chooser(facts(record, recipe.models)) for record in records] == [True, False]
    chooser.check()


TABLES = {
    "t.csv": 'image,prompt,logo,tags\na.png,Red,"{""position"": ""bottom""}","[""a""]"\n'
    "a.png,Red,,\n",
    "t.tsv": 'image\tprompt\tlogo\ttags\na.png\tRed\t"{""position"":""bottom""}"\t["a"]\n'
    "a.png\tRed\t\t\n",
    "t.jsonl": '{"image":"a.png","prompt":"Red","logo":{"position":"bottom"},"tags":["a"]}\n'
    '{"image":"a.png","prompt":"Red"}\n',
}


@pytest.mark.parametrize("name", TABLES)
def test_a_cell_holds_json(tmp_path: Path, name: str) -> None:
    """As a text, or as it is in JSONL; an empty one takes what variants say."""
    (tmp_path / name).write_text(TABLES[name])
    jobs = jobs_of(tmp_path, f"rows: {name}\nvariants: {{logo: {{position: top}}}}\n")
    assert values(jobs) == [BOTTOM, '{"position":"top"}']
    assert values(jobs, "tags") == ['["a"]', "None"]


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("{position: top}", "'{position: top}' is not JSON, such as"),
        ('{"position": "left"}', "'left' is not known; choose one of top, bottom"),
        ('{"position": "top", "opacity": 2}', "2 is more than 1; opacity is from 0 to 1"),
        ('{"position": "top", "position": "top"}', "a key is given twice"),
        ('{"position": "top", "opacity": NaN}', "'NaN' is not a number that can be used"),
        ('{"position": "top", "opacity": 1e999}', "'1e999' is not a number that"),
        ('["top"]', "expected a mapping, not a list"),
        ("[" * 30 + "]" * 30, "mappings and lists are nested more than 20 levels deep"),
        ("[" * 100_000, "is not JSON"),
        ("7", "expected a mapping, not 7"),
    ],
)
def test_a_wrong_cell_is_reported_at_its_place(tmp_path: Path, cell: str, message: str) -> None:
    with (tmp_path / "t.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["image", "prompt", "logo"], ["a.png", "Red", cell]])
    found = errors(tmp_path, "rows: t.csv\n")
    assert found[0].startswith("2:11 logo: ")
    assert message in found[0]


@pytest.mark.parametrize(
    ("variants", "message"),
    [
        ("logo: top", "variants.logo: expected a mapping, not 'top'"),
        ("logo: {}", "variants.logo: missing key 'position'"),
        ("logo: {positon: top}", "variants.logo: unknown key 'positon'; did you mean 'position'?"),
        ("logo: {position: top, opacity: 2}", "opacity is from 0 to 1"),
        ("logo: {position: top, box: [1, 2]}", "variants.logo.box: "),
        ("tags: [a, b]", "expected a list in a list, such as [[a, b], [c]], not 'a'"),
        ("tags: [[a, 7]]", "variants.tags[0][1]: expected a text, not 7; put it in quotes"),
        ("tags: [[a, b, c, d]]", "4 values; at most 3 are allowed"),
    ],
)
def test_a_wrong_value_is_reported_at_its_line(tmp_path: Path, variants: str, message: str) -> None:
    found = errors(tmp_path, INPUTS + f"variants: {{{variants}}}\n")
    assert found[0].startswith("6:")
    assert message in found[0]


def test_a_request_has_the_value_itself(tmp_path: Path) -> None:
    """In the body, and in manifest and checkpoint; metadata and differences have its text."""
    recipe = recipe_of(tmp_path, INPUTS + f"variants: {{logo: {TOP}, tags: [[a, b]]}}\n")
    (job,) = matrix.jobs(recipe)
    params = json.loads(Bodies(recipe.models).body(job))["input"][0]["params"]
    assert params["logo"] == {"opacity": 0.5, "position": "top"}
    assert params["tags"] == ["a", "b"]
    assert parameters(parameters_text(job.parameters)) == job.request.parameters
    write_manifest(tmp_path / "m.csv", [record_of(job)])
    (row,) = csv.DictReader(io.StringIO((tmp_path / "m.csv").read_text(encoding="utf-8")))
    assert json.loads(row["parameters"]) == {"logo": params["logo"], "tags": params["tags"]}
    assert parameters(row["parameters"]) == job.request.parameters
    assert Provenance(job.key, job.request).facts()["logo"] == TOP
    (other,) = jobs_of(tmp_path, INPUTS + f"variants: {{logo: {BOTTOM}, tags: [[a, b]]}}\n")
    (change,) = differences(job.request, other.request)
    assert str(change) == f"logo from '{TOP}' to '{BOTTOM}'"


def test_a_default_may_be_a_mapping(tmp_path: Path) -> None:
    """It is always sent."""
    own = {**OWN, "params": {"properties": {**OWN["params"]["properties"]}}}
    own["params"]["properties"]["logo"] = {**LOGO, "default": {"position": "top"}}
    (tmp_path / "mine.json").write_text(json.dumps({"$defs": own}))
    assert values(jobs_of(tmp_path, INPUTS)) == ['{"position":"top"}']


@pytest.mark.parametrize("name", ["logo_info", "optimize_prompt_options"])
def test_mappings_of_the_shipped_models_can_be_given(tmp_path: Path, name: str) -> None:
    """An editor knows them, too."""
    model = "vtrix_edit_transform" if name == "logo_info" else "vtrix_image_4_0"
    text = (
        f"version: 1\nname: x\nmodel: {model}\ninputs: [{{url: 'https://a.example/a.jpg'}}]\n"
        f"prompts: [Make it red]\nvariants: {{{name}: {{key: value}}}}\n"
    )
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    (job,) = matrix.jobs(load(path, probe=pictures.probe).recipe)
    assert dict(job.parameters)[name] == Structure('{"key":"value"}')
    known = schemas.schema(schemas.RECIPE)["properties"]["variants"]["properties"]
    assert name in known
