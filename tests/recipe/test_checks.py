"""Checks that a recipe names, and those of them that can only fail."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from spark_batch.errors import RecipeError
from spark_batch.project import load

HEAD = "version: 1\nname: x\ninputs: [a.jpg]\nprompts: [Make it red]\n"


@pytest.mark.parametrize(
    ("model", "codes"),
    [
        ("spark_i2i_3_0", []),
        ("vtrix_image_4_0", ["check-no-size"]),
        ("[spark_i2i_3_0, vtrix_image_4_0]", ["check-no-size"]),
    ],
)
def test_a_check_of_the_size_needs_a_documented_one(
    tmp_path: Path, model: str, codes: list[str]
) -> None:
    """Each of its pictures would be flagged, and made again for money by whoever trusts it."""
    Image.new("RGB", (64, 64), "teal").save(tmp_path / "a.jpg")
    (tmp_path / "r.yaml").write_text(f"{HEAD}model: {model}\nchecks: [{{size: expected}}]\n")
    found = [one.code for one in load(tmp_path / "r.yaml").warnings if one.path == "checks"]
    assert found == codes


@pytest.mark.parametrize("section", ["run: {seed: 7}", "output: {scale: 0.7}"])
def test_an_axis_in_a_section_without_axes_belongs_into_variants(
    tmp_path: Path, section: str
) -> None:
    Image.new("RGB", (64, 64), "teal").save(tmp_path / "a.jpg")
    (tmp_path / "r.yaml").write_text(f"{HEAD}{section}\n")
    with pytest.raises(RecipeError) as caught:
        load(tmp_path / "r.yaml")
    (found,) = caught.value.diagnostics
    assert "did you mean 'variants." in found.message
