"""The names below an output folder: their paths, and that no other module spells one."""

from __future__ import annotations

from pathlib import Path

import pytest

import spark_batch
from spark_batch import paths
from spark_batch.paths import Layout, SandboxLayout
from spark_batch.reports.formats import FORMATS, ON_DEMAND
from tests.literals import constants

LAYOUT = Layout("NAME", Path("OUT"))
SANDBOX = SandboxLayout(Path("BOX"))
NAMES = {
    LAYOUT.checkpoint: "OUT/.spark-batch/NAME.checkpoint",
    paths.lock_path(LAYOUT.checkpoint): "OUT/.spark-batch/NAME.checkpoint.lock",
    paths.backup_path(LAYOUT.checkpoint, 2): "OUT/.spark-batch/NAME.checkpoint.version2",
    paths.merged_path(LAYOUT.checkpoint): "OUT/.spark-batch/NAME.checkpoint.merged",
    LAYOUT.run_token: "OUT/.spark-batch/parts/NAME/run-token",
    LAYOUT.kept: "OUT/.spark-batch/kept",
    LAYOUT.thumbnails: "OUT/.spark-batch/thumbs",
    LAYOUT.sandbox: "OUT/.spark-batch/sandbox",
    LAYOUT.manifest: "OUT/NAME.manifest.csv",
    FORMATS["html"].path(LAYOUT): "OUT/NAME.html",
    FORMATS["junit"].path(LAYOUT): "OUT/NAME.junit.xml",
    FORMATS["markdown"].path(LAYOUT): "OUT/NAME.md",
    FORMATS["json"].path(LAYOUT): "OUT/NAME.json",
    ON_DEMAND["sheet"].path(LAYOUT): "OUT/NAME.sheet.png",
    paths.pictures_folder(Path("OUT"), sandbox=True): "OUT/sandbox",
    SANDBOX.ledger: "BOX/ledger.jsonl",
    SANDBOX.images: "BOX/images",
    SANDBOX.preview("ID"): "BOX/previews/ID.jpg",
    SANDBOX.secret: "BOX/secret",
}
# Literals that are equal to one of the names, and mean something else.
OTHER_MEANINGS = {
    ("cli/__init__.py", "sandbox"),  # a command
    ("cli/sandbox.py", "sandbox"),  # an API key
    ("cli/changes.py", "kept"),  # a column's title
    ("client/results.py", "images"),  # a key of the API's answers
    ("jobs/attempt.py", "sandbox"),  # the API that an attempt was sent to
    ("cli/completing.py", "sandbox"),  # an option
    ("project/access.py", "sandbox"),  # an API key
    ("project/event_log.py", "sandbox"),  # a key of events
    ("project/remote_inputs.py", ".json"),  # what is known of an object that was read
    ("recipe/own_models.py", ".json"),  # a model of the user's own
    ("recipe/yaml.py", ".json"),
    ("project/compare.py", "kept"),  # a kind of change
    ("project/pruning.py", "kept"),  # a kind of picture
    ("project/planfile.py", "sandbox"),  # a key of a saved plan
    ("sandbox/app.py", "/sandbox/ledger"),  # a route
    ("sandbox/tasks.py", "sandbox"),  # keys and values of answers
}


def test_every_name_stays_as_older_versions_wrote_it() -> None:
    assert {path: path.as_posix() for path in NAMES} == NAMES


def test_every_format_of_a_report_has_a_name() -> None:
    assert len({form.path(LAYOUT) for form in FORMATS.values()}) == len(FORMATS)


@pytest.mark.parametrize("folder", ["OUT", "OUT/.spark-batch"])
def test_the_output_folder_of_a_record_is_known_from_its_path(folder: str) -> None:
    assert paths.output_folder(Path(folder) / "NAME.checkpoint") == Path("OUT")


def test_no_other_module_spells_a_name() -> None:
    """A name that stood in two modules could be changed in one of them.

    The suffixes of reports are in `reports/formats.py`.
    """
    parts = {part.removeprefix("NAME") for path in NAMES.values() for part in path.split("/")[1:]}
    suffixes = tuple(part for part in parts | {".part"} if part.startswith("."))
    distinctive = tuple(set(suffixes) - {".html", ".json", ".md"})  # no medium of other files
    words = parts - {*suffixes, ""}
    room = Path(spark_batch.__file__).parent
    found = {
        (file.relative_to(room).as_posix(), text)
        for file in room.rglob("*.py")
        if file not in (room / "paths.py", room / "reports" / "formats.py")
        for text in (node.value for node in constants(file) if isinstance(node.value, str))
        if text in suffixes or text.endswith(distinctive) or words & set(text.split("/"))
    }
    assert found == OTHER_MEANINGS
