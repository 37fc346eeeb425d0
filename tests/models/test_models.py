"""Models are values: two of them work side by side in one process, and no module keeps one."""

from __future__ import annotations

import json
from functools import partial
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages

import pytest
from PIL import Image

import spark_batch
from spark_batch import models, pictures, project
from spark_batch.checkpoint import Checkpoint, adopt
from spark_batch.client.bodies import Bodies
from spark_batch.errors import PictureError, RecipeError, UsageError
from spark_batch.jobs import matrix, record_of
from spark_batch.jobs.select import facts
from spark_batch.models import Model
from spark_batch.models.load import build as load_model
from spark_batch.recipe import Loaded, load
from spark_batch.reports import manifest
from spark_batch.sandbox import Settings
from spark_batch.sandbox.task_request import InvalidRequest, parse_request
from tests.makers import MODEL
from tests.models.conftest import SECOND
from tests.runs import run

SHIPPED = models.names()


def a_recipe(folder: Path, text: str) -> Loaded:
    """A recipe with one picture that both models take."""
    Image.new("RGB", (150, 100), "teal").save(folder / "a.png")
    path = folder / "recipe.yaml"
    path.write_text(f"version: 1\nname: x\ninputs: [a.png]\nprompts: [Make it red]\n{text}")
    return load(path, probe=pictures.probe)


def messages(folder: Path, text: str) -> list[str]:
    """Line and message of each error of a recipe."""
    with pytest.raises(RecipeError) as caught:
        a_recipe(folder, text)
    return [f"{error.place.line}: {error.message}" for error in caught.value.diagnostics]


def test_a_model_is_found_by_its_name(second: Model) -> None:
    """The schemas of recipes, manifests and error codes are no models."""
    assert models.names() == tuple(sorted((*SHIPPED, SECOND)))
    assert models.default() == MODEL != second
    with pytest.raises(UsageError, match=f"choose one of {', '.join(models.names())}"):
        models.load("recipe")


def test_a_recipe_without_a_model_has_the_default_one(second: Model, tmp_path: Path) -> None:
    """The loaded recipe holds the model as a value."""
    assert a_recipe(tmp_path, "").recipe.models.chosen == (MODEL,)
    assert a_recipe(tmp_path, f"model: {MODEL.name}\n").recipe.models.chosen == (MODEL,)
    assert a_recipe(tmp_path, f"model: {SECOND}\n").recipe.models.chosen == (second,)


def test_an_unknown_model_is_an_error_at_its_line(second: Model, tmp_path: Path) -> None:
    """The message suggests a similar name, or lists all names."""
    near = "5: there is no model 'tiny_edit_1'; did you mean 'tiny_edit_1_0'?"
    assert messages(tmp_path, "model: tiny_edit_1\n") == [near]
    known = f"5: there is no model 'other'; choose one of {', '.join(models.names())}"
    assert messages(tmp_path, "model: other\n") == [known]
    assert messages(tmp_path, "model: 7\n") == ["5: expected a text, not 7; put it in quotes"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("variants: {scale: 0.5}\n", "5: 0.5 is less than 1; scale is from 1 to 10"),
        ("variants: {seed: -1}\n", "5: -1 is less than 0; seed is 0 or more"),
        ("variants: {size: 1328x1328}\n", "5: 1328 is more than 512; width is from 64 to 512"),
        ("variants: {size: '1:1'}\n", "5: '1:1' is not a named size; expected one of thumb, card"),
        (
            "variants: {seed: 100, takes: 2}\n",
            "5: 2 takes need the random seed 0: with another seed",
        ),
        ("exclude: [{size: '16:9'}]\n", "5: '16:9' is not a named size"),
        ("include: [{scale: 0.5}]\n", "5: 0.5 is less than 1; scale is from 1 to 10"),
    ],
)
def test_a_recipe_is_checked_by_its_own_model(
    second: Model, tmp_path: Path, text: str, said: str
) -> None:
    """Values that one model accepts are errors for the other, in both directions."""
    found = messages(tmp_path, f"{text}model: {SECOND}\n")
    assert any(message.startswith(said) for message in found), found
    other = messages(tmp_path, "variants: {scale: 7, size: card}\n")
    assert [message.partition(";")[0] for message in other] == [
        "5: 7 is more than 1",
        "5: 'card' is not a named size",
    ]


