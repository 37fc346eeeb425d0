"""Recipes over several models, and models of the user's own."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from spark_batch import models, pictures
from spark_batch.client.bodies import Bodies
from spark_batch.errors import RecipeError
from spark_batch.jobs import Job, dropping, matrix, record_of
from spark_batch.jobs.request import tail
from spark_batch.jobs.select import Chooser, facts
from spark_batch.models import schemas
from spark_batch.recipe import Loaded, load
from tests.makers import MODEL

TEXT = "vtrix_image_4_0"  # a model whose size is a text, and which has neither scale nor seed
BY_URL = "vtrix_edit_transform"
OWN: dict[str, Any] = {
    "$defs": {
        "model": {"const": "mine_1"},
        "params": {
            "properties": {
                "prompt": {"type": "string", "minLength": 1, "maxLength": 200},
                "picture": {"type": "string", "x-picture": "either"},
                "strength": {"type": "number", "minimum": 0, "maximum": 1, "default": 0.6},
                "style": {"type": "string", "enum": ["oil", "ink"]},
                "size": {"type": "string", "maxLength": 20},
            }
        },
        "sizeName": {"oneOf": [{"const": "small"}, {"const": "large"}], "default": "small"},
    }
}
MODELS_FOLDER = Path(__file__).parents[2] / "schemas" / "models"
HEAD = "version: 1\nname: x\nprompts: [Make it red]\n"


def given(folder: Path, text: str, *, own: object = OWN, inputs: str = "[a.png]") -> Loaded:
    """A recipe beside a picture and a model of its own, whose tabs are those of an editor."""
    Image.new("RGB", (1500, 1400), "teal").save(folder / "a.png")
    (folder / "mine.json").write_text(json.dumps(own, indent="\t"), encoding="utf-8")
    path = folder / "recipe.yaml"
    path.write_text(f"{HEAD}inputs: {inputs}\n{text}", encoding="utf-8")
    return load(path, probe=pictures.probe)


def jobs_of(folder: Path, text: str) -> list[Job]:
    return list(matrix.jobs(given(folder, text).recipe))


def errors(folder: Path, text: str, **more: Any) -> list[str]:
    """File, line and message of each error."""
    with pytest.raises(RecipeError) as caught:
        given(folder, text, **more)
    return [
        f"{error.place.file.name}:{error.place.line}: {error.message}"
        for error in caught.value.diagnostics
    ]


def test_each_combination_is_made_with_each_model_that_has_its_axes(tmp_path: Path) -> None:
    """Scale and seed do not multiply the jobs of a model that has neither."""
    text = f"model: [{MODEL.name}, {TEXT}]\nvariants: {{scale: [0.4, 0.8], seed: [7, 8]}}\n"
    jobs = jobs_of(tmp_path, text)
    assert Counter(job.model for job in jobs) == {MODEL.name: 4, TEXT: 1}
    last = jobs[-1]
    assert (last.scale, last.seed, last.size.width) == (None, None, None)
    assert len({job.output for job in jobs}) == len({job.key for job in jobs}) == 5
    assert last.output == "a/make-it-red-vtrix-image-4-0"
    assert jobs[0].output == "a/make-it-red-spark-i2i-3-0-1x1-scale0.4-seed7"


def test_a_job_of_the_first_model_is_the_same_beside_another_model(tmp_path: Path) -> None:
    """Adding a model pays for nothing twice."""
    alone = {job.key for job in jobs_of(tmp_path, f"model: {MODEL.name}\n")}
    beside = {job.key for job in jobs_of(tmp_path, f"model: [{TEXT}, {MODEL.name}]\n")}
    assert alone < beside


def test_takes_of_a_model_without_a_seed_are_several_draws(tmp_path: Path) -> None:
    jobs = jobs_of(tmp_path, f"model: {TEXT}\nvariants: {{takes: 3}}\n")
    assert [job.take for job in jobs] == [1, 2, 3]
    assert len({job.key for job in jobs}) == 3


def test_a_size_of_another_model_is_left_out_with_a_note(tmp_path: Path) -> None:
    """WIDTHxHEIGHT is for all of them."""
    text = f"model: [{MODEL.name}, {TEXT}]\nvariants: {{size: ['4:3', 2K, 1024x768]}}\n"
    loaded = given(tmp_path, text)
    sizes = [(job.model, job.size.label) for job in matrix.jobs(loaded.recipe)]
    assert sizes == [
        (MODEL.name, "4x3"),
        (MODEL.name, "1024x768"),
        (TEXT, "2K"),
        (TEXT, "1024x768"),
    ]
    assert [note.message for note in loaded.notes] == [
        f"the model has no size '4:3', so it is left out (model {TEXT})",
        f"the model has no size '2K', so it is left out (model {MODEL.name})",
    ]
    assert errors(tmp_path, f"model: [{MODEL.name}, {TEXT}]\nvariants: {{size: 3K}}\n")


def test_an_axis_that_no_model_has_is_an_error(tmp_path: Path) -> None:
    assert errors(tmp_path, f"model: {TEXT}\nvariants: {{scale: 0.5}}\n") == [
        "recipe.yaml:6: unknown key 'scale'; no model of the recipe has it"
    ]
    (found,) = errors(tmp_path, "model: mine.json\nvariants: {styel: ink}\n")
    assert found == "recipe.yaml:6: unknown key 'styel'; did you mean 'style'?"


def test_a_parameter_in_include_alone_stands_in_the_names(tmp_path: Path) -> None:
    """Jobs without it have `none` there, since two jobs would have one name otherwise."""
    text = (
        f"model: [{MODEL.name}, mine.json]\n"
        "include: [{style: oil}, {model: mine_1, style: ink}]\n"
    )
    names = [job.output for job in jobs_of(tmp_path, text) if job.model == "mine_1"]
    assert names == [f"a/make-it-red-mine-1-small-style{style}" for style in ("none", "oil", "ink")]


def test_jobs_that_differ_in_a_parameter_that_one_lacks_are_named_in_the_error(
    tmp_path: Path,
) -> None:
    text = "model: mine.json\noutput: {name: '${input}'}\ninclude: [{style: oil}]\n"
    (found,) = errors(tmp_path, text)
    assert found == (
        "recipe.yaml:6: two jobs would write 'a': style none, and style oil; add ${style}"
    )


def requiring(*names: str) -> dict[str, Any]:
    """The model OWN with required parameters."""
    own = json.loads(json.dumps(OWN))
    own["$defs"]["params"]["required"] = ["prompt", "picture", *names]
    return own


def test_a_required_parameter_is_asked_for_before_anything_is_sent(tmp_path: Path) -> None:
    """The API would refuse every request without it."""
    own = requiring("style", "strength", "size")
    assert errors(tmp_path, "model: mine.json\n", own=own) == [
        "recipe.yaml:5: mine_1 requires 'style', and jobs have no value for it; add variants.style"
    ]
    text = "model: mine.json\nvariants: {strength: 0.5}\ninclude:\n- {strength: 0.7}\n"
    assert errors(tmp_path, text, own=own) == [
        "recipe.yaml:6: mine_1 requires 'style', and jobs have no value for it; add variants.style",
        "recipe.yaml:8: mine_1 requires 'style', and jobs have no value for it;"
        " add include[0].style",
    ]
    text = (
        f"model: [mine.json, {MODEL.name}]\nvariants: {{style: ink}}\ninclude: [{{scale: 0.9}}]\n"
    )
    assert len(list(matrix.jobs(given(tmp_path, text, own=own).recipe))) == 3


def test_a_row_without_a_required_parameter_is_an_error_there(tmp_path: Path) -> None:
    table = "image,prompt,style\na.png,Red,ink\na.png,Blue,\n"
    (tmp_path / "t.csv").write_text(table)
    text = "model: mine.json\nrows: t.csv\n"
    found = errors(tmp_path, text, own=requiring("style"))
    assert "t.csv:3: the row has no value; mine_1 requires 'style'" in found
    (tmp_path / "recipe.yaml").write_text(f"version: 1\nname: x\n{text}")
    (tmp_path / "t.csv").write_text(table.replace("Blue,", "Blue,oil"))
    loaded = load(tmp_path / "recipe.yaml", probe=pictures.probe)
    assert [dict(job.parameters)["style"] for job in matrix.jobs(loaded.recipe)] == ["ink", "oil"]


def test_parts_of_a_shipped_model_can_be_copied(tmp_path: Path) -> None:
    """The limits of pictures count, and are as strict as the file says."""
    own = json.loads(json.dumps(OWN))
    shipped = json.loads((MODELS_FOLDER / f"{MODEL.name}.schema.json").read_text(encoding="utf-8"))
    for part in ("picture", "outputSide", "errorCode"):
        if part in shipped["$defs"]:
            own["$defs"][part] = shipped["$defs"][part]
    assert given(tmp_path, "model: mine.json\n", own=own)
    own["$defs"]["picture"]["properties"]["width"]["maximum"] = 1499
    (found,) = errors(tmp_path, "model: mine.json\n", own=own)
    assert "1500" in found and "1499" in found


def rows_of(folder: Path, table: str, model: str) -> str:
    (folder / "t.csv").write_text(table)
    text = f"model: {model}\nrows: t.csv\n"
    (folder / "recipe.yaml").write_text(f"version: 1\nname: x\n{text}")
    return text


@pytest.mark.parametrize("model", [MODEL.name, TEXT])
def test_a_row_for_a_model_that_the_recipe_lacks_is_an_error(tmp_path: Path, model: str) -> None:
    """It would be paid for with another model."""
    other = TEXT if model == MODEL.name else MODEL.name
    table = f"image,prompt,model\na.png,Red,{model}\na.png,Blue,{other}\n"
    found = errors(tmp_path, rows_of(tmp_path, table, model))
    assert found[-1].startswith(f"t.csv:3: the recipe has no model '{other}'; add it")


def test_a_column_of_other_models_is_a_variable(tmp_path: Path) -> None:
    given(tmp_path, "")
    rows_of(tmp_path, "image,prompt,model\na.png,Red,Air Max\na.png,Blue,Gel\n", TEXT)
    loaded = load(tmp_path / "recipe.yaml", probe=pictures.probe)
    found = [dict(job.prompt.variables) for job in matrix.jobs(loaded.recipe)]
    assert found == [{"model": "Air Max"}, {"model": "Gel"}]


def test_a_wrong_cell_of_a_required_parameter_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("image,prompt,style\na.png,Red,pink\n")
    found = errors(tmp_path, "model: mine.json\nrows: t.csv\n", own=requiring("style"))
    assert [text for text in found if text.startswith("t.csv")] == [
        "t.csv:2: 'pink' is not known; did you mean 'ink'?"
    ]


def test_what_is_excluded_needs_no_required_parameter(tmp_path: Path) -> None:
    text = (
        f"model: [mine.json, {MODEL.name}]\nexclude: [{{model: mine_1}}]\n"
        "include: [{model: mine_1, style: oil}]\n"
    )
    jobs = list(matrix.jobs(given(tmp_path, text, own=requiring("style")).recipe))
    assert [job.model for job in jobs] == [MODEL.name, "mine_1"]


def test_models_without_a_common_format_are_an_error(tmp_path: Path) -> None:
    """No picture could be sent to both."""
    own = json.loads(json.dumps(OWN))
    own["$defs"]["picture"] = json.loads(json.dumps(MODEL.definition("picture")))
    own["$defs"]["picture"]["properties"]["format"] = {"enum": ["PNG"], "x-recommended": "PNG"}
    other = json.loads(json.dumps(own).replace("mine_1", "other_1").replace('"PNG"', '"JPEG"'))
    (tmp_path / "other.json").write_text(json.dumps(other))
    (found,) = errors(tmp_path, "model: [mine.json, other.json]\n", own=own)
    assert found == (
        "recipe.yaml:5: no format of pictures is taken by all models: mine_1 takes PNG,"
        " other_1 takes JPEG; use a recipe for each"
    )


@pytest.mark.parametrize(("taken", "fit"), [("PNG", "auto"), ("JPEG", "png")])
def test_fit_gives_a_format_and_sides_that_the_model_takes(
    tmp_path: Path, taken: str, fit: str
) -> None:
    own = json.loads(json.dumps(OWN))
    own["$defs"]["picture"] = json.loads(json.dumps(MODEL.definition("picture")))
    facts = own["$defs"]["picture"]["properties"]
    facts["format"] = {"enum": [taken], "x-recommended": taken}
    facts["height"]["maximum"] = 300
    Image.new("RGB", (1600, 900), "teal").save(tmp_path / "b.jpg")
    inputs = f"[{{path: b.jpg, fit: {{format: {fit}}}}}]"
    recipe = given(tmp_path, "model: mine.json\n", own=own, inputs=inputs).recipe
    (job,) = matrix.jobs(recipe)
    assert job.input.picture is not None and job.input.picture.treatment is not None
    treatment = job.input.picture.treatment
    assert (treatment.format, treatment.width <= 300, treatment.height <= 300) == (
        taken,
        True,
        True,
    )


def test_sizes_that_no_recipe_can_name_are_an_error(tmp_path: Path) -> None:
    own = json.loads(json.dumps(OWN))
    del own["$defs"]["sizeName"]
    own["$defs"]["params"]["properties"]["size"] = {"type": "string", "enum": ["S", "L"]}
    (found,) = errors(tmp_path, "model: mine.json\n", own=own)
    assert found.endswith("a recipe cannot name these sizes; list them in 'sizeName' as well")


@pytest.mark.parametrize("axis", ["size", "width", "scale", "seed"])
def test_a_required_axis_needs_a_value_too(tmp_path: Path, axis: str) -> None:
    own = requiring(axis)
    del own["$defs"]["sizeName"]
    parameters = own["$defs"]["params"]["properties"]
    parameters["scale"] = {"type": "number"}
    parameters["seed"] = {"type": "integer"}
    if axis == "width":
        del parameters["size"]
        parameters["width"] = parameters["height"] = {"type": "integer"}
        own["$defs"]["params"]["required"].append("height")
    name, value = ("size", "64x48") if axis in ("size", "width") else (axis, "1")
    (found,) = errors(tmp_path, "model: mine.json\n", own=own)
    assert f"requires '{name}'" in found
    text = f"model: mine.json\nvariants: {{{name}: {value}}}\n"
    assert len(list(matrix.jobs(given(tmp_path, text, own=own).recipe))) == 1


def test_a_required_parameter_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    (found,) = errors(tmp_path, "model: mine.json\n", own=requiring("stlye"))
    assert found.startswith("mine.json:")
    assert found.endswith("there is no parameter 'stlye'; did you mean 'style'?")


def test_what_is_wrong_for_one_model_names_it(tmp_path: Path) -> None:
    """What all of them refuse is said once, without their names."""
    both = f"model: [{MODEL.name}, mine.json]\n"
    (found,) = errors(tmp_path, f"{both}variants: {{strength: 2}}\n")
    assert found.endswith("strength is from 0 to 1 (model mine_1)")
    text = f"{HEAD}inputs: [a.png]\n{both}".replace("Make it red", "'" + "x" * 900 + "'")
    (tmp_path / "recipe.yaml").write_text(text)
    with pytest.raises(RecipeError) as caught:
        load(tmp_path / "recipe.yaml", probe=pictures.probe)
    said = [error.message.partition("characters")[2] for error in caught.value.diagnostics]
    assert said == [
        f"; at most 800 are allowed (model {MODEL.name})",
        "; at most 200 are allowed (model mine_1)",
    ]


def test_rules_and_selections_name_models(tmp_path: Path) -> None:
    """`exclude` and `include` by name or pattern; further parameters are axes of both."""
    text = (
        f"model: [{MODEL.name}, mine.json]\nvariants: {{style: [oil, ink], scale: [0.4, 0.8]}}\n"
        "exclude: [{model: mine_1, style: ink}, {model: 'spark*', scale: 0.4}]\n"
        "include: [{model: mine_1, strength: 0.9}]\n"
    )
    recipe = given(tmp_path, text).recipe
    found = [(job.model, job.scale, dict(job.parameters)) for job in matrix.jobs(recipe)]
    assert found == [
        (MODEL.name, 0.8, {}),
        ("mine_1", None, {"strength": 0.6, "style": "oil"}),
        ("mine_1", None, {"strength": 0.9, "style": "oil"}),
        ("mine_1", None, {"strength": 0.9, "style": "ink"}),
    ]
    assert dropping.excluded(recipe) == (1, 1)
    chooser = Chooser(("model=mine*,style=ink",))
    chosen = [chooser(facts(record_of(job), recipe.models)) for job in matrix.jobs(recipe)]
    assert chosen == [False, False, False, True]
    assert (
        "no model has the id 'mine_2'"
        in errors(tmp_path, text.replace("model: mine_1, style", "model: mine_2, style"))[0]
    )


def test_rows_name_models_and_parameters(tmp_path: Path) -> None:
    """With one model a column `model` is a variable, as that of a phone."""
    (tmp_path / "t.csv").write_text(
        "image,prompt,model,style,scale\na.png,Beach,mine_1,ink,\na.png,Snow,,,0.9\n"
    )
    text = f"model: [{MODEL.name}, mine.json]\nrows: t.csv\n"
    jobs = [job for job in jobs_of(tmp_path, text) if job.prompt.text != "Make it red"]
    assert [(job.model, job.prompt.text, job.scale, dict(job.parameters)) for job in jobs] == [
        ("mine_1", "Beach", None, {"strength": 0.6, "style": "ink"}),
        (MODEL.name, "Snow", 0.9, {}),
        ("mine_1", "Snow", None, {"strength": 0.6}),
    ]
    (tmp_path / "t.csv").write_text("image,prompt,model\na.png,Beach,mine_2\n")
    (found,) = errors(tmp_path, text)
    assert found.startswith(
        "t.csv:2: 'mine_2' is not a model of the recipe; did you mean 'mine_1'?"
    )
    (tmp_path / "t.csv").write_text("image,prompt,model\na.png,A ${model} phone,X5\n")
    (job,) = [job for job in jobs_of(tmp_path, "rows: t.csv\n") if "phone" in job.prompt.text]
    assert job.prompt.text == "A X5 phone"


@pytest.mark.parametrize(
    ("whole", "same"), [("1", "[1.0]"), ("0", "[-0.0]"), ("0", "0e0"), ("1", None)]
)
def test_a_number_has_one_key_however_it_is_written(
    tmp_path: Path, whole: str, same: str | None
) -> None:
    """Nothing is paid for again for the sake of `.0`, in a recipe, a table or the model's file."""
    own, text = changed(strength={"type": "number", "default": 1.0}), "model: mine.json\n"
    first = jobs_of(tmp_path, f"{text}variants: {{strength: {whole}}}\n")
    if same is not None:
        again = jobs_of(tmp_path, f"{text}variants: {{strength: {same}}}\n")
    else:
        again = list(matrix.jobs(given(tmp_path, text, own=own).recipe))
    table = f'{{"image": "a.png", "prompt": "Make it red", "strength": {whole}.0}}'
    (tmp_path / "t.jsonl").write_text(table)
    rows = jobs_of(tmp_path, f"{text}rows: t.jsonl\nvariants: {{strength: {whole}}}\n")
    assert {job.key for job in (*again, *rows)} == {job.key for job in first}


