"""A finished file that somebody or something changed: told, put back for nothing, never lost."""

from __future__ import annotations

import hashlib
import json

import pytest
from PIL import Image

from spark_batch.errors import ExitCode
from tests.cli.conftest import Call, Folder


def test_a_cut_file_is_put_back_without_a_new_task(folder: Folder, call: Call) -> None:
    """`plan` says so with both sizes, `run` fetches it, and what stood there is kept."""
    call("run", folder.recipe, "--sandbox")
    path = folder.pictures()[0]
    whole = path.read_bytes()
    path.write_bytes(whole[:120])
    told = call("plan", folder.recipe, "--sandbox", "--detailed-exitcode")
    assert told.code == ExitCode.CHANGES
    differs = f"size differs: 120 bytes, {len(whole)} recorded"
    assert f"{differs}; the file that is there is kept in .spark-batch/kept" in told.out
    assert "1 to restore (file missing or changed)" in told.out
    document = json.loads(call("plan", folder.recipe, "--sandbox", "--json").out)
    assert [job["cause"] for job in document["jobs"]].count("size-differs") == 1
    ended = call("run", folder.recipe, "--sandbox")
    assert f"{differs}; the file that was there is kept in .spark-batch/kept" in ended.err
    assert path.read_bytes() == whole
    kept = folder.previews / ".spark-batch" / "kept"
    assert [each.read_bytes() for each in kept.iterdir()] == [whole[:120]]
    assert "4 files as recorded, 0 changed" in call("verify", folder.recipe, "--sandbox").out
    assert len(folder.ledger()) == 4


@pytest.mark.parametrize("has_copy", [False, True])
def test_a_file_changed_within_its_size_comes_back_once_it_is_deleted(
    folder: Folder, call: Call, *, has_copy: bool
) -> None:
    """From the API, or from a copy in `kept`; `run` alone does not see that it has changed."""
    call("run", folder.recipe, "--sandbox")
    path = folder.pictures()[0]
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + b"\0")
    if has_copy:
        kept = folder.previews / ".spark-batch" / "kept"
        kept.mkdir(exist_ok=True)
        (kept / f"{hashlib.sha256(whole).hexdigest()[:16]}.jpg").write_bytes(whole)
        _forget(folder)
    advice = "delete it, and `spark-batch run"
    assert advice in " ".join(call("verify", folder.recipe, "--sandbox").out.split())
    exported = call("export", folder.recipe, "--sandbox", "--to", folder.path / "final")
    assert (exported.code, advice in " ".join(exported.err.split())) == (ExitCode.WRONG, True)
    path.unlink()
    assert call("run", folder.recipe, "--sandbox").code == ExitCode.DONE
    assert path.read_bytes() == whole
    assert len(folder.ledger()) == (0 if has_copy else 4)


def test_rescue_puts_it_back_too(folder: Folder, call: Call) -> None:
    """It looks at the same things as `run`."""
    call("run", folder.recipe, "--sandbox")
    path = folder.pictures()[0]
    whole = path.read_bytes()
    path.write_bytes(b"")
    assert "1 job rescued" in call("rescue", folder.recipe, "--sandbox").out
    assert path.read_bytes() == whole


def _forget(folder: Folder) -> None:
    """The API no longer has the results."""
    for path in (folder.previews / ".spark-batch" / "sandbox").rglob("*"):
        if path.is_file():
            path.unlink()


def test_work_on_a_picture_that_is_no_longer_to_be_had_stays(folder: Folder, call: Call) -> None:
    """A retouched picture, a day later: it is told once, and is then a done job."""
    call("run", folder.recipe, "--sandbox")
    path = folder.pictures()[0]
    Image.new("RGB", (512, 512), (1, 2, 3)).save(path, "JPEG")
    retouched = path.read_bytes()
    _forget(folder)
    ended = call("run", folder.recipe, "--sandbox")
    assert ended.code == ExitCode.DONE
    assert "it is left as it is, since" in ended.err
    assert path.read_bytes() == retouched
    told = call("plan", folder.recipe, "--sandbox", "--all", "--detailed-exitcode")
    assert told.code == ExitCode.DONE
    assert "another file is in its place, and is left as it is" in told.out
    assert "4 done" in call("status", folder.recipe, "--sandbox").out
    assert call("retry", folder.recipe, "--sandbox").code == ExitCode.DONE
    assert "1 changed or missing" in call("verify", folder.recipe, "--sandbox").out
    assert path.read_bytes() == retouched
    assert folder.ledger() == []


def test_a_broken_file_that_is_no_longer_to_be_had_is_lost(folder: Folder, call: Call) -> None:
    """A piece of a picture is nobody's work."""
    call("run", folder.recipe, "--sandbox")
    path = folder.pictures()[0]
    path.write_bytes(path.read_bytes()[:120])
    _forget(folder)
    ended = call("run", folder.recipe, "--sandbox")
    assert ended.code == ExitCode.FAILED
    assert "`spark-batch rescue` looks once more for free" in ended.err
    assert "1 expired" in call("status", folder.recipe, "--sandbox").out


def test_a_manifest_and_changed_files_without_a_checkpoint(folder: Folder, call: Call) -> None:
    """A cut file, a missing one, and one with other bytes of the same size are put back."""
    call("run", folder.recipe, "--sandbox")
    cut, missing, spoilt, _ = pictures = folder.pictures()
    before = [path.read_bytes() for path in pictures]
    (folder.previews / ".spark-batch" / "tiny.checkpoint").unlink()
    cut.write_bytes(before[0][:120])
    missing.unlink()
    spoilt.write_bytes(before[2][:-1] + b"\0")
    told = call("plan", folder.recipe, "--sandbox", "--all").out
    assert f"size differs: 120 bytes, {len(before[0])} recorded" in told
    assert f"{missing.relative_to(folder.previews).as_posix()} is missing" in told
    assert "3 to restore" in told
    assert "3 jobs done" in call("run", folder.recipe, "--sandbox").out
    assert [path.read_bytes() for path in pictures] == before
    assert len(folder.ledger()) == 4
