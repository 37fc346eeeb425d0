"""`export` to addresses: a real S3 server over HTTP, cut in the middle, and a store in memory."""

from __future__ import annotations

import csv
import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from spark_batch.cloud import Store
from tests.cli.conftest import Call, Ended, Folder
from tests.cli.test_picks import choose, rows_of
from tests.stores import S3, SECRET, s3_server

TO = "s3://bucket/summer"
MANIFEST = "summer/tiny.export.csv"
UNFINISHED = "summer/tiny.export.unfinished.csv"


@pytest.fixture(scope="module")
def server() -> Iterator[S3]:
    """One server for all tests of this file; each has an empty bucket."""
    with s3_server() as running:
        yield running


@pytest.fixture
def s3(server: S3, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3]:
    """The server with an empty bucket, named in the environment."""
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    server.wire.mend()
    for key in server.objects():
        server.client.delete_object(Bucket="bucket", Key=key)
    server.wire.take_requests()
    yield server
    server.wire.mend()


@pytest.fixture
def made(folder: Folder, call: Call) -> Folder:
    """A recipe whose four previews are finished."""
    call("run", folder.recipe, "--sandbox")
    return folder


def export(call: Call, made: Folder, *more: str, to: str = TO) -> Ended:
    return call("export", made.recipe, "--sandbox", "--to", to, *more)


def hashes(found: dict[str, bytes]) -> dict[str, str]:
    return {name: hashlib.sha256(content).hexdigest() for name, content in found.items()}


def listed(content: bytes) -> dict[str, str]:
    """Names and hashes in an export manifest."""
    return {
        f"summer/{row['file']}": row["sha256"]
        for row in csv.DictReader(content.decode().splitlines())
    }


def test_picked_pictures_are_delivered_to_s3_with_a_manifest(
    made: Folder, call: Call, s3: S3
) -> None:
    """Under their final names; the second time nothing is read but the manifest."""
    rows = choose(made, "pick", "reject", "pick")
    name = ("--picked", "--name", "${recipe}/${prompt}-${job}")
    ended = export(call, made, *name)
    assert (ended.code, ended.out) == (0, f"{TO}: 2 pictures copied, 0 there already\n")
    found = s3.objects()
    manifest = listed(found.pop(MANIFEST))
    wanted = {
        f"summer/tiny/{row['prompt_id']}-{row['job']}.jpg": row["sha256"]
        for row in (rows[0], rows[2])
    }
    assert hashes(found) == manifest == wanted
    s3.wire.take_requests()
    assert export(call, made, *name).out == f"{TO}: 0 pictures copied, 2 there already\n"
    requests = s3.wire.take_requests()
    assert not [one for one in requests if one.startswith(("PUT", "DELETE")) or ".jpg" in one]
    assert [one for one in requests if one == f"GET /bucket/{MANIFEST}"]


def test_a_dry_run_writes_no_object(made: Folder, call: Call, s3: S3) -> None:
    """It lists what would be done."""
    ended = export(call, made, "--dry-run")
    assert ended.out.endswith(f"{TO}: 4 pictures would be copied, 0 there already\n")
    assert ended.out.count("  copy ") == 4
    assert s3.objects() == {}


def test_mirror_deletes_from_s3_what_export_wrote_and_nothing_else(
    made: Folder, call: Call, s3: S3
) -> None:
    """Not what somebody else wrote there, nor what somebody changed, with its size or without."""
    export(call, made)
    before = s3.objects()
    longer, other, gone, kept = (f"summer/{row['output']}" for row in rows_of(made))
    same_size = bytes(len(before[other]))
    s3.put(longer, b"mine")
    s3.put(other, same_size)
    s3.put("summer/foreign.jpg", b"foreign")
    s3.put("else.jpg", b"elsewhere")
    choose(made, "", "", "", "pick")
    assert export(call, made, "--picked", "--mirror").out.endswith("1 deleted\n")
    found = s3.objects()
    assert gone in before
    assert gone not in found
    assert (found[longer], found[other]) == (b"mine", same_size)
    assert found["summer/foreign.jpg"] == b"foreign"
    assert found["else.jpg"] == b"elsewhere"
    assert kept in listed(found[MANIFEST])
    assert UNFINISHED not in found


def test_an_object_that_export_did_not_write_is_not_replaced(
    made: Folder, call: Call, s3: S3
) -> None:
    """An error before anything is written."""
    key = f"summer/{rows_of(made)[2]['output']}"
    s3.put(key, b"mine")
    ended = export(call, made)
    assert (ended.code, "that export did not write" in ended.err) == (2, True)
    assert s3.objects() == {key: b"mine"}


def test_a_connection_that_is_cut_in_the_middle_is_continued(
    made: Folder, call: Call, s3: S3
) -> None:
    """Whole objects or none, no manifest before all are there, and no secret in the error."""
    originals = {f"summer/{row['output']}": row["sha256"] for row in rows_of(made)}
    s3.wire.cut(3)  # the list of what is to come, and two pictures
    ended = export(call, made)
    assert ended.code == 1
    assert ended.err.startswith(f"spark-batch: cannot write {TO}/")
    assert len(ended.err.splitlines()) == 1
    assert SECRET not in ended.err + ended.out
    found = s3.objects()
    assert MANIFEST not in found
    assert listed(found.pop(UNFINISHED)) == originals
    assert len(found) == 2
    assert hashes(found).items() <= originals.items()
    s3.wire.mend()
    ended = export(call, made)
    assert ended.out == f"{TO}: 2 pictures copied, 2 there already\n"
    found = s3.objects()
    assert listed(found.pop(MANIFEST)) == originals == hashes(found)