def test_rules_of_a_recipe_know_the_names_and_defaults_of_its_model(
    second: Model, tmp_path: Path
) -> None:
    """An exclusion may name the model's sizes, and an entry of `include` has its defaults."""
    text = (
        "variants: {size: [thumb, card]}\nexclude: [{size: card}]\n"
        f"include: [{{size: card, seed: 100}}]\nmodel: {SECOND}\n"
    )
    jobs = matrix.jobs(a_recipe(tmp_path, text).recipe)
    assert [(job.size.label, job.scale, job.seed) for job in jobs] == [
        ("thumb", 5, 0),
        ("card", 5, 100),
    ]


def test_prompts_are_checked_by_the_recipes_model(second: Model, tmp_path: Path) -> None:
    """Its limit counts for a prompt with variables filled in, its recommendation for warnings."""
    warned = [
        [warning.code for warning in a_recipe(tmp_path, f"model: {model.name}\n").warnings]
        for model in (second, MODEL)
    ]
    assert [("prompt-long" in codes) for codes in warned] == [True, False]
    path = tmp_path / "recipe.yaml"
    prompt = "{text: 'Make it ${colour}', vars: {colour: [red, ultramarine blue]}}"
    path.write_text(path.read_text().replace("Make it red", prompt))
    assert load(path, probe=pictures.probe)
    path.write_text(path.read_text().replace(MODEL.name, SECOND))
    with pytest.raises(RecipeError, match="1 error") as caught:
        load(path, probe=pictures.probe)
    assert "at most 20 are allowed" in str(caught.value.diagnostics[0])


_RULES: list[dict[str, object]] = [
    {},
    {"minLength": 3},
    {"enum": ["Make it red", "Make it blue"]},
    {"const": "Make it red"},
    {"minLength": 2, "maxLength": 4},
]


@pytest.mark.parametrize("rules", [*_RULES, *SHIPPED], ids=str)
def test_a_prompt_that_is_admitted_is_one_that_the_validator_accepts(
    rules: dict[str, object] | str,
) -> None:
    """Of a model with other rules than length and pattern, the validator judges every prompt."""
    if isinstance(rules, str):
        model = models.load(rules)
    else:
        own = json.loads(json.dumps(MODEL.schema))
        own["$defs"]["params"]["properties"]["prompt"] = {"type": "string", **rules}
        model = load_model(own)
    simple = isinstance(rules, str) or not rules.keys() & {"enum", "const"}
    for text in ("", " ", "\u200b", "é", "ab", "Make it red", "a" * 800, "a" * 801):
        valid = model.validator("prompt").is_valid(text)
        assert model.admits_prompt(text) == (valid and simple), text


def test_a_table_is_checked_by_the_recipes_model(second: Model, tmp_path: Path) -> None:
    """The error is at the line of the table."""
    (tmp_path / "t.csv").write_text("image,prompt,scale,size\na.png,Make it red,0.5,thumb\n")
    path = tmp_path / "r.yaml"
    path.write_text(f"version: 1\nname: x\nrows: t.csv\nmodel: {SECOND}\n")
    Image.new("RGB", (150, 100)).save(tmp_path / "a.png")
    with pytest.raises(RecipeError) as caught:
        load(path, probe=pictures.probe)
    (error,) = caught.value.diagnostics
    assert error.message == "0.5 is less than 1; scale is from 1 to 10"
    assert (error.place.line, error.place.file.name) == (2, "t.csv")


