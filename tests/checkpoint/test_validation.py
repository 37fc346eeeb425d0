"""What a stranger may have put into a checkpoint: it is refused before anything of it is used."""

from __future__ import annotations

import os
import re
import sqlite3
from contextlib import closing
from decimal import Decimal
from itertools import combinations_with_replacement
from pathlib import Path

import pytest

from spark_batch.checkpoint import Checkpoint, CheckpointReader, files, validation
from spark_batch.checkpoint.schema import MIGRATIONS, REPLACED, SCHEMA, VERSION
from spark_batch.errors import CheckpointDamaged, CheckpointError
from spark_batch.jobs import State
from tests.makers import a_picture, a_result, some_jobs

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A checkpoint with an attempt in each state."""
    path = tmp_path / "t.checkpoint"
    jobs = some_jobs(6)
    with Checkpoint.open(path) as checkpoint, checkpoint.transaction():
        checkpoint.sync_jobs(jobs)
        for job, state in zip(jobs, State, strict=True):
            price = Decimal("0.05")
            attempt = checkpoint.begin_attempt(job.key, number=1, reserved=price, api="sandbox")
            if state is not State.SUBMITTING:
                checkpoint.submitted(attempt, f"task-{job.key}")
            if state is State.FAILED:
                checkpoint.fail(attempt, code="000050001", message="no", again="never")
            if state is State.UNCERTAIN:
                checkpoint.uncertain(attempt, "unknown")
            if state in (State.FETCHING, State.DONE):
                checkpoint.fetching(attempt, a_result())
            if state is State.DONE:
                files = {job.output: f"{job.output}.jpg"}
                checkpoint.done(attempt, a_picture(), files, received="0" * 64)
        checkpoint.use_plan("plan-1")
    return path


def spoil(path: Path, script: str) -> None:
    database = sqlite3.connect(path)
    database.executescript(f"PRAGMA writable_schema = ON; {script}")
    database.close()


def assert_refused(path: Path, match: str) -> None:
    for opened in (Checkpoint.open, CheckpointReader.open_readonly, Checkpoint.copy_to_memory):
        with pytest.raises(CheckpointDamaged, match=match):
            opened(path)


def test_what_spark_batch_writes_is_accepted(path: Path) -> None:
    """Every state, and a saved plan that was used."""
    with Checkpoint.open(path) as checkpoint:
        assert len(list(checkpoint.records())) == len(State)


@pytest.mark.parametrize(
    ("begun", "version"), list(combinations_with_replacement(range(1, VERSION + 1), 2))
)
def test_the_schema_of_every_version_is_known(begun: int, version: int, tmp_path: Path) -> None:
    """One that was made as `begun` and migrated since, whose columns have another order."""
    database = sqlite3.connect(tmp_path / "t.checkpoint")
    # Without its comments, in which a column's comma would be lost.
    database.executescript(re.sub(r"--[^\n]*", "", SCHEMA))
    added = []
    for later in range(begun, VERSION):
        for table, sql in REPLACED.get(later, {}).items():
            database.executescript(f"DROP TABLE {table}; {sql};")
        added += [
            text.split()
            for text in MIGRATIONS[later]
            if " ADD COLUMN " in text or later not in REPLACED
        ]
    for words in reversed(added):
        if words[0] == "CREATE":
            database.execute(f"DROP {words[1]} {words[2]}")
        else:
            database.execute(f"ALTER TABLE {words[2]} DROP COLUMN {words[5]}")
    for later in range(begun, version):
        for text in MIGRATIONS[later]:
            database.execute(text)
    assert validation.fault(database, version) is None
    database.close()


@pytest.mark.parametrize(
    "script",
    [
        "CREATE TABLE more (a)",
        "CREATE VIEW more AS SELECT 1",
        f"ALTER TABLE attempt RENAME TO a; CREATE VIEW attempt AS {ENDLESS} i AS id FROM n",
        "CREATE TRIGGER t AFTER UPDATE ON attempt BEGIN DELETE FROM attempt; END",
        "CREATE INDEX i ON attempt (abs(number))",
        "CREATE INDEX i ON attempt (cost)",
        "CREATE VIRTUAL TABLE more USING fts5(a)",
        "ALTER TABLE attempt ADD COLUMN \"state = 'failed', number\" TEXT",
        "ALTER TABLE attempt ADD COLUMN g TEXT AS (hex(zeroblob(1000))) VIRTUAL",
        "ALTER TABLE attempt RENAME COLUMN cost TO costs",
        "ALTER TABLE used_plan RENAME TO plans",
        "DROP TABLE used_plan",
        "DROP INDEX attempt_task",
        "UPDATE sqlite_master SET sql = replace(sql, 'seed    INTEGER', 'seed    BLOB')",
        "UPDATE sqlite_master SET sql = replace(sql, 'UNIQUE (key, number)',"
        " 'UNIQUE (key, number) ON CONFLICT REPLACE')",
        "UPDATE sqlite_master SET sql = replace(sql, 'CHECK (state', 'CHECK (1 OR state')",
        "UPDATE sqlite_master SET sql = replace(sql, 'REFERENCES attempt (id)',"
        " 'REFERENCES attempt (id) ON DELETE CASCADE')",
        "UPDATE sqlite_master SET sql = replace(sql, 'DEFAULT 0', 'DEFAULT 1')",
        "UPDATE sqlite_master SET sql = replace(sql, 'task_id IS NOT NULL', 'task_id IS NULL')",
    ],
)
def test_a_schema_that_is_not_ours_is_refused(path: Path, script: str) -> None:
    """Nothing of it is run as SQL."""
    spoil(path, script)
    assert_refused(path, "is not|has a|has no|cannot be read")


@pytest.mark.parametrize(
    ("column", "value"),
    [
        *(("cost", value) for value in ("'-1000'", "'NaN'", "'Infinity'", "'1e400'", "x'31'")),
        *(("cost", value) for value in ("'99999999999'", "'1.2.3'", "''", "'1_0'", "'٣'")),
        *(("reserved", value) for value in ("'NaN'", "'-0.01'", "'sNaN'", "'much'")),
        *(("discount", value) for value in ("'NaN'", "'1.2.3'", "'x5'", "'--5'")),
        *(("number", value) for value in ("0", "-1", "9223372036854775807", "'many'", "1.5")),
        ("state", "'finished'"),
        ("unsent", "2"),
        ("lost", "'yes'"),
        ("settled", "'by me'"),
        ("key", "'../../../../etc'"),
        ("key", "'0123456789ABCDEF'"),
        *(("submitted_at", value) for value in ("'now'", "'2026-02-30T00:00:00.000Z'", "7")),
        *(("completed_at", value) for value in ("'9999-12-31T23:59:59Z'", "'2026-01-01'")),
        *(("completed_at", f"'2026-01-01T00:00:00{end}'") for end in ("..Z.Z", "ZZ", ".5Z", ".Z")),
        ("sha256", "'../../../../../../tmp/x'"),
        ("sha256", f"'{'0' * 64}' || char(0) || 'x'"),
        ("received_sha256", "'x'"),
        ("format", "'EXE'"),
        ("width", "-1"),
        ("bytes", "'many'"),
        ("told_bytes", "-5"),
        ("total_tokens", "-5"),
        ("task_id", "'a' || char(0) || 'b'"),
        ("error_message", "zeroblob(10)"),
        ("error_message", "printf('%2000000s', 'x')"),
        ("api", "printf('%5000s', 'x')"),
    ],
)
def test_an_attempt_that_spark_batch_does_not_write_is_refused(
    path: Path, column: str, value: str
) -> None:
    """Each value alone, in an otherwise good checkpoint."""
    script = f"PRAGMA ignore_check_constraints = ON; UPDATE attempt SET {column} = {value}"
    spoil(path, f"{script} WHERE state = 'done'")
    assert_refused(path, f"attempt has a {column}|CHECK constraint failed")


@pytest.mark.parametrize("column", ["output", "file"])
@pytest.mark.parametrize(
    "value",
    [
        "../../x",
        "a/../../x",
        "/etc/passwd",
        "..",
        "a/..",
        r"..\x",
        r"\\host\x",
        "C:x",
        "C:/x",
        "",
        ".spark-batch/tiny.checkpoint",
        "a\x1b[2J.jpg",
        "a\nb.jpg",
        f"{'x' * 300}.jpg",
    ],
)
def test_a_picture_outside_of_the_output_folder_is_refused(
    path: Path, column: str, value: str
) -> None:
    """On Windows as well."""
    spoil(path, f"UPDATE placement SET {column} = '{value}' WHERE output = 'cat/beach-1'")
    assert_refused(path, f"placement has a {column}")


@pytest.mark.parametrize(
    ("table", "change"),
    [
        ("placement", "variables = '[]'"),
        ("placement", "variables = 'no JSON'"),
        ("placement", """variables = '{"a": 1}'"""),
        ("placement", "file = 'report.html'"),
        ("request", """parameters = '{"strength": 1e999}'"""),
        ("request", """parameters = '{"strength": 123456789012345678901234567890}'"""),
        ("request", """parameters = '{"size": [{"a": 1e999}]}'"""),
        ("request", f"""parameters = '{{"a": {"[" * 300}{"]" * 300}}}'"""),
        ("request", """parameters = '{"size": null}'"""),
        ("placement", "position = 'first'"),
        ("placement", "current = 7"),
        ("request", "scale = 9e999"),
        ("request", "seed = 'random'"),
        ("request", "picture = '../../../../private.jpg'"),
        ("request", "prompt = x'00'"),
        ("event", "at = 'yesterday'"),
        ("used_plan", "at = ''"),
    ],
)
def test_other_rows_that_spark_batch_does_not_write_are_refused(
    path: Path, table: str, change: str
) -> None:
    """Of every table."""
    spoil(path, f"PRAGMA ignore_check_constraints = ON; UPDATE {table} SET {change}")
    assert_refused(path, f"{table} has a|NULL value|malformed JSON")


def test_a_parameter_may_be_a_mapping_or_a_list(path: Path) -> None:
    """As a model of the user's own has them; in them nothing may be given as well."""
    value = '{"logo": {"at": [1, 2.5, null], "top.left": true}, "style": "ink", "x": 9e18}'
    spoil(path, f"UPDATE request SET parameters = '{value}'")
    with CheckpointReader.open_readonly(path) as reader:
        found = {record.request.plain_parameters["style"] for record in reader.records()}
    assert found == {"ink"}


