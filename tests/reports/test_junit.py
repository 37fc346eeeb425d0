"""JUnit XML: valid for the strictest reader, its sums true, and no text breaks out of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import xmlschema
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from junitparser import Error, Failure, JUnitXml, Skipped, TestSuite

from spark_batch.checkpoint import Checkpoint
from tests.makers import a_job
from tests.reports.conftest import HOSTILE, fill, write_report

SCHEMA = xmlschema.XMLSchema(str(Path(__file__).with_name("junit.xsd")))


def write(checkpoint: Checkpoint, folder: Path) -> Path:
    return write_report(checkpoint, folder, "junit")


def suite_of(path: Path) -> TestSuite:
    """The one suite, as a reader of the format sees it."""
    SCHEMA.validate(str(path))
    (suite,) = JUnitXml.fromfile(str(path))
    return suite


def test_a_case_a_job_with_its_outcome(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """Failed and flagged fail, uncertain and lost are errors, what is not at its end is skipped."""
    fill(checkpoint)
    cases = list(suite_of(write(checkpoint, tmp_path)))
    outcomes = [type(case.result[0]) if case.result else None for case in cases]
    assert outcomes == [Skipped, Error, Skipped, Skipped, None, Failure, Error, Failure, Error]
    assert [case.name for case in cases] == [f"cat/beach-{n}" for n in range(1, 10)]
    assert {case.classname for case in cases} == {"t.beach"}
    assert 'file="test.yaml"' in (tmp_path / "t.junit.xml").read_text()
    assert cases[4].system_out is None
    assert cases[5].result[0].text.startswith("test.yaml:11:5: flagged")


def test_the_sums_are_those_of_the_cases(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """As the reader counts them anew."""
    fill(checkpoint)
    suite = suite_of(write(checkpoint, tmp_path))
    told = (suite.tests, suite.failures, suite.errors, suite.skipped)
    assert told == (9, 2, 3, 3)
    time = suite.time
    suite.update_statistics()
    assert (suite.tests, suite.failures, suite.errors, suite.skipped) == told
    assert suite.time == pytest.approx(time, abs=0.02)


def test_a_failure_tells_code_reason_advice_place_and_command(
    checkpoint: Checkpoint, tmp_path: Path
) -> None:
    """Whoever reads the failure alone knows what to do."""
    jobs = fill(checkpoint, "the prompt is too long")
    (failure,) = list(suite_of(write(checkpoint, tmp_path)))[7].result
    assert (failure.type, failure.message) == (
        "003003002",
        "003003002 Invalid prompt length: the prompt is too long",
    )
    assert failure.text.splitlines() == [
        "test.yaml:13:5: 003003002 Invalid prompt length: the prompt is too long",
        "Shorten the prompt to at most 800 characters; 120 or fewer work best. Change that in"
        " the recipe, and run it again.",
        "spark-batch run test.yaml",
        f"job {jobs[7].key}, attempt 2",
    ]


@pytest.mark.parametrize("said", HOSTILE)
def test_hostile_texts_stay_texts(checkpoint: Checkpoint, tmp_path: Path, said: str) -> None:
    """Markup, ends of sections and control characters: valid XML that says the same."""
    fill(checkpoint, said, prompt=said)
    cases = list(suite_of(write(checkpoint, tmp_path)))
    allowed = re.sub("[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]", "\ufffd", said)
    assert cases[7].result[0].message == f"003003002 Invalid prompt length: {allowed}"
    assert allowed in cases[7].result[0].text
    assert allowed in cases[5].result[0].text


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(said=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1))
def test_any_text_is_valid_xml(tmp_path: Path, said: str) -> None:
    """Whatever a server says. The client passes no zero byte on, and a checkpoint has none."""
    with Checkpoint.blank() as checkpoint:
        checkpoint.sync_jobs([a_job()])
        attempt = checkpoint.begin_attempt(a_job().key, number=1, reserved=None, api="x")
        checkpoint.fail(attempt, code=said, message=said, again="never")
        assert suite_of(write(checkpoint, tmp_path)).failures == 1


def test_an_empty_recipe_is_an_empty_suite(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """Nothing was sent, so there is no time to tell, nor a file."""
    path = write(checkpoint, tmp_path)
    suite = suite_of(path)
    assert (suite.tests, suite.timestamp) == (0, None)
    assert "file=" not in path.read_text()
