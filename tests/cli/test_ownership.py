"""Two recipes that would write one file, and a recipe that was renamed or moved."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from spark_batch.errors import ExitCode
from spark_batch.sandbox import Served
from tests.cli.conftest import RECIPE, Call, Folder
from tests.cli.sharding import rows, split

OTHER = RECIPE.replace("tiny", "other").replace("[Beach, Snow]", "[Beach, Rain]")


def _tasks(path: Path) -> int:
    """The tasks that the sandboxes of a folder have accepted."""
    ledgers = path.rglob("ledger.jsonl")
    return sum(ledger.read_text().count('"accepted"') for ledger in ledgers)


def _other(folder: Folder, text: str = OTHER, name: str = "other.yaml") -> Path:
    path = folder.path / name
    path.write_text(text)
    return path


def _shared(folder: Folder, output: str = "{dir: out}") -> None:
    folder.recipe.write_text(f"{RECIPE}output: {output}\n")


# What one recipe made, another one would take


def test_rounds_of_two_recipes_end(folder: Folder, call: Call) -> None:
    """Both take every picture of the folder: those that they made are none of them."""
    for name in ("tiny", "other"):
        text = RECIPE.replace("tiny", name).replace("[photo.jpg]", "['**/*.jpg']")
        _other(folder, text.replace("[Beach, Snow]", f"[{name}]"), f"{name}.yaml")
    for said in ("2 tasks created", "nothing to do", "nothing to do"):
        for name in ("tiny", "other"):
            assert said in call("run", folder.path / f"{name}.yaml", "--sandbox").out
    assert "4 of 5 matches" in call("plan", folder.path / "tiny.yaml").err


# Two recipes, one file


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        ("{dir: out}", "{dir: out}"),
        ("{dir: out, name: 'a/${prompt}-${scale}'}", "{dir: out/a, name: '${prompt}-${scale}'}"),
        ("{dir: out/a, name: '${prompt}-${scale}'}", "{dir: out, name: 'a/${prompt}-${scale}'}"),
        ("{dir: out, name: 'A/${prompt}-${scale}'}", "{dir: out, name: 'a/${prompt}-${scale}'}"),
    ],
)
@pytest.mark.parametrize("books", ["checkpoint", "manifest"])
def test_two_recipes_that_would_write_one_file(
    folder: Folder,
    call: Call,
    *,
    server: Callable[..., Served],
    monkeypatch: pytest.MonkeyPatch,
    mine: str,
    theirs: str,
    books: str,
) -> None:
    """Refused before anything is sent, also where the folders differ and the paths do not."""
    monkeypatch.setenv("SPARK_BASE_URL", server(key="key").url)
    monkeypatch.setenv("SPARK_API_KEY", "key")
    _shared(folder, mine)
    other = _other(folder, f"{OTHER}output: {theirs}\n")
    assert call("run", folder.recipe).code == ExitCode.DONE
    before = _pictures(folder)
    if books == "manifest":
        for state in list(folder.path.rglob(".spark-batch")):
            shutil.rmtree(state)
    for options in ([], ["--pay-again"]):
        ended = call("run", other, *options)
        assert ended.code == ExitCode.WRONG
        assert "other would write" in ended.err
        assert "belongs to recipe tiny" in ended.err
        assert "output.dir or output.name" in ended.err
    planned = call("plan", other)
    assert (planned.code, "`run` will refuse this" in planned.err) == (ExitCode.DONE, True)
    assert _pictures(folder) == before
    assert _tasks(folder.path) == 4
    assert not list(folder.path.rglob("other.checkpoint"))


def _pictures(folder: Folder) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.pictures(folder.path / "out")}


def test_previews_that_would_meet_are_refused_too(folder: Folder, call: Call) -> None:
    """The sandbox shows what a paid run would say."""
    _shared(folder)
    call("run", folder.recipe, "--sandbox")
    other = _other(folder, f"{OTHER}output: {{dir: out}}\n")
    assert call("run", other, "--sandbox").code == ExitCode.WRONG
    assert _tasks(folder.path) == 4


def test_previews_are_no_paid_work_of_another_recipe(folder: Folder, call: Call) -> None:
    """Nor where the output folder is one in which earlier output folders are looked for."""
    _shared(folder)
    assert call("run", folder.recipe, "--sandbox").code == ExitCode.DONE
    assert "made before" not in call("plan", folder.recipe).err


def test_a_recipe_called_sandbox_has_paid_pictures_and_previews(folder: Folder, call: Call) -> None:
    """Its output folder has the name of a folder of previews, and its money is real."""
    folder.edit("name: tiny", "name: sandbox")
    planned = call("plan", folder.recipe).out
    assert ("0 USD spent so far" in planned, "nothing charged" in planned) == (True, False)
    assert call("run", folder.recipe, "--sandbox").code == ExitCode.DONE
    assert (folder.path / "out/sandbox/sandbox/sandbox.manifest.csv").is_file()
    assert "nothing charged" in call("plan", folder.recipe, "--sandbox").out
    assert "4 to create" in call("plan", folder.recipe).out
    copy = folder.path / "artifact"
    shutil.copytree(folder.path / "out", copy / "out")
    assert call("merge", folder.recipe, copy, "--sandbox").code == ExitCode.DONE


def test_two_recipes_of_one_name(folder: Folder, call: Call) -> None:
    """A copy whose name was forgotten would replace the pictures of the first."""
    call("run", folder.recipe, "--sandbox")
    text = RECIPE.replace("[Beach, Snow]", "[{id: beach, text: Rain}, {id: snow, text: Snow}]")
    copy = _other(folder, text, "copy.yaml")
    ended = call("run", copy, "--sandbox")
    assert ended.code == ExitCode.WRONG
    assert "which recipe.yaml made: both recipes are called tiny" in ended.err
    assert _tasks(folder.path) == 4
    folder.recipe.unlink()
    assert "2 tasks created" in call("run", copy, "--sandbox").out


def test_the_other_recipe_goes_on_as_before(folder: Folder, call: Call) -> None:
    """The one that was first keeps its files: only who comes later is refused."""
    _shared(folder)
    call("run", folder.recipe, "--sandbox", "--limit", "1")
    other = _other(folder, f"{OTHER}output: {{dir: out}}\n")
    assert call("run", other, "--sandbox").code == ExitCode.WRONG
    assert call("run", folder.recipe, "--sandbox").code == ExitCode.DONE
    assert "0 changed or missing" in call("verify", folder.recipe, "--sandbox").out


def test_recipes_with_names_of_their_own_share_a_folder(folder: Folder, call: Call) -> None:
    """With `${recipe}` in the names nothing meets, and shards of one recipe never conflict."""
    output = "output: {dir: out, name: '${recipe}/${prompt}-${scale}'}\n"
    folder.recipe.write_text(RECIPE + output)
    other = _other(folder, OTHER + output)
    assert [ended.code for ended in split(folder, call, "--sandbox", count=2)] == [0, 0]
    assert call("run", other, "--sandbox").code == ExitCode.DONE
    assert call("merge", folder.recipe, "--sandbox").code == ExitCode.DONE
    assert "nothing to do" in call("run", folder.recipe, "--sandbox").out


def test_new_names_do_not_replace_the_pictures_of_another_recipe(
    folder: Folder, call: Call
) -> None:
    """Although the pictures are paid for, and would only be written under these names, too."""
    _shared(folder)
    assert call("run", folder.recipe, "--sandbox").code == ExitCode.DONE
    before = _pictures(folder)
    named = "output: {dir: out, name: 'other/${prompt}-${scale}'}\n"
    other = _other(folder, OTHER + named)
    assert call("run", other, "--sandbox").code == ExitCode.DONE
    other.write_text(f"{OTHER}output: {{dir: out}}\n")
    ended = call("run", other, "--sandbox")
    assert (ended.code, "belongs to recipe tiny" in ended.err) == (ExitCode.WRONG, True)
    after = _pictures(folder)
    assert {path: after[path] for path in before} == before


def test_a_recipe_that_writes_elsewhere_now_frees_what_it_never_wrote(
    folder: Folder, call: Call
) -> None:
    """Doing as the message says is enough: output.dir of the other recipe."""
    _shared(folder)
    call("run", folder.recipe, "--sandbox", "--limit", "0")
    other = _other(folder, f"{OTHER}output: {{dir: out}}\n")
    assert call("run", other, "--sandbox").code == ExitCode.WRONG
    folder.edit("dir: out", "dir: elsewhere")
    assert call("run", other, "--sandbox").code == ExitCode.DONE


# A recipe that was renamed, or moved


def _merge_command(said: str) -> list[str]:
    """The command that a refusal advises, without the program."""
    found = re.search("`spark-batch (merge [^`]*)`", said)
    assert found
    return found[1].split()


def _renamed_beside(folder: Folder) -> tuple[Path, Path]:
    """Renamed in an output folder with a name of its own."""
    folder.edit("name: tiny", "name: small")
    return folder.recipe, folder.path / "out" / "sandbox"


def _renamed_default(folder: Folder) -> tuple[Path, Path]:
    """Renamed, so that the default output folder is another one."""
    folder.edit("name: tiny", "name: small")
    return folder.recipe, folder.previews


def _other_folder(folder: Folder) -> tuple[Path, Path]:
    """The recipe asks for another output folder."""
    folder.recipe.write_text(f"{folder.recipe.read_text()}output: {{dir: pictures}}\n")
    return folder.recipe, folder.previews


def _moved_pictures(folder: Folder) -> tuple[Path, Path]:
    """Somebody moved the output folder."""
    folder.out.rename(folder.path / "archive")
    return folder.recipe, folder.path / "archive" / "sandbox"


def _moved_out(folder: Folder) -> tuple[Path, Path]:
    """Somebody renamed the folder of all outputs."""
    (folder.path / "out").rename(folder.path / "old")
    return folder.recipe, folder.path / "old" / "tiny" / "sandbox"


def _moved_recipe(folder: Folder) -> tuple[Path, Path]:
    """The recipe went into a folder, the pictures did not."""
    below = folder.path / "recipes"
    below.mkdir()
    folder.recipe.rename(below / "recipe.yaml")
    shutil.copy(folder.path / "photo.jpg", below / "photo.jpg")
    return below / "recipe.yaml", folder.previews


def _moved_and_written_elsewhere(folder: Folder) -> tuple[Path, Path]:
    """The recipe went into a folder and writes to another one; the pictures stayed in theirs."""
    (folder.path / "out" / "tiny").rename(folder.path / "pictures")
    recipe, _ = _moved_recipe(folder)
    recipe.write_text(f"{recipe.read_text()}output: {{dir: out/new}}\n")
    return recipe, folder.path / "pictures" / "sandbox"


def _moved_aside(folder: Folder) -> tuple[Path, Path]:
    """The recipe's folder has another name, in git, and the pictures are in the old one."""
    subprocess.run(["git", "init", "-q", folder.path], check=True)
    return _moved_to_a_new_folder(folder)