def test_the_request_has_what_the_model_takes(tmp_path: Path) -> None:
    """The picture in the model's own field, and no parameter that it does not have."""
    recipe = given(tmp_path, "model: mine.json\nvariants: {style: ink, size: large}\n").recipe
    (job,) = matrix.jobs(recipe)
    body = json.loads(Bodies(recipe.models).body(job))
    params = body["input"][0]["params"]
    assert body["model"] == "mine_1"
    assert isinstance(params.pop("picture"), str)
    assert params == {"prompt": "Make it red", "size": "large", "strength": 0.6, "style": "ink"}


def test_the_canonical_form_of_further_parameters_never_changes() -> None:
    """In the order of their names; what is not sent is left out."""
    assert tail(None, None, 2, (("style", "ink"), ("strength", 0.5))) == (
        b',"parameters":{"strength":0.5,"style":"ink"},"take":2}'
    )
    assert tail(0.5, 7, 1) == b',"scale":0.5,"seed":7,"take":1}'


def test_a_variable_in_a_text_of_a_parameter_is_told(tmp_path: Path) -> None:
    """It is sent as it is written: only prompts have variables."""
    own = json.loads(json.dumps(OWN))
    own["$defs"]["params"]["properties"]["neg"] = {"type": "string", "maxLength": 99}
    found = given(tmp_path, "model: mine.json\nvariants: {neg: ['no ${c}', plain $5]}\n", own=own)
    (warning,) = [one for one in found.warnings if one.code == "prompt-placeholder"]
    assert "'${c}' is sent as it is written" in warning.message
    assert (warning.place.line, warning.path) == (6, "variants.neg")