def test_a_picture_is_checked_and_fitted_by_the_recipes_model(
    second: Model, tmp_path: Path
) -> None:
    """One model accepts the file, the other refuses it, and takes it when it is fitted."""
    path = tmp_path / "wide.jpg"
    Image.new("RGB", (600, 400)).save(path)
    assert pictures.probe(path, None, MODEL.picture).treatment is None
    with pytest.raises(PictureError, match=r"the API takes PNG"):
        pictures.probe(path, None, second.picture)
    text = f"model: {SECOND}\n"
    recipe = a_recipe(tmp_path, text).recipe
    path = tmp_path / "recipe.yaml"
    path.write_text(path.read_text().replace("[a.png]", "[{path: wide.jpg, fit: {format: png}}]"))
    recipe = load(path, probe=pictures.probe).recipe
    (source,) = recipe.blocks[0].inputs
    assert source.picture is not None
    treatment = source.picture.treatment
    assert treatment is not None
    assert (treatment.format, treatment.width, treatment.height) == ("PNG", 200, 133)


def test_the_matrix_has_each_models_defaults(second: Model, tmp_path: Path) -> None:
    """Size, scale and seed have the model's defaults, and its random seed has several takes."""
    first = a_recipe(tmp_path, "variants: {takes: 2}\n").recipe
    other = a_recipe(tmp_path, f"variants: {{takes: 2}}\nmodel: {SECOND}\n").recipe
    found = [
        [(job.model, job.size.width, job.scale, job.seed, job.take) for job in matrix.jobs(recipe)]
        for recipe in (first, other)
    ]
    assert found == [
        [(MODEL.name, 1328, 0.5, -1, 1), (MODEL.name, 1328, 0.5, -1, 2)],
        [(SECOND, 96, 5, 0, 1), (SECOND, 96, 5, 0, 2)],
    ]
    job = next(matrix.jobs(other))
    assert facts(record_of(job), other.models)["size"] == ("thumb", "96x96")


def test_the_same_request_to_two_models_is_two_jobs(second: Model, tmp_path: Path) -> None:
    """A key depends on the model's name, but not on whether the recipe writes it."""
    shared = "variants: {scale: 1, seed: 100, size: 512x512}\n"
    first = next(matrix.jobs(a_recipe(tmp_path, shared).recipe))
    named = next(matrix.jobs(a_recipe(tmp_path, f"{shared}model: {MODEL.name}\n").recipe))
    other = next(matrix.jobs(a_recipe(tmp_path, f"{shared}model: {SECOND}\n").recipe))
    assert first.key == named.key != other.key


def _only(model: Model, name: object) -> Model | None:
    return model if name == model.name else None


def test_a_request_is_valid_for_its_own_model_alone(second: Model, tmp_path: Path) -> None:
    """The schemas say so, and the sandbox, which refuses the request of the other model."""
    bodies = {}
    for model in (MODEL, second):
        recipe = a_recipe(tmp_path, f"model: {model.name}\n").recipe
        bodies[model.name] = Bodies(recipe.models).body(next(matrix.jobs(recipe)))
    for model, other in ((MODEL, second), (second, MODEL)):
        body = bodies[model.name]
        assert model.validator("request").is_valid(json.loads(body))
        assert not other.validator("request").is_valid(json.loads(body))
        task_request = parse_request(body, partial(_only, model), known=lambda _: True)
        assert task_request.size == model.expected_size(*model.sizes[model.default_size])
        with pytest.raises(InvalidRequest, match="not found"):
            parse_request(body, partial(_only, other), known=lambda _: True)