def _moved_to_a_new_folder(folder: Folder) -> tuple[Path, Path]:
    """The same below the current folder."""
    old, new = folder.path / "old", folder.path / "new"
    old.mkdir()
    new.mkdir()
    (folder.path / "out").rename(old / "out")
    folder.recipe.rename(new / "recipe.yaml")
    shutil.copy(folder.path / "photo.jpg", new / "photo.jpg")
    return new / "recipe.yaml", old / "out" / "tiny" / "sandbox"


def _moved_and_renamed(folder: Folder) -> tuple[Path, Path]:
    """Last year's recipe, copied to this year's folder under this year's name, and deleted."""
    folder.edit("name: tiny", "name: small")
    return _moved_to_a_new_folder(folder)


MOVES = [
    _renamed_beside,
    _renamed_default,
    _other_folder,
    _moved_pictures,
    _moved_out,
    _moved_recipe,
    _moved_and_written_elsewhere,
    _moved_aside,
    _moved_to_a_new_folder,
    _moved_and_renamed,
]


@pytest.mark.parametrize("books", ["checkpoint", "manifest"])
@pytest.mark.parametrize("move", MOVES)
def test_a_renamed_or_moved_recipe_finds_its_paid_work(
    folder: Folder, call: Call, monkeypatch: pytest.MonkeyPatch, move: object, books: str
) -> None:
    """Refused with the command that takes it over; after that there is nothing to do."""
    assert callable(move)
    if move is not _moved_aside:
        monkeypatch.chdir(folder.path)
    if move is _renamed_beside:
        _shared(folder)
    call("run", folder.recipe, "--sandbox")
    recipe, old = move(folder)
    tasks = _tasks(folder.path)
    source = old / ".spark-batch" / "tiny.checkpoint"
    if books == "manifest":
        (old / ".spark-batch" / "tiny.checkpoint").unlink()
        source = old / "tiny.manifest.csv"
    planned = call("plan", recipe, "--sandbox")
    assert planned.code == ExitCode.DONE
    refused = call("run", recipe, "--sandbox")
    assert refused.code == ExitCode.WRONG
    for said in (planned.err, refused.err):
        assert "4 of the jobs of" in said
        assert "0.12 USD" in said
        assert source.name in said
        assert "--pay-again" in said
    command = _merge_command(refused.err)
    merged = call(*command)
    assert (merged.code, "4 done" in merged.out) == (ExitCode.DONE, True)
    assert "nothing to do: 4 jobs done" in call("run", recipe, "--sandbox").out
    assert "0 changed or missing" in call("verify", recipe, "--sandbox").out
    assert _tasks(folder.path) == tasks == 4