def test_prices_are_by_model(tmp_path: Path) -> None:
    both = f"model: [{MODEL.name}, mine.json]\n"
    assert given(tmp_path, f"{both}price: 0.03\n").recipe.prices == {
        MODEL.name: Decimal("0.03"),
        "mine_1": Decimal("0.03"),
    }
    prices = given(tmp_path, f"{both}price: {{mine_1: 0.05}}\n").recipe.prices
    assert prices == {"mine_1": Decimal("0.05")}
    (large,) = given(tmp_path, "model: mine.json\nprice: 1e5\n").recipe.prices.values()
    assert str(large) == "100000"


def test_a_price_for_an_unknown_model_is_an_error(tmp_path: Path) -> None:
    """One for a shipped model that the recipe does not use is none."""
    given(tmp_path, f"model: mine.json\nprice: {{mine_1: 0.05, {TEXT}: 0.04}}\n")
    (found,) = errors(tmp_path, "model: mine.json\nprice: {mine_2: 0.05}\n")
    assert found == "recipe.yaml:6: there is no model 'mine_2'; did you mean 'mine_1'?"
    (found,) = errors(tmp_path, "model: mine.json\nprice: {other: 0.05}\n")
    assert found == "recipe.yaml:6: there is no model 'other'; choose one of mine_1"


