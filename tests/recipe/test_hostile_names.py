"""Names from hostile hands: refused, or harmless on every disk."""

from __future__ import annotations

import random
import re
from pathlib import Path

from PIL import Image

from spark_batch import pictures
from spark_batch.errors import RecipeError
from spark_batch.jobs import matrix
from spark_batch.recipe import load

NAMES = 500
PIECES = [
    "..", "/", "\\", "C:", "~", "$HOME", "${job}", "$$", "con", "NUL", "com1", ".", ". ", " ", "-",
    "a" * 300, "é", "ß", "İ", "\u202e", "\u0301", "\u200b", "﹒﹒", "/etc/passwd", "sandbox",
    ".spark-batch", "%2e%2e%2f", "a:b", "*", "?", "|", "<", "\n", "\t", "'", '"', "`id`", "$(id)",
    "\uff1b", "😀", "lpt9.txt", "a.", "CON.jpg", "A", "a",
]  # fmt: skip
RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


def quoted(text: str) -> str:
    """A YAML text in double quotes."""
    return '"' + "".join(f"\\U{ord(character):08x}" for character in text) + '"'


def hostile(chance: random.Random) -> str:
    return "".join(chance.choice(PIECES) for _ in range(chance.randint(1, 3)))


def check_name(name: str, folder: Path) -> None:
    """Letters, digits, dot, dash, underscore, dollar; nothing leads out, hides or clashes."""
    parts = name.split("/")
    for part in parts:
        assert re.fullmatch(r"[A-Za-z0-9_$][A-Za-z0-9._$-]*|-[A-Za-z0-9._$-]*", part), name
        assert not RESERVED.fullmatch(part), name
        assert not part.endswith("."), name
        assert len(part.encode()) <= 200, name
    assert parts[0].casefold() != "sandbox", name
    assert (folder / name).resolve().is_relative_to(folder.resolve()), name


def test_hostile_names(tmp_path: Path) -> None:
    """Five hundred ids, templates, prompts and files: every name that is taken is harmless."""
    chance = random.Random(7)
    Image.new("RGB", (64, 64)).save(tmp_path / "photo.jpg")
    path = tmp_path / "recipe.yaml"
    taken = 0
    for number in range(NAMES):
        ids = [quoted(hostile(chance)) for _ in range(4)]
        path.write_text(
            "version: 1\nname: n\n"
            f"inputs: [{{id: {ids[0] if number % 4 == 0 else 'photo'}, path: photo.jpg}}]\n"
            f"prompts: [{{id: {ids[1] if number % 4 == 1 else 'p'}, text: Beach}},"
            f" {ids[2] if number % 4 == 2 else 'Snow'}]\n"
            + (f"output: {{name: {ids[3]}-${{prompt}}}}\n" if number % 4 == 3 else "")
        )
        try:
            recipe = load(path, probe=pictures.probe).recipe
        except RecipeError:
            continue
        taken += 1
        names = [job.output for job in matrix.jobs(recipe)]
        assert len({name.casefold() for name in names}) == len(names)
        for name in names:
            check_name(name, recipe.output_dir)
    assert 50 < taken < NAMES - 50


def test_files_with_hostile_names(tmp_path: Path) -> None:
    """What a glob finds on the disk is made harmless, or refused."""
    (tmp_path / "photos").mkdir()
    Image.new("RGB", (64, 64)).save(tmp_path / "photo.jpg")
    content = (tmp_path / "photo.jpg").read_bytes()
    for name in ("-rf.jpg", "a b.jpg", "é.jpg", "..a.jpg", "con.jpg", "x;y.jpg", "$(id).jpg"):
        (tmp_path / "photos" / name).write_bytes(content)
        path = tmp_path / "recipe.yaml"
        path.write_text("version: 1\nname: n\ninputs: [photos/*]\nprompts: [Beach]\n")
        try:
            recipe = load(path, probe=pictures.probe).recipe
        except RecipeError as error:
            assert error.diagnostics
        else:
            for job in matrix.jobs(recipe):
                check_name(job.output, recipe.output_dir)
        (tmp_path / "photos" / name).unlink()
