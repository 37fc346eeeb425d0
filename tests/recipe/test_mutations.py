"""Whatever is done to a recipe, it loads or is refused with clear messages.

`SPARK_BATCH_MUTANTS` sets how many recipes are tried (10 000 without), `SPARK_BATCH_SEED` the seed.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Any

import pytest

from spark_batch import pictures
from spark_batch.client.bodies import Bodies
from spark_batch.errors import ExitCode, PictureError, RecipeError
from spark_batch.jobs import Fit, Picture, matrix
from spark_batch.models import PictureRules, schemas
from spark_batch.recipe import Diagnostic, load

pytestmark = pytest.mark.proof

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "tests" / "examples" / "valid"
MUTANTS = int(os.environ.get("SPARK_BATCH_MUTANTS", "10000"))
SEED = int(os.environ.get("SPARK_BATCH_SEED", "1"))
NAMES = (
    "everything.yaml",
    "smallest.yaml",
    "flow-json.yaml",
    "exclude.yaml",
    "include.yaml",
    "vars.yaml",
)
NAMES += ("rows.yaml", "rows-and-matrix.yaml", "fit.yaml")
Probed = dict[tuple[Path, Fit | None], Picture | str]
PIECES = [b"[", b"{", b"*a", b"&a ", b"!!int ", b"\t", b"\0", b"\xff", b": ", b"- ", b"'", b'"']
PIECES += [b"<<: ", b"\n", b"---\n", b"|", b"1e999", b".nan", b"-1", b"${", b"..", b"/", b"~"]
PIECES += ["😀".encode(), "é".encode(), b"\xed\xa0\x80", b"9" * 400, b"null", b"true", b"%", b"@"]
PIECES += [b"[" * 500, b"{a: " * 200, b"!!bool maybe", b"2001-99-99", b"? ", b"0o9", b"16:9"]


def _mutated(text: bytes, chance: random.Random) -> bytes:
    for _ in range(chance.randint(1, 4)):
        at, length = chance.randrange(len(text) + 1), chance.randint(0, 12)
        middle = chance.choice([b"", chance.choice(PIECES), text[at : at + length] * 2])
        text = text[:at] + middle + text[at + length :]
    return text


def _mutants(seed: int, count: int) -> Iterator[bytes]:
    chance = random.Random(seed)
    photos = (EXAMPLES.parent / "photos").as_posix().encode()
    originals = [
        (EXAMPLES / n).read_bytes().replace(b"../", photos.removesuffix(b"photos")) for n in NAMES
    ]
    for _ in range(count):
        yield _mutated(chance.choice(originals), chance)


@pytest.fixture(scope="module")
def probed() -> Probed:
    """What is known of the pictures: a photo does not change between two mutants."""
    return {}


def test_mutated_recipes(
    tmp_path: Path, probed: Probed, print_figures: Callable[[str], None]
) -> None:
    """Random damage raises nothing but RecipeError, with one printable line for each error."""

    def probe(path: Path, fit: Fit | None, rules: PictureRules) -> Picture:
        if (path, fit) not in probed:
            try:
                probed[path, fit] = pictures.probe(path, fit, rules)
            except PictureError as error:
                probed[path, fit] = str(error)
        found = probed[path, fit]
        if isinstance(found, str):
            raise PictureError(found)
        return found

    path = tmp_path / "r.yaml"
    refused = 0
    for text in _mutants(SEED, MUTANTS):
        path.write_bytes(text)
        try:
            load(path, probe=probe)
        except RecipeError as error:
            refused += 1
            assert error.diagnostics, text
            for found in error.diagnostics:
                assert isinstance(found, Diagnostic)
                assert found.message, text
                assert found.message.isprintable(), text
    assert 0 < refused < MUTANTS
    print_figures(f"mutants seed {SEED}: {MUTANTS} recipes, {refused} refused, 0 tracebacks")


MODEL_MUTANTS = MUTANTS // 5
# A model's file with every part that one may have.
WHOLE: dict[str, Any] = {
    "title": "A model",
    "$defs": {
        "model": {"const": "mine_1"},
        "params": {
            "required": ["prompt"],
            "properties": {
                "prompt": {"type": "string", "minLength": 1, "maxLength": 200},
                "picture": {"type": "array", "items": {"type": "string"}, "x-picture": "either"},
                "scale": {"type": "number", "minimum": 0, "maximum": 1, "default": 0.5},
                "seed": {"type": "integer", "minimum": -1, "default": -1, "x-random": -1},
                "width": {"type": "integer", "minimum": 64, "maximum": 2000, "multipleOf": 8},
                "height": {"type": "integer", "minimum": 64, "maximum": 2000},
                "style": {"type": "string", "enum": ["oil", "ink"]},
                "strength": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
                "flag": {"type": "boolean", "default": True},
                "logo": {
                    "type": "object",
                    "properties": {"at": {"type": "string"}},
                    "required": ["at"],
                    "additionalProperties": False,
                },
                "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 3},
            },
        },
        "sizeName": {
            "oneOf": [{"const": "small", "x-size": {"width": 512, "height": 512}}],
            "default": "small",
        },
        "outputSide": {"minimum": 64, "maximum": 1000, "multipleOf": 16},
        "picture": schemas.schema(schemas.default_model())["$defs"]["picture"],
        "errorCode": {
            "oneOf": [
                {
                    "const": "7",
                    "title": "Refused",
                    "x-fault": "request",
                    "x-again": "never",
                    "x-advice": "change the prompt",
                }
            ]
        },
    },
}
AXES = (
    "",
    "variants: {size: input}\n",
    "variants: {size: [small, 640x480], style: oil, logo: {at: top}, tags: [[a]]}\n",
    "include: [{strength: 0.5, seed: 7}]\n",
)
VALUES: tuple[Any, ...] = (0, -1, 1, 1.5, 10**30, "", "x", "a" * 300, None, True, [], {}, ["x"])
VALUES += ("string", "number", "object", "array", "url", "width", "${x}", "\0", {"const": "z"})


def _places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths of all values inside a JSON value."""
    inner: Any = enumerate(value) if isinstance(value, list) else ()
    for key, found in value.items() if isinstance(value, dict) else inner:
        yield (*at, key)
        yield from _places(found, (*at, key))


