"""Shards: how jobs are dealt out, and how one is named."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark_batch.errors import UsageError
from spark_batch.jobs.shard import Shard, labelled_shard, read_shard
from tests.makers import a_job, some_jobs

COUNTS = st.integers(1, 1000)
KEYS = st.integers(0, 2**64 - 1).map(lambda number: f"{number:016x}")


@given(KEYS, COUNTS)
def test_every_job_is_in_one_shard(key: str, count: int) -> None:
    """None is made twice, none is left out."""
    owners = [index for index in range(1, count + 1) if Shard(index, count).owns(key)]
    assert owners == [int(key, 16) % count + 1]


def test_shards_are_about_as_large_as_each_other() -> None:
    """Keys are hashes: of 4000 jobs each of four shards has 1000, give or take a tenth."""
    jobs = some_jobs(4000)
    sizes = [len(list(Shard(index, 4).of(jobs))) for index in range(1, 5)]
    assert sum(sizes) == 4000
    assert all(900 < size < 1100 for size in sizes)


def test_two_lines_with_one_key_are_in_the_same_shard_in_order() -> None:
    """A job that is written twice is made once, in shards too."""
    jobs = [a_job("a"), a_job("b")]
    parts = [list(Shard(index, 3).of(jobs)) for index in (1, 2, 3)]
    assert sorted(parts, key=len) == [[], [], jobs]


@given(st.integers(1, 1000), COUNTS)
def test_a_shard_is_read_as_it_is_written(index: int, count: int) -> None:
    """And known by its files."""
    if index > count:
        with pytest.raises(UsageError, match="is not a shard"):
            read_shard(f"{index}/{count}")
        return
    shard = Shard(index, count)
    assert read_shard(str(shard)) == shard
    assert labelled_shard(shard.label) == shard


@pytest.mark.parametrize("label", ["shard-1-of-", "shard-01-of-4", "shard-1-of-4x"])
def test_other_files_are_no_shards(label: str) -> None:
    """Somebody's own file is not taken for one."""
    assert labelled_shard(label) is None
