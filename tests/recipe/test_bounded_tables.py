"""Tables that somebody made to be slow to read end soon, with few errors."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from PIL import Image

from spark_batch import pictures
from spark_batch.jobs import matrix
from spark_batch.recipe import load
from spark_batch.recipe.table import Table

ROWS = {
    "a header of 16 000 columns": ("t.csv", ",".join(f"c{n}" for n in range(16_000))),
    "a column 16 000 times": ("t.csv", ",".join(["image"] * 16_000)),
    "a row of a million cells": ("t.csv", "image,prompt\n" + "a," * 1_000_000),
    "an object of 100 000 keys": (
        "t.jsonl",
        "{" + ",".join(f'"c{n}": 1' for n in range(100_000)) + "}",
    ),
    "90 unusable keys in a long line": (
        "t.jsonl",
        '{"image": "' + "[" * 300_000 + '",' + ",".join(f'"{n}": 1' for n in range(90)) + "}",
    ),
    "a million brackets": ("t.jsonl", "[" * 1_000_000),
    "a number of 100 000 digits": (
        "t.jsonl",
        '{"image": "a", "prompt": "b", "seed": ' + "9" * 100_000 + "}",
    ),
}


@pytest.mark.usefixtures("without_collections")
@pytest.mark.parametrize("name", ROWS)
def test_a_hostile_table_is_an_error_soon(name: str, tmp_path: Path) -> None:
    """No time grows with the square of a row."""
    file, text = ROWS[name]
    path = tmp_path / file
    path.write_text(f"{text}\n")
    begun = time.process_time()
    assert 0 < Table(path).findings.errors <= 100
    assert time.process_time() - begun < 5


@pytest.mark.usefixtures("without_collections")
def test_a_table_of_products_takes_no_time_that_grows_with_the_square_of_its_rows(
    tmp_path: Path,
) -> None:
    Image.new("RGB", (1600, 1600), "teal").save(tmp_path / "a.jpg", quality=5)
    rows = "".join(f"a.jpg;SKU-{n};Headline {n}\n" for n in range(12_000))
    (tmp_path / "t.csv").write_text(f"image;sku;headline\n{rows}")
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(
        "version: 1\nname: t\nrows: t.csv\nprompts: ['Write ${headline}']\n"
        "output: {name: '${sku}/${prompt}'}\n"
    )
    begun = time.process_time()
    assert matrix.count_jobs(load(recipe, probe=pictures.probe).recipe) == 12_000
    assert time.process_time() - begun < 5