def _renamed_and_begun(folder: Folder, call: Call) -> str:
    """Under its new name the recipe made a new prompt first, which nobody had paid for."""
    call("run", folder.recipe, "--sandbox")
    folder.edit("name: tiny", "name: small")
    folder.edit("[Beach, Snow]", "[Beach, Snow, Rain]")
    begun = call("run", folder.recipe, "--sandbox", "--only", "prompt=rain")
    assert "2 tasks created" in begun.out
    return "4 of the jobs of small"


def _renamed_there_and_back(folder: Folder, call: Call) -> str:
    """The prompt that it got under the other name is in the other checkpoint alone."""
    call("run", folder.recipe, "--sandbox")
    folder.edit("name: tiny", "name: small")
    call("merge", folder.recipe, folder.out, "--sandbox", "--renamed")
    folder.edit("[Beach, Snow]", "[Beach, Snow, Rain]")
    assert "2 tasks created" in call("run", folder.recipe, "--sandbox").out
    folder.edit("name: small", "name: tiny")
    return "2 of the jobs of tiny"


def _joined(folder: Folder, call: Call) -> str:
    """Two recipes with different prompts become one."""
    folder.edit("[Beach, Snow]", "[Beach]")
    other = _other(folder, OTHER.replace("[Beach, Rain]", "[Rain, Snow]"))
    call("run", folder.recipe, other, "--sandbox")
    other.unlink()
    folder.edit("[Beach]", "[Beach, Snow, Rain]")
    return "4 of the jobs of tiny"


