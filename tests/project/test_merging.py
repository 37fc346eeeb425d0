"""Where a job's picture and prompt stand is written down with it."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from spark_batch.project import RunOptions, load, open_readonly
from spark_batch.project.layout import layout_of
from tests.runs import run

RECIPE = """\
version: 1
name: mine
inputs: [photos/cat.jpg]
prompts:
  - id: recolor
    text: Change the hat to ${color}
    vars: {color: [pink, navy blue]}
rows: shots.csv
"""


def test_a_line_knows_its_place_its_picture_and_its_variables(tmp_path: Path) -> None:
    """As seen from the recipe's folder, so they hold on another machine."""
    (tmp_path / "photos").mkdir()
    Image.new("RGB", (96, 64), (200, 120, 40)).save(tmp_path / "photos" / "cat.jpg", "JPEG")
    (tmp_path / "mine.yaml").write_text(RECIPE)
    (tmp_path / "shots.csv").write_text("image,prompt\nphotos/cat.jpg,Beach\nphotos/cat.jpg,Snow\n")
    recipe = load(tmp_path / "mine.yaml").recipe
    run(recipe, RunOptions(sandbox=True))
    with open_readonly(layout_of(recipe, sandbox=True)) as checkpoint:
        found = [(each.source, each.image, each.variables) for each in checkpoint.records()]
    _check(found)
    (tmp_path / "mine.yaml").write_text("# moved a line down\n" + RECIPE)
    assert run(load(tmp_path / "mine.yaml").recipe, RunOptions(sandbox=True)).idle
    with open_readonly(layout_of(recipe, sandbox=True)) as checkpoint:
        assert next(checkpoint.records()).source == "mine.yaml:7:11"


def _check(found: list[tuple[str | None, str | None, tuple[tuple[str, str], ...]]]) -> None:
    assert found == [
        ("mine.yaml:6:11", "photos/cat.jpg", (("color", "pink"),)),
        ("mine.yaml:6:11", "photos/cat.jpg", (("color", "navy blue"),)),
        ("shots.csv:2:1", "photos/cat.jpg", ()),
        ("shots.csv:3:1", "photos/cat.jpg", ()),
    ]