def test_a_picture_that_a_model_cannot_take_is_an_error_at_its_line(tmp_path: Path) -> None:
    """A file for a model of URLs, and a URL for one of files."""
    (found,) = errors(tmp_path, f"model: [{MODEL.name}, {BY_URL}]\n")
    assert found.startswith("recipe.yaml:4: ")
    assert found.endswith(f"{BY_URL} takes no files; give the picture's URL")
    files = json.loads(json.dumps(OWN))
    files["$defs"]["params"]["properties"]["picture"]["x-picture"] = "base64"
    url = "[{url: 'https://a.example/a.png'}]"
    (found,) = errors(tmp_path, "model: mine.json\n", own=files, inputs=url)
    assert found == (
        "recipe.yaml:4: no URL can be sent to mine_1; save the picture and give its path"
    )


def test_a_model_is_given_once(tmp_path: Path) -> None:
    (found,) = errors(tmp_path, f"model: [{MODEL.name}, {MODEL.name}]\n")
    assert found == f"recipe.yaml:5: the model '{MODEL.name}' is given twice; remove one"


def changed(*, sizes: Mapping[str, int] | None = None, **parameters: object) -> dict[str, Any]:
    """The own model with other parameters; None takes one away. `sizes` are squares by name."""
    own: dict[str, Any] = json.loads(json.dumps(OWN))
    if sizes is not None:
        squares = {name: {"width": side, "height": side} for name, side in sizes.items()}
        named = [{"const": name, "x-size": square} for name, square in squares.items()]
        own["$defs"]["sizeName"] = {"oneOf": named}
    properties = own["$defs"]["params"]["properties"]
    for name, node in parameters.items():
        properties[name] = node
        if node is None:
            del properties[name]
    return own