def test_an_attempt_of_no_request_is_refused(path: Path) -> None:
    """Nothing would say what it was made of."""
    spoil(path, "DELETE FROM request WHERE seed = 1")
    assert_refused(path, "belongs to no request")


def test_a_text_that_is_not_utf_8_is_an_error_without_a_traceback(path: Path) -> None:
    """Found when it is read."""
    spoil(path, "UPDATE request SET prompt = CAST(x'ff' AS TEXT) WHERE seed = 1")
    with pytest.raises(CheckpointDamaged), CheckpointReader.open_readonly(path) as reader:
        list(reader.records())


def test_an_index_that_differs_from_its_table_is_refused(path: Path) -> None:
    """Jobs are looked up by it: it would hide what is paid for."""
    key = some_jobs(1)[0].key.encode()
    with closing(sqlite3.connect(path)) as database, database:
        query = "SELECT rootpage FROM sqlite_master WHERE name = 'sqlite_autoindex_attempt_1'"
        ((page,),) = database.execute(query)
        (size,) = database.execute("PRAGMA page_size").fetchone()
    database.close()
    data = bytearray(path.read_bytes())
    at = data.index(key, (page - 1) * size, page * size)
    data[at : at + len(key)] = b"sandbox" + key[7:]
    path.write_bytes(data)
    assert_refused(path, "index|out of order")


