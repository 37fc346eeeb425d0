"""Metadata on the way of a picture: before its name, for free, and never at the picture's cost."""

from __future__ import annotations

import hashlib
import io
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from spark_batch import pictures
from spark_batch.engine import Driver
from spark_batch.engine.events import Event, Note, Submitted
from spark_batch.errors import ExitCode
from spark_batch.jobs import Metadata
from spark_batch.sandbox.tasks import preview_name
from tests.engine.conftest import MakeWorld, World, a_photo

COMMIT = "c" * 40


@pytest.fixture
def world(make_world: MakeWorld) -> World:
    """A recipe with metadata switched on."""
    made = make_world()
    made.settings.update(metadata=Metadata.FULL, commit=COMMIT)
    return made


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def serve_instead(world: World, data: bytes) -> None:
    """Run, with a server that gives `data` as the picture of every task."""

    def prepare(_run: Driver, event: Event) -> None:
        if isinstance(event, Submitted):
            for entry in world.served.ledger.accepted():
                name = f"{preview_name(entry)}.jpg"
                (world.root / "server" / "previews" / name).write_bytes(data)

    tally = world.run(on_event=prepare)
    assert tally.exit_code() is ExitCode.DONE


def a_result(world: World) -> bytes:
    """A picture that looks like one."""
    path = a_photo(world.root / "result" / "a.jpg")
    Image.effect_noise((512, 512), 90).convert("RGB").save(path, "JPEG")
    return path.read_bytes()


def test_each_picture_carries_what_it_was_made_of(world: World) -> None:
    """And the recorded hash and bytes are those of the file on disk."""
    world.run()
    for record in world.records():
        path = world.out / record.file
        picture, facts = pictures.facts_in(path)
        assert picture == record.attempt.picture
        assert sha256(path) == record.attempt.picture.sha256
        assert record.attempt.received not in (None, picture.sha256)
        assert (facts.key, facts.request.prompt, facts.request.seed) == (
            record.key,
            record.request.prompt,
            7,
        )
        assert (facts.recipe, facts.commit) == ("test", COMMIT)
        assert facts.task_id == record.attempt.task_id
    assert not list((world.out / ".spark-batch" / "parts").iterdir())
    world.check_books()


def test_switching_it_on_costs_nothing_and_touches_no_file(make_world: MakeWorld) -> None:
    """It is in no key: what is there stays as it is; only what is written anew carries metadata."""
    world = make_world()
    world.run()
    before = {record.file: sha256(world.out / record.file) for record in world.records()}
    world.settings.update(metadata=Metadata.FULL, commit="d" * 40)
    tally = world.run()
    assert (tally.done, tally.created, world.events) == (0, 0, [])
    assert {file: sha256(world.out / file) for file in before} == before
    first, second = before
    (world.out / first).unlink()
    tally = world.run()
    assert (tally.done, tally.created) == (1, 0)
    assert pictures.facts_in(world.out / second)[1] is None
    facts = pictures.facts_in(world.out / first)[1]
    assert (facts.request.prompt, facts.commit) == ("Beach", None)
    assert world.records()[0].attempt.picture.sha256 == sha256(world.out / first)


def test_a_picture_that_is_fetched_again_is_the_same_file(world: World) -> None:
    """With the commit of the attempt, and not the one of today."""
    world.run()
    record = world.records()[0]
    path = world.out / record.file
    before = path.read_bytes()
    path.unlink()
    world.settings["commit"] = "e" * 40
    tally = world.run()
    assert (tally.done, tally.created) == (1, 0)
    assert path.read_bytes() == before
    assert world.records()[0].attempt == record.attempt


def test_a_copy_on_this_disk_keeps_how_it_came(world: World) -> None:
    """Restored from under another name: the file is the same, and its first hash is not lost."""
    world.run()
    before = world.records()[0].attempt
    world.recipe = replace(world.recipe, output_name="flat-${prompt}")
    tally = world.run()
    assert (tally.done, tally.created) == (2, 0)
    assert world.records()[0].attempt == before
    assert sha256(world.out / "flat-beach.jpg") == before.picture.sha256