def with_part(name: str, part: object) -> dict[str, Any]:
    """The own model with another part beside its parameters."""
    return {"$defs": {**OWN["$defs"], name: part}}


ENDLESS = "(a+)+$"
NARROW = {"type": "integer", "maximum": 512}
SHORT = {"type": "string", "minLength": 2, "maxLength": 1}


@pytest.mark.parametrize(
    ("own", "said"),
    [
        ([], "expected a mapping"),
        ({"$defs": {}}, "missing keys 'model' and 'params'"),
        (changed(picture=None), "add 'x-picture' to the parameter that carries the picture"),
        (changed(prompt=None), "missing key 'prompt'"),
        (changed(width={"type": "integer"}), "width and height belong together"),
        (changed(take={"type": "integer"}), "'take' has a meaning of its own in recipes"),
        (changed(style={"type": "string", "pattern": ENDLESS}), "unknown key 'pattern'"),
        (changed(style={"type": "string", "$ref": "#/$defs/params"}), "unknown key '$ref'"),
        (changed(style={"type": "string", "default": ["a"]}), "expected a text, not a list"),
        (changed(strength={"type": "number", "default": "a"}), "expected a number, not 'a'"),
        (changed(strength={"type": "number", "default": 7, "maximum": 1}), "7 is more than 1"),
        (changed(scale={"type": "number", "default": ".inf"}), "expected a number, not '.inf'"),
        (
            changed(size=None, width=NARROW, height=NARROW, sizes={"big": 513}),
            "513 is more than 512; width is 512 or less",
        ),
        (changed(style={"type": "date"}), "'date' is not known; choose one of string, number"),
        (changed(seed={"type": "string"}), "the type of 'seed' must be integer"),
        (changed(scale={"type": "object"}), "the type of 'scale' must be number"),
        (
            changed(style={"type": "integer", "minimum": 5, "maximum": 1}),
            "minimum 5 is more than maximum 1",
        ),
        (
            changed(logo={"type": "object", "properties": {"a": SHORT}}),
            "minLength 2 is more than maxLength 1",
        ),
        (
            changed(style={"type": "string", "enum": ["oil"], "default": "ink"}),
            "the default breaks the other rules: 'ink' is not known; choose one of oil",
        ),
        (
            changed(style={"type": "string", "minLength": 3, "default": "a"}),
            "the default breaks the other rules: 'a' is too short; give at least 3 characters",
        ),
        (changed(style={"type": "integer", "enum": ["a"]}), "expected a whole number, not 'a'"),
        (
            changed(size={"type": "string", "enum": ["large"]}),
            "'small' is not known; choose one of",
        ),
        (
            with_part("sizeName", {"oneOf": [{"const": "a"}] * 2}),
            "the name 'a' is given twice; remove one",
        ),
        (
            with_part("sizeName", {"oneOf": [{"const": "input"}]}),
            "'input' has a meaning of its own in recipes; rename it",
        ),
        (
            with_part("outputSide", {"minimum": 2, "maximum": 1, "multipleOf": 1}),
            "minimum 2 is more than maximum 1",
        ),
        ({**OWN, "$defs": {**OWN["$defs"], "picture": {}}}, "missing key 'properties'"),
        (
            {**OWN, "$defs": {**OWN["$defs"], "picture": {"properties": {}}}},
            "missing keys 'format', 'bytes'",
        ),
        (
            {**OWN, "$defs": {**OWN["$defs"], "scale": {}}},
            "unknown key 'scale'; choose one of 'model', 'params'",
        ),
        (
            {**OWN, "$defs": {**OWN["$defs"], "sizeName": {"oneOf": [], "default": "x"}}},
            "the list is empty",
        ),
        (
            {
                **OWN,
                "$defs": {
                    **OWN["$defs"],
                    "sizeName": {"oneOf": [{"const": "a"}], "default": "b"},
                },
            },
            "the default 'b' is not one of the names",
        ),
    ],
)
def test_errors_of_a_model_file_are_in_the_file(tmp_path: Path, own: object, said: str) -> None:
    """And nothing else is said of the recipe, since what it may hold is not known."""
    found = errors(tmp_path, "model: mine.json\nvariants: {nothing: 1}\n", own=own)
    assert found[0].startswith("mine.json:")
    assert said in found[0], found
    assert not any("nothing" in message for message in found)