@pytest.mark.parametrize("life", [_renamed_and_begun, _renamed_there_and_back, _joined])
def test_a_recipe_with_jobs_of_its_own_finds_what_else_is_paid_for(
    folder: Folder, call: Call, life: Callable[[Folder, Call], str]
) -> None:
    """Each time six jobs were paid for before, some of them in the checkpoint of a recipe gone."""
    said = life(folder, call)
    assert f"`run` will refuse this: {said}" in call("plan", folder.recipe, "--sandbox").err
    refused = call("run", folder.recipe, "--sandbox")
    assert (refused.code, said in refused.err) == (ExitCode.WRONG, True)
    assert "6 done" in call(*_merge_command(refused.err)).out
    assert "nothing to do: 6 jobs done" in call("run", folder.recipe, "--sandbox").out
    assert "0 changed or missing" in call("verify", folder.recipe, "--sandbox").out
    assert _tasks(folder.path) == 6


def test_paying_again_is_declined_once(folder: Folder, call: Call) -> None:
    """With the flag it is made anew; what stood there is kept, and no later run asks again."""
    _shared(folder)
    call("run", folder.recipe, "--sandbox")
    folder.edit("name: tiny", "name: small")
    begun = call("run", folder.recipe, "--sandbox", "--pay-again", "--limit", "1")
    assert f"Continue: spark-batch run {folder.recipe} --sandbox --pay-again\n" in begun.out
    ended = call("run", folder.recipe, "--sandbox", "--pay-again")
    assert "3 tasks created" in ended.out
    assert "nothing to do" in call("run", folder.recipe, "--sandbox").out


def test_after_the_rename_the_recipe_is_edited_as_any_other(folder: Folder, call: Call) -> None:
    """The old checkpoint is put aside and owns no file; its lines have the new name."""
    _shared(folder)
    call("run", folder.recipe, "--sandbox")
    folder.edit("name: tiny", "name: small")
    out = folder.path / "out" / "sandbox"
    call("merge", folder.recipe, out / ".spark-batch" / "tiny.checkpoint", "--sandbox", "--renamed")
    assert not (out / "tiny.manifest.csv").exists()
    assert {row["recipe"] for row in rows(out / "small.manifest.csv")} == {"small"}
    folder.edit("Beach", "Desert")
    assert "2 tasks created" in call("run", folder.recipe, "--sandbox").out
    assert "0 changed or missing" in call("verify", folder.recipe, "--sandbox").out
    copy = folder.path / "copy"
    shutil.copytree(folder.path / "out", copy)
    shutil.rmtree(folder.path / "out")
    assert call("merge", folder.recipe, copy, "--sandbox").code == ExitCode.DONE


