"""Inputs in an object store: a real S3 server over HTTP, asked once a command, read once."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from tests.cli.conftest import Call, Folder
from tests.stores import S3, SECRET, s3_server

ADDRESS = "s3://bucket/photos/mug.jpg"


def a_photo(colour: str = "orange", kind: str = "JPEG", size: tuple[int, int] = (96, 64)) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, kind)
    return file.getvalue()


@pytest.fixture(scope="module")
def server() -> Iterator[S3]:
    """One server for all tests of this file."""
    with s3_server() as running:
        yield running


@pytest.fixture
def s3(server: S3, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3]:
    """The server with one photo in its bucket, named in the environment."""
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    server.wire.mend()
    for key in server.objects():
        server.client.delete_object(Bucket="bucket", Key=key)
    server.put("photos/mug.jpg", a_photo())
    server.wire.take_requests()
    yield server
    server.wire.mend()


@pytest.fixture
def remote(folder: Folder) -> Folder:
    """The recipe with an input in the store."""
    folder.edit("photo.jpg", ADDRESS)
    return folder


def planned(call: Call, folder: Folder) -> dict[str, str]:
    """What would be done with each job, by key."""
    ended = call("plan", folder.recipe, "--sandbox", "--json")
    assert ended.code == 0, ended.err
    return {job["job"]: job["action"] for job in json.loads(ended.out)["jobs"]}


def test_an_input_in_a_store_is_a_file_like_any_other(remote: Folder, call: Call, s3: S3) -> None:
    """With the keys of the same file in the folder; it is read once, and then only asked about."""
    assert call("run", remote.recipe, "--sandbox").code == 0
    reads = [one for one in s3.wire.take_requests() if one.startswith("GET")]
    assert reads == ["GET /bucket/photos/mug.jpg"]
    with (remote.previews / "tiny.manifest.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["input"] for row in rows} == {"mug"}
    assert set(planned(call, remote).values()) == {"keep"}
    assert "nothing to do: 4 jobs done" in call("run", remote.recipe, "--sandbox").out
    assert [one.split(" ")[0] for one in s3.wire.take_requests()] == ["HEAD", "HEAD"]
    page = (remote.previews / "tiny.html").read_text()
    assert f'"image":"{ADDRESS}","thumbnail":' in page
    assert f'"image":"{ADDRESS}","thumbnail":null' not in page
    (remote.path / "mug.jpg").write_bytes(a_photo())
    remote.edit(ADDRESS, "mug.jpg")
    assert set(planned(call, remote)) == {row["job"] for row in rows}


def test_a_changed_object_is_a_changed_file(remote: Folder, call: Call, s3: S3) -> None:
    """Its jobs are new ones; put back as it was, they are the old ones again."""
    before = planned(call, remote)
    s3.put("photos/mug.jpg", a_photo("blue"))
    after = planned(call, remote)
    assert not before.keys() & after.keys()
    s3.put("photos/mug.jpg", a_photo())
    assert planned(call, remote) == before


def test_a_store_that_cannot_be_reached_is_a_warning_once_the_picture_was_read(
    remote: Folder, call: Call, s3: S3
) -> None:
    """Before, it is an error at the input's line; in both cases without the key."""
    s3.wire.cut(0)
    ended = call("validate", remote.recipe)
    assert ended.code == 2
    assert f"recipe.yaml:3:10: error: inputs[0]: cannot read {ADDRESS}: " in ended.err
    assert "1 error" in ended.out
    s3.wire.mend()
    before = planned(call, remote)
    s3.wire.cut(0)
    ended = call("validate", remote.recipe)
    assert ended.code == 0
    assert "taken as it was read before [input-unreachable]" in ended.err
    assert SECRET not in ended.err
    assert planned(call, remote) == before


def test_what_was_read_at_another_address_never_takes_an_objects_place(
    remote: Folder, call: Call, s3: S3
) -> None:
    """Of two addresses whose SHA-256 begin with the same 8 digits, while the store is silent."""
    one, other = (f"s3://bucket/photos/{number}.jpg" for number in (20033, 99323))
    for name, colour in (("20033", "teal"), ("99323", "tan")):
        s3.put(f"photos/{name}.jpg", a_photo(colour))
    remote.edit(ADDRESS, one)
    assert call("validate", remote.recipe).code == 0
    remote.edit(one, other)
    s3.wire.cut(0)
    ended = call("validate", remote.recipe)
    assert (ended.code, f"inputs[0]: cannot read {other}: " in ended.err) == (2, True)


def test_a_missing_object_is_an_error_at_its_line(remote: Folder, call: Call, s3: S3) -> None:
    """Also when it was read before: it was removed on purpose, or moved."""
    assert call("validate", remote.recipe).code == 0
    s3.client.delete_object(Bucket="bucket", Key="photos/mug.jpg")
    ended = call("validate", remote.recipe)
    assert (ended.code, f"inputs[0]: there is no object {ADDRESS}" in ended.err) == (2, True)


def test_an_object_that_is_too_large_is_not_read(remote: Folder, call: Call, s3: S3) -> None:
    """Its size is known before."""
    s3.put("photos/mug.jpg", bytes(5_000_000))
    s3.wire.take_requests()
    ended = call("validate", remote.recipe)
    assert (ended.code, f"{ADDRESS} has 5000000 bytes, at most" in ended.err) == (2, True)
    assert not [one for one in s3.wire.take_requests() if one.startswith("GET")]


@pytest.mark.parametrize("content", [b"", b"no picture"])
def test_an_object_that_is_no_picture_is_named_by_its_address(
    remote: Folder, call: Call, s3: S3, content: bytes
) -> None:
    """And not by the name of its copy."""
    s3.put("photos/mug.jpg", content)
    ended = call("validate", remote.recipe)
    assert (ended.code, f"error: inputs[0]: {ADDRESS}: " in ended.err) == (2, True)
    assert ".spark-batch" not in ended.err