def test_a_reference_in_an_example_of_a_model_file_is_a_value(tmp_path: Path) -> None:
    """It is not followed, which would have no end."""
    endless = [{"$ref": "#/$defs/params"}]
    own = changed(style={"type": "string", "enum": ["oil", "ink"], "examples": endless})
    assert given(tmp_path, "model: mine.json\nvariants: {style: oil}\n", own=own)


def test_a_model_file_is_one_of_the_repository(tmp_path: Path) -> None:
    """As a table or a picture is."""
    (tmp_path / "repo" / ".git").mkdir(parents=True)
    (tmp_path / "mine.json").write_text(json.dumps(OWN))
    (found, *_) = errors(tmp_path / "repo", "model: ../mine.json\n")
    assert "outside of the repository" in found


def test_the_schema_for_editors_has_every_model_and_parameter() -> None:
    """By hand in the file, since editors read it: nothing is forgotten."""
    recipe = schemas.schema(schemas.RECIPE)
    (named, _) = recipe["$defs"]["modelName"]["anyOf"]
    assert tuple(named["enum"]) == models.names()
    own = {name for model in models.names() for name in models.load(model).axes}
    given = set(recipe["properties"]["variants"]["properties"]) - {"takes"}
    assert given == own | {"scale", "size", "seed"}
    assert own <= set(recipe["$defs"]["inclusion"]["properties"])
    assert {*recipe["$defs"]["shippedAxis"]["enum"]} == given | {"takes"}