def test_an_error_of_sqlite_that_is_no_text_is_no_traceback(path: Path) -> None:
    """It quotes the name of an object, here with a byte that is not UTF-8."""
    spoil(path, "UPDATE sqlite_master SET name = 'mark' || name, sql = 'x' WHERE type = 'index'")
    data = path.read_bytes()
    assert b"mark" in data
    path.write_bytes(data.replace(b"mark", b"\xffark"))
    assert_refused(path, "cannot be read")


def test_a_query_that_takes_too_long_is_ended(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever makes it long: here the bound is low."""
    monkeypatch.setattr(files, "_MOST_CALLS", 3)
    monkeypatch.setattr(files, "_STEPS_PER_CALL", 100)
    assert_refused(path, "takes too long")


@pytest.mark.parametrize("suffix", ["", "-journal", "-wal"])
@pytest.mark.parametrize("target", ["a FIFO", "a folder"])
def test_what_is_no_regular_file_is_not_opened(path: Path, suffix: str, target: str) -> None:
    """It would never end, or wait for ever."""
    file = path.with_name(path.name + suffix)
    file.unlink(missing_ok=True)
    if target == "a FIFO" and not hasattr(os, "mkfifo"):
        pytest.skip("no named pipes here")
    if target == "a FIFO":
        os.mkfifo(file)
    else:
        file.mkdir()
    assert_refused(path, "not a regular file")


@pytest.mark.parametrize("target", ["gone", "/dev/zero"])
def test_a_link_is_no_missing_checkpoint(path: Path, target: str) -> None:
    """An empty one in its place would pay for everything again; a device would never end."""
    path.unlink()
    path.symlink_to(target)
    for opened in (Checkpoint.open, CheckpointReader.open_readonly):
        with pytest.raises(CheckpointError):
            opened(path)