_KILLED = """
import os, signal, sys
from spark_batch.project import destinations
write, written = destinations.StoreDestination.write, []
def kills(self, name, content):
    write(self, name, content)
    written.append(name)
    if len(written) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
destinations.StoreDestination.write = kills
from spark_batch.cli import main
sys.argv = ["spark-batch", *sys.argv[1:]]
main()
"""


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGKILL")
def test_an_export_to_s3_that_is_killed_is_continued(made: Folder, call: Call, s3: S3) -> None:
    """A real process, killed when the first picture is there; `--mirror` knows its files."""
    command = [sys.executable, "-c", _KILLED, "export", str(made.recipe), "--sandbox", "--to", TO]
    killed = subprocess.run(command, check=False, capture_output=True, timeout=120)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    there = s3.objects()
    assert MANIFEST not in there
    assert UNFINISHED in there
    assert len(there) > 1
    choose(made, "pick")
    assert export(call, made, "--picked", "--mirror").code == 0
    found = s3.objects()
    assert listed(found.pop(MANIFEST)) == hashes(found)
    assert set(found) == {f"summer/{rows_of(made)[0]['output']}"}


def test_a_bucket_that_does_not_exist_is_one_line(made: Folder, call: Call, s3: S3) -> None:
    """It is not made: a slip would write pictures into a bucket of that name."""
    ended = export(call, made, to="s3://buket/x")
    assert (ended.code, ended.err.startswith("spark-batch: cannot write s3://buket/x/")) == (
        1,
        True,
    )
    assert len(ended.err.splitlines()) == 1
    assert [each["Name"] for each in s3.client.list_buckets()["Buckets"]] == ["bucket"]


def test_a_content_of_the_same_size_is_read_before_it_counts(made: Folder, call: Call) -> None:
    """After a killed export, an object may have the older of two contents that are listed."""
    to = f"memory://{made.path.name}"
    store, row = Store(to), rows_of(made)[0]
    older = bytes(int(row["bytes"]))
    digest = hashlib.sha256(older).hexdigest()
    lines = "".join(
        f"{row['output']},{sha256},{row['job']},{row['output']},{row['bytes']}\n"
        for sha256 in (digest, row["sha256"])
    )
    store.write("tiny.export.unfinished.csv", f"file,sha256,job,output,bytes\n{lines}".encode())
    store.write(row["output"], older)
    only = ("--only", f"job={row['job']}")
    assert export(call, made, *only, to=to).out == f"{to}: 1 picture copied, 0 there already\n"
    assert hashlib.sha256(store.read(row["output"]) or b"").hexdigest() == row["sha256"]
    assert set(store.sizes()) == {row["output"], "tiny.export.csv"}
    store.write(row["output"], older)  # by somebody else: not noticed, and not replaced
    assert "1 there already" in export(call, made, *only, to=to).out
    store.write(row["output"], older + b"longer")
    ended = export(call, made, *only, to=to)
    assert (ended.code, "changed since" in ended.err) == (2, True)


def test_a_manifest_without_sizes_is_read(made: Folder, call: Call) -> None:
    """Earlier versions wrote four columns; the pictures are then read once."""
    to = f"memory://{made.path.name}"
    export(call, made, to=to)
    store = Store(to)
    rows = list(csv.reader((store.read("tiny.export.csv") or b"").decode().splitlines()))
    store.write("tiny.export.csv", "".join(f"{','.join(row[:4])}\n" for row in rows).encode())
    assert export(call, made, to=to).out.endswith("0 pictures copied, 4 there already\n")
    assert rows == list(csv.reader((store.read("tiny.export.csv") or b"").decode().splitlines()))


@pytest.mark.parametrize(
    ("to", "words"),
    [
        ("file:///tmp/x", "give a folder by its path"),
        ("simplecache::s3://bucket/x", "a plain address such as s3://bucket/prefix"),
        ("s3://", "names no bucket"),
        ("nothing://x", "cannot be used"),
        ("gs://bucket/x", "needs gcsfs: "),
        ("https://host.invalid/x?token=canary00", "cannot "),
        ("sftp://me:canary00@host.invalid/x", "sftp://[secret]@host.invalid/x "),
    ],
)
def test_what_cannot_be_written_to_is_one_line(
    made: Folder, call: Call, to: str, words: str
) -> None:
    """Without the password or the query of the address."""
    ended = export(call, made, to=to)
    assert ended.code in (1, 2)
    assert words in ended.err
    assert len(ended.err.splitlines()) == 1
    assert "canary00" not in ended.err + ended.out


def test_without_fsspec_the_command_that_installs_it_is_shown(
    made: Folder, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the driver of that address."""
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    ended = export(call, made)
    assert ended.code == 2
    assert ended.err.endswith(
        f"{TO} needs fsspec and s3fs: {sys.executable} -m pip install fsspec s3fs\n"
    )
