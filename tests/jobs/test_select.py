"""`--only` expressions: what they mean, and what is said of wrong ones."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark_batch.errors import UsageError
from spark_batch.jobs import Attempt, State, record_of
from spark_batch.jobs.select import Chooser, Clause, Facts, parse
from spark_batch.jobs.select import facts as facts_of
from tests.makers import MODELS, a_job

FACTS: Facts = {
    "color": ("navy blue",),
    "input": ("hero",),
    "prompt": ("recolor",),
    "size": ("16:9", "1664x936"),
    "scale": ("0.5",),
    "seed": ("7",),
    "take": ("1",),
    "job": ("0123456789abcdef",),
    "output": ("hero/recolor",),
    "status": ("failed",),
}


@pytest.mark.parametrize(
    "expression",
    [
        "input=hero",
        "input=h*,prompt=recolor,status=failed",
        " input = hero , status = failed|lost ",
        "size=16:9",
        "size=1664x936",
        "scale=0.50",
        "seed=7.0",
        "job=0123",
        "output=hero/*",
        "color=navy blue",
        'color="navy blue"',
        "input!=other",
        "input!=other|third",
    ],
)
def test_what_matches(expression: str) -> None:
    """Patterns, numbers as numbers, keys by their beginning, sizes however they are written."""
    assert Chooser([expression])(FACTS)


@pytest.mark.parametrize(
    "expression",
    [
        "input=her",
        "input=hero,status=done",
        "scale=0.51",
        "job=123",
        "input!=hero",
        "input!=other|hero",
        'input="h*"',
        "nothing=hero",
    ],
)
def test_what_does_not(expression: str) -> None:
    """All clauses have to hold, and a quoted pattern stands for itself."""
    assert not Chooser([expression])(FACTS)


def test_several_expressions_are_alternatives() -> None:
    """One of them is enough; none at all chooses everything."""
    assert Chooser(["input=other", "seed=7"])(FACTS)
    assert Chooser()(FACTS)
    assert not Chooser()


@pytest.mark.parametrize(
    "expression",
    ["", " ", "input", "=hero", "input=", "input=hero,", "input=a,,seed=7", 'input="a', "input=|"],
)
def test_an_expression_that_is_none(expression: str) -> None:
    """Is told with an example of one."""
    with pytest.raises(UsageError, match="expected AXIS=VALUE at character"):
        Chooser([expression])


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("inptu=hero", "no job has the axis 'inptu'; did you mean 'input'?"),
        ("input=heroo", "no job has the input 'heroo'; did you mean 'hero'?"),
        ('input="hero*"', "--only input=\"hero*\": no job has the input 'hero*'; did you mean"),
        ("size=4:3", "no job has the size '4:3'; choose one of 16:9"),
        ("input=hero,seed=8", "no job has the seed '8'; choose one of 7"),
        ("status=done", "no job is chosen; `status` shows where the jobs stand"),
        ("status=failed|expird", "there is no status 'expird'; did you mean 'expired'?"),
        ("input!=hero", "no job is chosen"),
    ],
)
def test_what_no_job_has(expression: str, said: str) -> None:
    """A typing error is told, not taken for a selection of nothing."""
    chooser = Chooser([expression])
    chooser(FACTS)
    with pytest.raises(UsageError) as caught:
        chooser.check()
    assert said in str(caught.value)


def test_a_variable_called_pick_is_not_taken_for_the_verdict() -> None:
    """`export --only pick=yes` would deliver by the wrong one."""
    for expression in ("pick=yes", "pick!=reject", "input=hero,pick=apple"):
        with pytest.raises(UsageError, match="`pick` is a variable of this recipe and the verdict"):
            Chooser([expression])({**FACTS, "pick": ("apple",)})
    assert Chooser(["input=hero"])({**FACTS, "pick": ("apple",)})


def test_a_selection_from_no_jobs_offers_no_choice() -> None:
    """The message ends where a list of axes would be empty."""
    with pytest.raises(UsageError) as caught:
        Chooser(["input=hero"]).check()
    assert str(caught.value) == "--only input=hero: no job has the axis 'input'"


def test_a_status_that_no_job_has_now_is_no_mistake() -> None:
    """`status=failed|expired` is right while nothing has expired, and so is its older word."""
    for word in ("expired", "lost"):
        chooser = Chooser([f"status=failed|{word}"])
        chooser(FACTS)
        chooser.check()


def test_an_older_word_for_a_status_chooses_the_same_jobs() -> None:
    """Version 0.1.0 called an expired job lost."""
    assert Chooser(["status=lost"])({**FACTS, "status": ("expired",)})
    assert not Chooser(["status!=lost"])({**FACTS, "status": ("expired",)})


def test_a_flagged_job_is_done_too() -> None:
    """`status=done` takes it with the others, `status=flagged` takes it alone."""
    job = a_job()
    attempt = Attempt(id=1, key=job.key, number=1, state=State.DONE, suspect="it is all black")
    flagged = facts_of(record_of(job, attempt), MODELS)
    plain = facts_of(record_of(job, replace(attempt, suspect=None)), MODELS)
    for word in ("flagged", "suspect"):
        assert Chooser([f"status={word}"])(flagged)
        assert not Chooser([f"status={word}"])(plain)
        assert not Chooser([f"status=done,status!={word}"])(flagged)
    assert Chooser(["status=done"])(flagged)
    assert Chooser(["status=done"])(plain)


def test_facts_of_a_job() -> None:
    """A job without an attempt is pending, and its size has both its spellings."""
    facts = facts_of(record_of(a_job()), MODELS)
    assert facts["status"] == ("pending",)
    assert facts["size"] == ("1:1", "1328x1328")


_WORDS = st.text("abc019.-_*? /", min_size=1).filter(lambda word: word == word.strip())


@given(
    st.lists(
        st.builds(
            Clause,
            axis=st.sampled_from(["input", "prompt", "seed", "color"]),
            patterns=st.lists(_WORDS, min_size=1, max_size=3).map(tuple),
            negated=st.booleans(),
        ),
        min_size=1,
        max_size=4,
    ).map(tuple)
)
def test_what_is_printed_reads_back(clauses: tuple[Clause, ...]) -> None:
    """An expression can be logged and given again."""
    assert parse(",".join(map(str, clauses))) == clauses