def test_a_sandbox_serves_every_model_of_the_schemas(second: Model, tmp_path: Path) -> None:
    """Each request is judged by the model that it names; the 404 of an unknown one names it."""
    serving = Settings(folder=tmp_path).serving
    recipe = a_recipe(tmp_path, f"model: {SECOND}\n").recipe
    body = Bodies(recipe.models).body(next(matrix.jobs(recipe)))
    assert parse_request(body, serving, known=lambda _: True).model == second
    with pytest.raises(InvalidRequest, match="'tiny_edit_9' not found"):
        parse_request(body.replace(SECOND.encode(), b"tiny_edit_9"), serving, known=lambda _: True)
    for nameless in ("7", '["a"]', "null"):
        odd = body.replace(f'"{SECOND}"'.encode(), nameless.encode())
        with pytest.raises(InvalidRequest, match="not found"):
            parse_request(odd, serving, known=lambda _: True)


def test_a_file_for_a_model_of_urls_alone_is_an_error_at_its_line(
    by_url: Model, tmp_path: Path
) -> None:
    """Nothing could be sent for it; a URL is sent in the field that the model names."""
    text = f"model: {SECOND}\n"
    (found,) = messages(tmp_path, text)
    assert found.startswith("3: ")
    assert found.endswith(f"a.png: {SECOND} takes no files; give the picture's URL")
    path = tmp_path / "recipe.yaml"
    url = "https://a.example/a.png"
    path.write_text(path.read_text().replace("[a.png]", f"[{{url: '{url}'}}]"))
    recipe = load(path, probe=pictures.probe).recipe
    body = Bodies(recipe.models).body(next(matrix.jobs(recipe)))
    assert json.loads(body)["input"][0]["params"]["source_urls"] == [url]
    assert parse_request(body, partial(_only, by_url), known=lambda _: True).url == url
    with pytest.raises(InvalidRequest, match=r"\(source_urls\)"):
        other = body.replace(b"source_urls", b"image_urls")
        parse_request(other, partial(_only, by_url), known=lambda _: True)


def test_sizes_and_error_codes_are_each_models_own(second: Model) -> None:
    """The expected size is rounded by the model's rules; a code may be known to one model only."""
    assert (MODEL.expected_size(600, 530), second.expected_size(600, 90)) == ((608, 528), (256, 64))
    known = second.errors.find(7001)
    assert known is not None
    assert (known.title, known.again) == ("Too tiny", "never")
    assert MODEL.errors.find(7001) is None


def test_a_recipe_for_a_second_model_runs_from_start_to_end(second: Model, tmp_path: Path) -> None:
    """The sandbox accepts, makes and bills it by the rules of the second model."""
    recipe = a_recipe(tmp_path, f"variants: {{size: card}}\nmodel: {SECOND}\n").recipe
    result = run(recipe, project.RunOptions(sandbox=True))
    assert result.exit_code == 0
    (row,) = result.manifest.read_text(encoding="utf-8").splitlines()[1:]
    header = result.manifest.read_text(encoding="utf-8").splitlines()[0].split(",")
    cells = dict(zip(header, row.split(","), strict=True))
    assert (cells["status"], cells["expected_width"], cells["expected_height"]) == (
        "done",
        "256",
        "128",
    )
    assert (cells["width"], cells["height"], cells["scale"]) == ("256", "128", "5")
    ledger = next(recipe.output_dir.rglob("ledger.jsonl")).read_text(encoding="utf-8")
    assert f'"model": "{SECOND}"' in ledger
    with Checkpoint.blank() as checkpoint:
        rows = manifest.read_manifest(result.manifest)
        assert adopt(checkpoint, rows, models=recipe.models, trusted=lambda row: False) == 1
        (record,) = checkpoint.records()
    assert record.request.model == SECOND


def test_no_module_keeps_a_model() -> None:
    """No attribute of any module of the package is a model, so that none is read at import."""
    kept = []
    for found in walk_packages(spark_batch.__path__, "spark_batch."):
        if not found.name.endswith("__main__"):
            module = import_module(found.name)
            kept += [
                f"{found.name}.{name}"
                for name, value in vars(module).items()
                if isinstance(value, Model)
            ]
    assert kept == []