def test_shards_under_the_old_name_are_taken_over_together(folder: Folder, call: Call) -> None:
    """One of them names them all."""
    _shared(folder)
    split(folder, call, "--sandbox", count=2)
    folder.edit("name: tiny", "name: small")
    refused = call("run", folder.recipe, "--sandbox")
    command = _merge_command(refused.err)
    assert "4 done" in call(*command).out
    assert "nothing to do" in call("run", folder.recipe, "--sandbox").out


@pytest.mark.parametrize("first", [None, "run", "retry"])
def test_rescue_after_a_rename_says_where_the_paid_work_is(
    folder: Folder, call: Call, first: str | None
) -> None:
    """Results expire: who rescues under the new name must not hear that there is nothing."""
    call("run", folder.recipe, "--sandbox")
    assert "note" not in call("rescue", _other(folder), "--sandbox").err
    folder.edit("name: tiny", "name: small")
    if first is not None:
        call(first, folder.recipe, "--sandbox")
    ended = call("rescue", folder.recipe, "--sandbox")
    assert (ended.code, "nothing to rescue" in ended.out) == (ExitCode.DONE, True)
    assert "4 done" in call(*_merge_command(ended.err)).out
    assert (
        "every picture that is paid for is here" in call("rescue", folder.recipe, "--sandbox").out
    )


def test_a_copied_recipe_pays_for_its_own(folder: Folder, call: Call) -> None:
    """Both recipes are there: they share requests, and each has its pictures, as ever."""
    call("run", folder.recipe, "--sandbox")
    other = _other(folder, RECIPE.replace("tiny", "other"))
    planned = call("plan", other, "--sandbox")
    assert "4 of the jobs of other were made before for 0.12 USD" in planned.err
    assert "other pays for its own pictures" in planned.err
    ended = call("run", other, "--sandbox")
    assert (ended.code, "4 tasks created" in ended.out) == (ExitCode.DONE, True)


def test_the_second_half_of_a_split_recipe_takes_its_pictures_over(
    folder: Folder, call: Call
) -> None:
    """The first half is still there, so `run` would pay; the note has the command that is free."""
    call("run", folder.recipe, "--sandbox")
    folder.edit("[Beach, Snow]", "[Beach]")
    half = _other(folder, RECIPE.replace("tiny", "half").replace("[Beach, Snow]", "[Snow]"))
    planned = call("plan", half, "--sandbox")
    assert "half pays for its own pictures, unless it takes these over first" in planned.err
    assert "2 done" in call(*_merge_command(planned.err)).out
    for recipe in (half, folder.recipe):
        assert "nothing to do: 2 jobs done" in call("run", recipe, "--sandbox").out
        assert "0 changed or missing" in call("verify", recipe, "--sandbox").out
    assert _tasks(folder.path) == 4


def test_a_run_says_what_another_recipe_has_paid_for(folder: Folder, call: Call) -> None:
    """Who renamed a recipe and kept a copy of it pays once more, and has to see it."""
    call("run", folder.recipe, "--sandbox")
    ended = call(
        "run", _other(folder, RECIPE.replace("tiny", "other")), "--sandbox", "--limit", "1"
    )
    assert "note: 4 of the jobs of other were made before for 0.12 USD" in ended.err


def test_a_copy_that_writes_elsewhere_is_not_the_renamed_recipe(folder: Folder, call: Call) -> None:
    """It is called as before, and the pictures are not in its own folder."""
    shop = Folder(folder.path / "shop")
    shop.path.mkdir()
    shop.recipe.write_text(f"{RECIPE}output: {{dir: out}}\n")
    shutil.copy(folder.path / "photo.jpg", shop.path)
    call("run", shop.recipe, "--sandbox")
    folder.recipe.rename(folder.path / "tiny.yaml").write_text(shop.recipe.read_text())
    shop.edit("name: tiny", "name: small")
    ended = call("run", shop.recipe, "--sandbox")
    assert ended.code == ExitCode.WRONG
    assert "If this recipe was renamed or moved" in ended.err