def test_an_object_may_be_fitted_and_named_in_a_table(folder: Folder, call: Call, s3: S3) -> None:
    """`fit` works on it as on a file, and rows name it as `inputs` does."""
    s3.put("scan.png", a_photo(kind="PNG", size=(900, 100)))
    (folder.path / "rows.csv").write_text(f"image,prompt\n{ADDRESS},Make it red\n")
    folder.edit("[photo.jpg]", f"[{{id: scan, path: s3://bucket/scan.png, fit: true}}, {ADDRESS}]")
    folder.edit("price:", "rows: rows.csv\nprice:")
    ended = call("plan", folder.recipe, "--sandbox", "--all")
    assert (ended.code, "900x100" in ended.out) == (0, True)
    folder.edit(f", {ADDRESS}", "")
    ended = call("plan", folder.recipe, "--sandbox")
    assert (ended.code, f"list '{ADDRESS}' in `inputs`" in ended.err) == (2, True)


@pytest.mark.parametrize("content", [b"", b"spoilt"])
def test_a_kept_copy_that_was_changed_is_read_again(
    remote: Folder, call: Call, s3: S3, content: bytes
) -> None:
    """Its name is its SHA-256."""
    before = planned(call, remote)
    kept = remote.out / ".spark-batch" / "inputs"
    (copy,) = (path for path in kept.iterdir() if path.suffix != ".json")
    whole = copy.read_bytes()
    copy.write_bytes(content)
    s3.wire.take_requests()
    assert planned(call, remote) == before
    assert copy.read_bytes() == whole
    assert len([one for one in s3.wire.take_requests() if one.startswith("GET")]) == 1


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"bytes": 1, "version": [], "sha256": "../x"}'])
def test_a_damaged_note_about_an_address_is_passed_over(
    remote: Folder, call: Call, s3: S3, text: str
) -> None:
    """A branch may bring any file there."""
    before = planned(call, remote)
    (note,) = (remote.out / ".spark-batch" / "inputs").glob("*.json")
    note.write_text(text)
    assert planned(call, remote) == before


def test_nothing_is_kept_through_a_link(
    remote: Folder, call: Call, s3: S3, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A branch could have a file written elsewhere."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (remote.out / ".spark-batch").mkdir(parents=True)
    (remote.out / ".spark-batch" / "inputs").symlink_to(elsewhere, target_is_directory=True)
    ended = call("validate", remote.recipe)
    assert (ended.code, "symbolic link" in ended.err) == (2, True)
    assert list(elsewhere.iterdir()) == []


def test_in_a_repository_an_address_is_outside(remote: Folder, call: Call, s3: S3) -> None:
    """A pull request has nothing read with the credentials of whoever plans it."""
    (remote.path / ".git").mkdir()
    ended = call("validate", remote.recipe)
    assert ended.code == 2
    assert "would be read with your credentials" in ended.err
    assert "--allow-outside" in ended.err
    assert s3.wire.take_requests() == []
    assert call("validate", remote.recipe, "--allow-outside").code == 0


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("file:///etc/hostname", "neither a file nor an http or https URL"),
        ("local:///etc/hostname", "neither a file nor an http or https URL"),
        ("github://a:b@c/d.jpg", "neither a file nor an http or https URL"),
        ("memory://a.jpg", "neither a file nor an http or https URL"),
        ("simplecache::s3://bucket/a.jpg", "there is no file"),
        ("s3://bucket/zip::file:///etc/x", "not the plain address"),
        ("s3://bucket/*.jpg", "not the plain address"),
        ("s3://me:canary00@bucket/a.jpg", "not the plain address"),
        ("s3://bucket/a.jpg?sig=canary00", "not the plain address"),
        ("s3://bucket", "there is no object s3://bucket"),
        ("s3://", "names no bucket"),
    ],
)
def test_what_is_no_plain_address_is_an_error(
    folder: Folder, call: Call, s3: S3, address: str, words: str
) -> None:
    """At its line, and nothing is asked of the store for most of them."""
    folder.edit("[photo.jpg]", f"[{json.dumps(address)}]")
    ended = call("validate", folder.recipe)
    assert (ended.code, words in ended.err) == (2, True)
    assert "error: inputs[0]" in ended.err
    assert not [one for one in s3.wire.take_requests() if one.startswith("GET /bucket/")]


@pytest.mark.parametrize(
    ("module", "words"),
    [
        ("fsspec.core", f"{ADDRESS} needs fsspec and s3fs: "),
        ("gcsfs", "gs://bucket/a.jpg needs gcsfs: "),
    ],
)
def test_without_the_driver_the_command_that_installs_it_is_shown(
    folder: Folder, call: Call, monkeypatch: pytest.MonkeyPatch, module: str, words: str
) -> None:
    """At the input's line."""
    monkeypatch.setitem(sys.modules, module, None)
    folder.edit("photo.jpg", words.split(" ", maxsplit=1)[0])
    ended = call("validate", folder.recipe)
    assert ended.code == 2
    assert f"inputs[0]: {words}{sys.executable} -m pip install " in ended.err


def test_an_output_folder_has_the_copies_beside_the_previews(
    remote: Folder, call: Call, s3: S3
) -> None:
    """One folder for the recipe, which previews share with paid pictures."""
    call("run", remote.recipe, "--sandbox", "--limit", "1")
    kept = remote.out / ".spark-batch" / "inputs"
    assert sorted(path.suffix for path in kept.iterdir()) == ["", ".json"]
    assert not (remote.previews / ".spark-batch" / "inputs").exists()
    assert Path(kept).is_dir()