MATRIX = {"version": 1, "name": "x", "inputs": ["a.jpg"], "prompts": ["Red"]}


@pytest.mark.parametrize(
    "more",
    [
        {"variants": {"size": ["1:1", "input", "1024x768", {"width": 1024, "height": 768}]}},
        {"model": "vtrix_image_4_0", "variants": {"size": "2K", "mode": ["standard", "fast"]}},
        {"model": "mine.json", "variants": {"style": "oil", "size": "small"}},
        {"model": [MODEL.name, "mine.json"], "include": [{"style": ["oil"], "size": ["small"]}]},
        {"model": "mine.json", "inputs": [{"path": "a.jpg", "size": "small"}]},
        {"exclude": [{"style": "oil", "size": "2K"}]},
    ],
    ids=str,
)
def test_an_editor_takes_what_a_model_of_the_recipe_has(more: dict[str, Any]) -> None:
    assert schemas.validator_of(schemas.bundled(schemas.RECIPE)).is_valid({**MATRIX, **more})


@pytest.mark.parametrize(
    "more",
    [
        {"variants": {"scales": 0.5}},
        {"variants": {"size": "16:10"}},
        {"variants": {"size": ["1:1", "16:10"]}},
        {"model": "vtrix_image_4_0", "variants": {"style": "oil"}},
        {"include": [{"style": "oil"}]},
        {"inputs": [{"path": "a.jpg", "size": "small"}]},
        {"model": "mine.json", "variants": {"size": 5}},
    ],
    ids=str,
)
def test_an_editor_marks_what_no_model_of_the_recipe_has(more: dict[str, Any]) -> None:
    assert not schemas.validator_of(schemas.bundled(schemas.RECIPE)).is_valid({**MATRIX, **more})


def test_a_million_jobs_over_two_models_are_counted_and_named(tmp_path: Path) -> None:
    """None of them is built for that."""
    seeds = ", ".join(map(str, range(1, 5001)))
    styles = json.loads(json.dumps(OWN))
    properties = styles["$defs"]["params"]["properties"]
    properties["seed"] = {"type": "integer", "minimum": -1}
    text = (
        f"model: [{MODEL.name}, mine.json]\n"
        f"variants: {{seed: [{seeds}], scale: [{', '.join(f'0.{n:02}' for n in range(1, 100))}]}}\n"
    )
    recipe = given(tmp_path, text, own=styles).recipe
    assert matrix.count_jobs(recipe) == 99 * 5000 + 5000