def test_two_names_of_one_request_are_one_file(world: World) -> None:
    """It tells of the request, which both share."""
    (block,) = world.recipe.blocks
    twin = replace(block.inputs[0], id="twin")
    world.recipe = replace(world.recipe, blocks=(replace(block, inputs=(*block.inputs, twin)),))
    assert world.run().created == 2
    files = [world.out / record.file for record in world.records()]
    assert len(files) == 4
    assert len({sha256(path) for path in files}) == 2


@pytest.mark.parametrize("metadata", list(Metadata))
def test_the_same_bytes_for_two_seeds_are_suspect(world: World, metadata: Metadata) -> None:
    """Though each of the two files tells its own seed."""
    world.settings["metadata"] = metadata
    (block,) = world.recipe.blocks
    block = replace(block, prompts=block.prompts[:1], seeds=(7, 8))
    world.recipe = replace(world.recipe, blocks=(block,))
    serve_instead(world, a_result(world))
    suspects = [record.attempt.suspect for record in world.records()]
    assert sorted(map(bool, suspects)) == [False, True]
    assert any("another seed" in (each or "") for each in suspects)
    hashes = {record.attempt.picture.sha256 for record in world.records()}
    assert len(hashes) == (2 if metadata is Metadata.FULL else 1)


def test_a_file_that_cannot_carry_them_is_delivered_as_it_came(world: World) -> None:
    """A paid picture is never lost for its metadata's sake; that it has none is told, once."""
    plain = a_result(world)
    signed = plain[:2] + b"\xff\xeb\x00\x10JP\0\1jumbc2pa\0\0" + plain[2:]
    serve_instead(world, signed)
    assert world.statuses() == ["done", "done"]
    for record in world.records():
        assert (world.out / record.file).read_bytes() == signed
        assert record.attempt.received is None
    (told,) = [event.text for event in world.events if isinstance(event, Note)]
    assert "written without its metadata: it carries Content Credentials (C2PA)" in told


@pytest.mark.parametrize(("kind", "end"), [("PNG", ".png"), ("WEBP", ".webp")])
def test_results_of_other_formats_carry_them_too(world: World, kind: str, end: str) -> None:
    """Whatever the API gives."""
    out = io.BytesIO()
    Image.effect_noise((512, 512), 90).convert("RGB").save(out, kind)
    serve_instead(world, out.getvalue())
    for record in world.records():
        picture, facts = pictures.facts_in(world.out / record.file)
        assert record.file.endswith(end)
        assert (picture, facts.key) == (record.attempt.picture, record.key)


def test_what_the_vendor_wrote_stays(world: World) -> None:
    """A label in XMP that came with the picture is still in it."""
    label = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf='
    label += b'"http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description AIGC="1"/>'
    packet = b"http://ns.adobe.com/xap/1.0/\0" + label + b"</rdf:RDF></x:xmpmeta>"
    plain = a_result(world)
    labelled = plain[:2] + b"\xff\xe1" + (len(packet) + 2).to_bytes(2, "big") + packet + plain[2:]
    serve_instead(world, labelled)
    for record in world.records():
        path = world.out / record.file
        assert b'AIGC="1"' in path.read_bytes()
        assert pictures.facts_in(path)[1].key == record.key


def test_a_rest_of_an_earlier_try_is_no_hindrance(world: World) -> None:
    """A run was killed while it wrote: the half file is written anew."""
    world.run_nothing()
    parts = world.out / ".spark-batch" / "parts"
    parts.mkdir(parents=True)
    outside = world.root / "outside"
    outside.write_text("mine")
    (parts / "1.part.marked").write_bytes(b"half")
    (parts / "2.part.marked").symlink_to(outside)
    assert world.run().done == 2
    assert outside.read_text() == "mine"
    shutil.rmtree(parts)


def test_without_metadata_a_picture_is_as_it_came(make_world: MakeWorld) -> None:
    """The default: not a byte is changed, and the commit is known all the same."""
    world = make_world()
    world.settings["commit"] = COMMIT
    data = a_result(world)
    serve_instead(world, data)
    for record in world.records():
        assert (world.out / record.file).read_bytes() == data
        assert (record.attempt.received, record.attempt.commit) == (None, COMMIT)
