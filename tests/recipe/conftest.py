"""Fixtures for recipes: a folder with a picture, and a way to write and load a recipe in it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from spark_batch import pictures
from spark_batch.errors import RecipeError
from spark_batch.recipe import Diagnostic, Loaded, load

HEAD = "version: 1\nname: x\n"
INPUTS = "inputs: [photos/hero.jpg]\n"
PROMPTS = "prompts: [Make it red]\n"
BASE = HEAD + INPUTS + PROMPTS

Load = Callable[[str], Loaded]
Errors = Callable[[str], list[Diagnostic]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with photos/hero.jpg, large enough for no warning."""
    (tmp_path / "photos").mkdir()
    Image.new("RGB", (1600, 1600), "teal").save(tmp_path / "photos" / "hero.jpg", quality=5)
    return tmp_path


@pytest.fixture
def loaded(folder: Path) -> Load:
    """Writes a recipe into the folder and loads it."""

    def run(text: str) -> Loaded:
        path = folder / "recipe.yaml"
        path.write_text(text, encoding="utf-8")
        return load(path, probe=pictures.probe)

    return run


@pytest.fixture
def errors(loaded: Load) -> Errors:
    """Writes a recipe that is wrong, and gives its errors."""

    def run(text: str) -> list[Diagnostic]:
        with pytest.raises(RecipeError) as caught:
            loaded(text)
        return [error for error in caught.value.diagnostics if isinstance(error, Diagnostic)]

    return run
