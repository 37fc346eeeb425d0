"""A sample has every value of every axis as early as it can, and is always the same."""

from __future__ import annotations

from itertools import product
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark_batch.errors import UsageError
from spark_batch.jobs import record_of
from spark_batch.jobs.sample import read_size, sample
from spark_batch.jobs.select import axis_values, facts
from tests.makers import MODELS, a_job

Jobs = list[tuple[str, list[tuple[str, str]]]]

KEYS = st.integers(0, 2**64 - 1).map(lambda number: f"{number:016x}")
# Of some axes a job has no value, as of a variable that its prompt lacks.
AXES = st.dictionaries(st.sampled_from("abcd"), st.sampled_from("123456")).map(
    lambda values: list(values.items())
)
JOBS = st.lists(st.tuples(KEYS, AXES), min_size=1, max_size=60, unique_by=lambda job: job[0])


def _values(jobs: Jobs, keys: frozenset[int]) -> set[tuple[str, str]]:
    return {value for key, axes in jobs if int(key, 16) in keys for value in axes}


def _greedy(jobs: Jobs) -> list[int]:
    """The plain form of the cover: the best of all jobs, again and again."""
    seen: set[tuple[str, str]] = set()
    found = []
    while seen != {value for _, axes in jobs for value in axes}:
        key, axes = min(jobs, key=lambda job: (-len({*job[1]} - seen), job[0]))
        seen.update(axes)
        found.append(int(key, 16))
    return found


@given(JOBS)
def test_it_is_the_greedy_cover_and_then_the_lowest_keys(jobs: Jobs) -> None:
    """Each value is there as soon as the greedy order of the jobs allows."""
    cover = _greedy(jobs)
    order = list(dict.fromkeys([*cover, *sorted(int(key, 16) for key, _ in jobs)]))
    for number in range(1, len(jobs) + 1):
        found = sample(jobs, read_size(str(number)))
        assert found.keys == frozenset(order[:number])
        assert (found.total, found.covering) == (len(jobs), len(cover))
        if number >= found.covering:
            assert _values(jobs, found.keys) == {value for _, axes in jobs for value in axes}


@given(JOBS, st.randoms(use_true_random=False), st.integers(1, 99))
def test_the_order_of_the_jobs_makes_no_difference(jobs: Jobs, random: Random, part: int) -> None:
    """A recipe whose entries are moved has the same sample."""
    shuffled = list(jobs)
    random.shuffle(shuffled)
    size = read_size(f"{part}%")
    assert sample(shuffled, size) == sample(jobs, size)


@given(st.lists(st.integers(1, 5), min_size=1, max_size=4), st.integers(0, 1000))
def test_a_full_matrix_needs_as_many_jobs_as_its_longest_axis(
    lengths: list[int], seed: int
) -> None:
    """With any keys: one job for each of its values has all values of the other axes, too."""
    combinations = list(product(*(range(length) for length in lengths)))
    numbers = Random(seed).sample(range(2**62), len(combinations))
    jobs = [
        (f"{number:016x}", [(f"axis {at}", str(value)) for at, value in enumerate(values)])
        for number, values in zip(numbers, combinations, strict=True)
    ]
    assert sample(jobs, read_size("1")).covering == max(lengths)


def test_lines_with_one_key_count_once() -> None:
    """They are one picture; both are in the sample, or neither."""
    jobs = [("0" * 16, [("input", "a")]), ("0" * 16, [("input", "b")]), ("1" * 16, [])]
    assert sample(jobs, read_size("100%")).total == 2
    found = sample(jobs, read_size("1"))
    assert (found.keys, found.covering) == (frozenset({0}), 1)


def test_the_axes_are_those_of_selections() -> None:
    """All but what is of one job alone: its key, its name and its status."""
    found = dict(axis_values(facts(record_of(a_job()), MODELS)))
    assert set(found) == {"model", "input", "prompt", "size", "scale", "seed", "take"}


@pytest.mark.parametrize(
    ("text", "total", "count"),
    [
        ("20", 100, 20),
        ("20", 7, 7),
        ("5%", 100, 5),
        ("5%", 101, 6),
        ("0.1%", 10, 1),
        ("100%", 3, 3),
        ("5%", 0, 0),
    ],
)
def test_sizes(text: str, total: int, count: int) -> None:
    """A part is rounded up, and no sample is larger than the whole."""
    size = read_size(text)
    assert (size.of(total), str(size)) == (count, text)


@pytest.mark.parametrize("text", ["", "0", "0%", "-1", "1.5", "101%", "five", "5 %", "1e3", "٣"])
def test_what_is_no_size_is_refused(text: str) -> None:
    """With what to write instead."""
    with pytest.raises(UsageError, match=r"the size of a sample: .* such as 20, .* such as 5%"):
        read_size(text)