def test_of_two_recipes_of_one_name_the_one_with_the_pictures_counts(
    folder: Folder, call: Call
) -> None:
    """A copy of a whole project has its own pictures, as a copy of one recipe has."""
    original, copy = folder.path / "original", folder.path / "copy"
    original.mkdir()
    shutil.copy(folder.path / "photo.jpg", original)
    (original / "tiny.yaml").write_text(RECIPE)
    (original / "b.yaml").write_text(RECIPE.replace("name: tiny", "name: b"))
    call("run", original / "tiny.yaml", "--sandbox")
    copy.mkdir()
    for name in ("photo.jpg", "tiny.yaml", "b.yaml"):
        shutil.copy(original / name, copy)
    assert call("run", copy / "b.yaml", "--sandbox").code == ExitCode.DONE


def test_a_recipe_in_a_folder_beside_its_pictures_is_still_there(
    folder: Folder, call: Call
) -> None:
    """As `recipes/` and `out/`: another recipe with some of its jobs is no renamed one."""
    recipes, mine = folder.path / "recipes", folder.path / "mine"
    recipes.mkdir()
    mine.mkdir()
    text = RECIPE.replace("photo.jpg", "../photo.jpg")
    (recipes / "tiny.yaml").write_text(f"{text}output: {{dir: ../out/tiny}}\n")
    (mine / "m.yaml").write_text(text.replace("name: tiny", "name: m"))
    call("run", recipes / "tiny.yaml", "--sandbox", "--allow-outside")
    ended = call("run", mine / "m.yaml", "--sandbox", "--allow-outside")
    assert (ended.code, "m pays for its own pictures" in ended.err) == (ExitCode.DONE, True)


def test_a_recipe_that_is_still_there_was_not_renamed(folder: Folder, call: Call) -> None:
    """Its checkpoint is not taken away from it."""
    _shared(folder)
    call("run", folder.recipe, "--sandbox")
    other = _other(folder, f"{RECIPE.replace('tiny', 'other')}output: {{dir: out}}\n")
    source = folder.path / "out/sandbox/.spark-batch/tiny.checkpoint"
    ended = call("merge", other, source, "--sandbox", "--renamed")
    assert ended.code == ExitCode.WRONG
    assert "recipe tiny still exists" in ended.err
    assert source.exists()


def test_merge_says_how_to_take_over_another_name(folder: Folder, call: Call) -> None:
    """Another name alone is an error, and --renamed needs to know of which."""
    _shared(folder)
    call("run", folder.recipe, "--sandbox")
    folder.edit("name: tiny", "name: small")
    source = folder.path / "out/sandbox/.spark-batch/tiny.checkpoint"
    ended = call("merge", folder.recipe, source, "--sandbox")
    assert (ended.code, "add --renamed" in ended.err) == (ExitCode.WRONG, True)
    assert call("merge", folder.recipe, "--sandbox", "--renamed").code == ExitCode.WRONG


def test_a_recipe_that_was_renamed_is_told_of_its_verdicts(folder: Folder, call: Call) -> None:
    """As long as it has none under its new name."""
    _shared(folder)
    call("run", folder.recipe, "--sandbox")
    old, new = (folder.path / f"{name}.picks.csv" for name in ("tiny", "small"))
    old.write_text("job,output,verdict,note\n")
    folder.edit("name: tiny", "name: small")
    source = folder.path / "out/sandbox/.spark-batch/tiny.checkpoint"
    ended = call("merge", folder.recipe, source, "--sandbox", "--renamed")
    assert ended.code == ExitCode.DONE
    told = "".join(ended.err.split())  # a long path is folded as well
    assert "tiny.picks.csv:renameitto" in told
    assert "small.picks.csv" in told
    old.rename(new)
    again = call("merge", folder.recipe, "--sandbox")
    assert "verdicts" not in again.err


@pytest.mark.parametrize(
    "content", [b"", b"SQLite format 3\0" + bytes(200), b"job,status\nx,done\n"]
)
def test_neighbours_that_cannot_be_read_stop_no_run(
    folder: Folder, call: Call, content: bytes
) -> None:
    """Files of others are looked at, and never in the way."""
    for name in (".spark-batch/x.checkpoint", "x.manifest.csv"):
        for place in (folder.out, folder.path / "pictures"):
            path = place / "sandbox" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    assert call("run", folder.recipe, "--sandbox").code == ExitCode.DONE
