"""Lists of jobs: tables of a notebook, data frames of pandas."""

from __future__ import annotations

import base64
import importlib
import re
from dataclasses import replace
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

import spark_batch
from spark_batch import JobList, JobResult, Status
from spark_batch.python import tables
from tests.python.conftest import MAPPING

HOSTILE = "<script>alert(1)</script> & \"quotes\" 'x' \x1b[2J \u202e"


@pytest.fixture
def jobs(folder: Path) -> JobList[JobResult]:
    """Four finished jobs."""
    return spark_batch.run(MAPPING, base=folder, sandbox=True).jobs


class Seen(HTMLParser):
    """The tags and the texts of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.texts: list[str] = []
        self.sources: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.sources += [value or "" for name, value in attrs if name == "src"]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_a_list_is_a_sequence(jobs: JobList[JobResult]) -> None:
    """With slices and choices that are lists as well."""
    assert len(jobs) == 4
    assert jobs[-1] in jobs
    assert jobs[:2] == JobList(tuple(jobs)[:2])
    assert repr(jobs) == "<4 jobs: 4 done>"
    assert [job.prompt for job in jobs.where(lambda job: job.scale < 0.5)] == ["Beach", "Snow"]


def test_a_table_shows_both_pictures(jobs: JobList[JobResult]) -> None:
    """As data of the page itself; and the axes that differ, with the cost."""
    seen = Seen(jobs._repr_html_())
    assert len(seen.sources) == 8
    for source in seen.sources:
        head, _, data = source.partition(",")
        assert head == "data:image/jpeg;base64"
        assert base64.b64decode(data, validate=True)[:2] == b"\xff\xd8"
    assert {"prompt", "scale", "beach", "0.7", "0.03", "done"} <= set(seen.texts)
    assert "seed" not in seen.texts


def test_every_text_of_a_table_is_escaped(jobs: JobList[JobResult]) -> None:
    """Names, variables, messages: no tag, no control character."""
    hostile = [
        replace(
            job,
            name=HOSTILE,
            prompt_id=HOSTILE,
            input=f"{number}{HOSTILE}",
            variables={HOSTILE: f"{number}{HOSTILE}"},
            error_code=HOSTILE,
            error_message=HOSTILE,
            output=Path(f"/{HOSTILE}.jpg"),
            status=Status.FAILED,
        )
        for number, job in enumerate(jobs)
    ]
    page = JobList(tuple(hostile))._repr_html_()
    seen = Seen(page)
    assert set(seen.tags) == {"p", "table", "thead", "tbody", "tr", "th", "td", "img"}
    assert not re.search("[\x00-\x08\x0b-\x1f\u202e]", page)
    assert any("<script>" in text for text in seen.texts)


def test_a_table_has_a_bound(jobs: JobList[JobResult]) -> None:
    """A notebook is no place for a thousand pictures."""
    many = JobList(tuple(jobs) * 250)
    seen = Seen(many._repr_html_())
    assert seen.tags.count("img") == 2 * tables.SHOWN
    assert "… and 980 more" in seen.texts
    assert "1000 jobs: 1000 done" in seen.texts


def test_a_long_text_is_cut(jobs: JobList[JobResult]) -> None:
    """A prompt may have thousands of characters."""
    (text,) = (
        text
        for text in Seen(JobList((replace(jobs[0], error_message="x" * 9999),))._repr_html_()).texts
        if text.startswith("xxx")
    )
    assert len(text) <= 200


def test_a_table_of_nothing() -> None:
    """No error."""
    assert "0 jobs" in JobList[JobResult]()._repr_html_()


def test_a_link_in_place_of_a_picture_is_not_shown(
    jobs: JobList[JobResult], tmp_path: Path
) -> None:
    """A manifest of somebody else must not show pictures from elsewhere on the disk."""
    link = tmp_path / "link.jpg"
    link.symlink_to(tmp_path / "photo.jpg")
    assert Seen(JobList((replace(jobs[0], output=link, image=None),))._repr_html_()).sources == []


def test_rows_of_a_manifest_leave_no_cache(folder: Path, jobs: JobList[JobResult]) -> None:
    """Where the manifest came from elsewhere, nothing is written beside it."""
    manifest = folder / "out/tiny/sandbox/tiny.manifest.csv"
    copied = folder / "copied"
    copied.mkdir()
    (copied / manifest.name).write_bytes(manifest.read_bytes())
    (file,) = {job.output for job in jobs[:1]}
    assert file is not None
    (copied / file.parent.name).mkdir()
    (copied / file.parent.name / file.name).write_bytes(file.read_bytes())
    rows = spark_batch.read_manifest(copied / manifest.name)
    assert len(Seen(rows._repr_html_()).sources) == 1
    assert not (copied / ".spark-batch").exists()


def test_results_and_plans_show_their_money(folder: Path, jobs: JobList[JobResult]) -> None:
    """The sandbox's is play money."""
    now = spark_batch.status(MAPPING, base=folder, sandbox=True)
    assert ": nothing charged, would be about 0.12 USD" in Seen(now._repr_html_()).texts
    planned = spark_batch.plan(MAPPING, base=folder)
    assert ": about 0.12 USD to pay" in Seen(planned._repr_html_()).texts
    assert "create" in Seen(planned._repr_html_()).texts


def test_a_data_frame_has_a_column_for_each_attribute(folder: Path) -> None:
    """And for each variable; amounts stay exact, times are times."""
    colours = {"text": "In ${colour}", "vars": {"colour": ["red", "blue"]}}
    recipe = {**MAPPING, "prompts": [colours]}
    frame = spark_batch.run(recipe, base=folder, sandbox=True).to_pandas()
    assert isinstance(frame, pd.DataFrame)
    assert len(frame) == 4
    assert set(frame["status"]) == {"done"}
    assert frame["cost"].sum() == Decimal("0.12")
    assert sorted(frame.groupby("colour")["key"].count().items()) == [("blue", 2), ("red", 2)]
    assert str(frame["submitted_at"].dt.tz) == "UTC"
    assert list(spark_batch.plan(recipe, base=folder).to_pandas()["action"]) == ["create"] * 4
    assert len(JobList[JobResult]().to_pandas()) == 0


def test_without_pandas_there_is_a_clear_error(
    jobs: JobList[JobResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the command that installs it."""
    real = importlib.import_module

    def missing(name: str) -> object:
        if name == "pandas":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real(name)

    monkeypatch.setattr(tables, "import_module", missing)
    with pytest.raises(spark_batch.UsageError, match=r"pandas is not installed: .*-m pip install"):
        jobs.to_pandas()
