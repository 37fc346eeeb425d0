"""Whatever is done to a recipe, it loads or is refused with clear messages."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from spark_batch import pictures
from spark_batch.errors import RecipeError
from spark_batch.recipe import Diagnostic, load

EXAMPLES = Path(__file__).parents[1] / "examples" / "valid"
ROUNDS = 200
PIECES = [b"[", b"{", b"*a", b"&a ", b"!!int ", b"\t", b"\0", b"\xff", b": ", b"- ", b"'", b'"']
PIECES += [b"<<: ", b"\n", b"---\n", b"|", b"1e999", b".nan", b"-1", b"${", b"..", b"/", b"~"]
PIECES += ["😀".encode(), "é".encode(), b"\xed\xa0\x80", b"9" * 400, b"null", b"true", b"%", b"@"]


def _mutated(text: bytes, chance: random.Random) -> bytes:
    for _ in range(chance.randint(1, 3)):
        at, length = chance.randrange(len(text) + 1), chance.randint(0, 12)
        middle = chance.choice([b"", chance.choice(PIECES), text[at : at + length] * 2])
        text = text[:at] + middle + text[at + length :]
    return text


@pytest.mark.parametrize("name", ["everything.yaml", "smallest.yaml", "flow-json.yaml"])
def test_mutated_recipes(name: str, tmp_path: Path) -> None:
    """Random damage raises nothing but RecipeError, with one printable line for each error."""
    chance = random.Random(name)
    original = (EXAMPLES / name).read_bytes()
    photos = (EXAMPLES.parent / "photos").as_posix().encode()
    original = original.replace(b"../photos", photos)
    path = tmp_path / "r.yaml"
    for _ in range(ROUNDS):
        path.write_bytes(_mutated(original, chance))
        try:
            load(path, probe=pictures.probe)
        except RecipeError as error:
            assert error.diagnostics
            for each in error.diagnostics:
                assert isinstance(each, Diagnostic)
                assert each.message.isprintable() and each.message