def _changed(whole: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    """A copy with one to three values removed, replaced, exchanged for another, or renamed."""
    whole = json.loads(json.dumps(whole))
    for _ in range(chance.randint(1, 3)):
        places = list(_places(whole))
        *above, key = chance.choice(places)
        holder, other = reduce(getitem, above, whole), chance.choice(places)
        match chance.randrange(4):
            case 0:
                del holder[key]
            case 1:
                holder[key] = chance.choice(VALUES)
            case 2:
                holder[key] = json.loads(json.dumps(reduce(getitem, other, whole)))
            case _ if isinstance(holder, dict):
                holder[str(other[-1])] = holder.pop(key)
    return whole


def test_mutated_models(tmp_path: Path, print_figures: Callable[[str], None]) -> None:
    """A model's file that is damaged in its structure is refused, or gives jobs and requests."""
    photo = (EXAMPLES.parent / "photos" / "hero.jpg").as_posix()
    chance, refused = random.Random(SEED), 0
    path = tmp_path / "r.yaml"
    for _ in range(MODEL_MUTANTS):
        model = _changed(WHOLE, chance)
        (tmp_path / "mine.json").write_text(json.dumps(model))
        text = f"version: 1\nname: x\nmodel: mine.json\ninputs: [{photo}]\nprompts: [Beach]\n"
        path.write_text(text + chance.choice(AXES))
        try:
            recipe = load(path, probe=pictures.probe).recipe
            bodies = Bodies(recipe.models)
            assert all(bodies.body(job) for job in matrix.jobs(recipe)), model
        except RecipeError as error:
            refused += 1
            assert all(found.message.isprintable() for found in error.diagnostics), model
    assert 0 < refused < MODEL_MUTANTS
    print_figures(f"mutants seed {SEED}: {MODEL_MUTANTS} models, {refused} refused, 0 tracebacks")


TABLES = {
    "t.csv": (
        b"image;colour;size;scale;seed;Price\nh.jpg;red;1:1;0,5;7;12,50\nh.jpg;blue;16:9;;;3\n",
        b'image,colour,id,seed\nh.jpg,"deep, red",x,1\nh.jpg,blue,,2\n',
        b"image\tcolour\tmodel\nh.jpg\tred\tspark_i2i_3_0\n",
    ),
    "t.jsonl": (
        b'{"image": "h.jpg", "colour": "red", "seed": 7, "size": "1:1"}\n'
        b'{"image": "h.jpg", "colour": "blue", "scale": 0.5, "price": 12.5}\n',
    ),
}
PROMPTS = (
    "['Tint it ${colour}']",
    "[{id: p, text: 'Tint ${colour} ${tone}', vars: {tone: [x, y]}}]",
)


def test_mutated_tables(tmp_path: Path, print_figures: Callable[[str], None]) -> None:
    """A damaged table is refused, or gives jobs; also one in UTF-16."""
    shutil.copy(EXAMPLES.parent / "photos" / "hero.jpg", tmp_path / "h.jpg")
    chance, refused = random.Random(SEED), 0
    for _ in range(MODEL_MUTANTS):
        name = chance.choice(list(TABLES))
        text = chance.choice(TABLES[name])
        if chance.random() < 0.1:
            text = text.decode().encode("utf-16")
        (tmp_path / name).write_bytes(_mutated(text, chance))
        (tmp_path / "r.yaml").write_text(
            f"version: 1\nname: x\nrows: {name}\nprompts: {chance.choice(PROMPTS)}\n"
        )
        try:
            assert list(matrix.jobs(load(tmp_path / "r.yaml", probe=pictures.probe).recipe)), text
        except RecipeError as error:
            refused += 1
            assert all(found.message.isprintable() for found in error.diagnostics), text
    assert 0 < refused < MODEL_MUTANTS
    print_figures(f"mutants seed {SEED}: {MODEL_MUTANTS} tables, {refused} refused, 0 tracebacks")


def test_mutated_recipes_through_the_command(tmp_path: Path) -> None:
    """Two hundred more by `spark-batch validate`: a line for each, exit 2, no traceback."""
    paths = []
    for number, text in enumerate(_mutants(SEED + 1, 200)):
        paths.append(tmp_path / f"r{number}.yaml")
        paths[-1].write_bytes(text)
    done = subprocess.run(
        [sys.executable, "-m", "spark_batch", "validate", *map(str, paths)],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    out, err = done.stdout.decode(), done.stderr.decode()
    assert done.returncode == ExitCode.WRONG
    assert "Traceback" not in out + err
    assert "the traceback" not in err
    assert [path for path in paths if f"{path}: " not in out] == []
