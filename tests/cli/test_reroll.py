"""`--reroll`: a further take for each rejected picture of a random seed, once."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest

from spark_batch.jobs.picks import PICKS_SUFFIX
from tests.cli.conftest import Call, Folder


@pytest.fixture
def random(folder: Folder, call: Call) -> Folder:
    """Four previews of a random seed."""
    folder.edit("seed: 7", "seed: -1")
    assert call("run", folder.recipe, "--sandbox").code == 0
    return folder


def rows(folder: Folder) -> list[dict[str, str]]:
    text = (folder.previews / "tiny.manifest.csv").read_text()
    return list(csv.DictReader(text.splitlines()))


def judge(folder: Folder, verdicts: dict[str, str]) -> None:
    lines = ["job,output,verdict,note", *(f"{job},x,{word}," for job, word in verdicts.items())]
    (folder.path / f"tiny{PICKS_SUFFIX}").write_text("\n".join(lines) + "\n")


def take_of(folder: Folder, number: int) -> dict[str, str]:
    (found,) = [row for row in rows(folder) if row["take"] == str(number)]
    return found


def test_a_rejected_picture_gets_one_further_take(random: Folder, call: Call) -> None:
    """`plan --reroll` shows it with its cost, `run --reroll` makes it, and a second one nothing."""
    first = rows(random)[0]
    judge(random, {first["job"]: "reject"})
    planned = call("plan", random.recipe, "--sandbox", "--reroll")
    name = f"{Path(first['output']).with_suffix('')}-take2"
    assert f"+ {name}  new  about 0.03 USD" in planned.out
    assert "1 to create" in planned.out
    assert len(random.ledger()) == 4
    ended = call("run", random.recipe, "--sandbox", "--reroll")
    assert (ended.code, len(random.ledger())) == (0, 5)
    assert (random.previews / f"{name}.jpg").is_file()
    again = call("run", random.recipe, "--sandbox", "--reroll")
    assert again.out.startswith("nothing to do: 5 jobs done\n")
    assert "reroll: no rejected picture is without a further take" in again.err
    assert len(random.ledger()) == 5


def test_nothing_is_made_without_the_option(random: Folder, call: Call) -> None:
    """A plain plan says that there could be a further take."""
    judge(random, {rows(random)[0]["job"]: "reject"})
    planned = call("plan", random.recipe, "--sandbox")
    command = f"`spark-batch plan {random.recipe} --sandbox --reroll`"
    assert f"note: 1 rejected picture can have a further take: {command} shows" in planned.err
    assert "create" not in planned.out
    ended = call("run", random.recipe, "--sandbox")
    assert ended.out.startswith("nothing to do: 4 jobs done\n")
    assert f"note: 1 rejected picture can have a further take: {command} shows" in ended.err
    assert len(random.ledger()) == 4


def test_a_reroll_that_stops_says_how_to_go_on(random: Folder, call: Call) -> None:
    """A plain run would make none of the takes that are left."""
    first, second, *_ = rows(random)
    judge(random, {first["job"]: "reject", second["job"]: "reject"})
    ended = call("run", random.recipe, "--sandbox", "--reroll", "--limit", "1")
    assert "reroll: 2 further takes, one for each rejected picture that has none yet" in ended.err
    advice = f"Continue: spark-batch run {random.recipe} --sandbox --reroll\n"
    assert advice in ended.out
    assert advice in call("status", random.recipe, "--sandbox").out
    assert "nothing to do" in call("run", random.recipe, "--sandbox").out
    assert call("run", random.recipe, "--sandbox", "--reroll").out.startswith("1 job done;")
    assert len(random.ledger()) == 6


def test_takes_of_the_recipe_itself_need_no_reroll(random: Folder, call: Call) -> None:
    """Also those of a picture that was rejected before its other takes were made."""
    judge(random, {rows(random)[0]["job"]: "reject"})
    random.edit("seed: -1", "seed: -1, takes: 2")
    call("run", random.recipe, "--sandbox", "--limit", "1")
    status = call("status", random.recipe, "--sandbox")
    assert f"Continue: spark-batch run {random.recipe} --sandbox\n" in status.out


def test_status_needs_no_pictures_for_its_advice(random: Folder, call: Call) -> None:
    """Without them it cannot tell whose takes are pending."""
    first, second, *_ = rows(random)
    judge(random, {first["job"]: "reject", second["job"]: "reject"})
    call("run", random.recipe, "--sandbox", "--reroll", "--limit", "1")
    (random.path / "photo.jpg").unlink()
    status = call("status", random.recipe, "--sandbox")
    assert (status.code, "1 pending" in status.out, status.err) == (0, True, "")


def test_a_further_take_is_a_job_like_any_other_afterwards(random: Folder, call: Call) -> None:
    """Plain commands know it: it is not left over, and is fetched again when its file is gone."""
    first = rows(random)[0]
    judge(random, {first["job"]: "reject"})
    call("run", random.recipe, "--sandbox", "--reroll")
    assert "nothing to do: 5 jobs done" in call("run", random.recipe, "--sandbox").out
    assert "left over" not in call("plan", random.recipe, "--sandbox").out
    assert [row["take"] for row in rows(random)] == ["1", "2", "1", "1", "1"]
    ended = call("prune", random.recipe, "--sandbox", "--left-over", "--rejected", "--yes")
    assert "1 picture deleted" in ended.out
    path = random.previews / take_of(random, 2)["output"]
    content = path.read_bytes()
    path.unlink()
    assert call("run", random.recipe, "--sandbox").code == 0
    assert (path.read_bytes(), len(random.ledger())) == (content, 5)


def test_a_fresh_clone_knows_further_takes_from_the_manifest(random: Folder, call: Call) -> None:
    judge(random, {rows(random)[0]["job"]: "reject"})
    call("run", random.recipe, "--sandbox", "--reroll")
    before = rows(random)
    shutil.rmtree(random.previews / ".spark-batch")
    for options in ((), ("--reroll",)):
        ended = call("run", random.recipe, "--sandbox", *options)
        assert "nothing to do: 5 jobs done" in ended.out
    assert rows(random) == before
    assert random.ledger() == []


def test_a_merge_knows_further_takes(random: Folder, call: Call, tmp_path: Path) -> None:
    """Those that another machine has made; its lines are the recipe's here, and not left over."""
    judge(random, {rows(random)[0]["job"]: "reject"})
    call("run", random.recipe, "--sandbox", "--reroll")
    before = rows(random)
    elsewhere = tmp_path / "elsewhere" / "sandbox"
    shutil.move(random.previews, elsewhere)
    assert call("merge", random.recipe, elsewhere, "--sandbox").code == 0
    assert [row["job"] for row in rows(random)] == [row["job"] for row in before]
    assert "left over" not in call("status", random.recipe, "--sandbox").out


def test_prune_leaves_further_takes_alone_without_the_picks_file(
    random: Folder, call: Call
) -> None:
    """The file alone makes them jobs of the recipe; an empty one says that there are none."""
    judge(random, {rows(random)[0]["job"]: "reject"})
    call("run", random.recipe, "--sandbox", "--reroll")
    take, picks = take_of(random, 2)["output"], random.path / f"tiny{PICKS_SUFFIX}"
    picks.unlink()
    prune = ("prune", random.recipe, "--sandbox", "--left-over", "--yes")
    ended = call(*prune)
    assert (ended.code, len(random.pictures())) == (0, 5)
    assert f"left alone: {take}: {picks} is missing" in " ".join(ended.err.split())
    picks.touch()
    assert "1 picture deleted" in call(*prune).out


def test_prune_deletes_takes_that_the_recipe_asked_for(folder: Folder, call: Call) -> None:
    """Also without a picks file, which somebody who judges by eye never had."""
    folder.edit("seed: 7", "seed: -1, takes: 2")
    assert call("run", folder.recipe, "--sandbox").code == 0
    folder.edit("takes: 2", "takes: 1")
    ended = call("prune", folder.recipe, "--sandbox", "--left-over", "--yes")
    assert ("4 pictures deleted" in ended.out, "is missing" in ended.err) == (True, False)


def test_a_rejected_further_take_gets_another_one(random: Folder, call: Call) -> None:
    first = rows(random)[0]["job"]
    judge(random, {first: "reject"})
    call("run", random.recipe, "--sandbox", "--reroll")
    judge(random, {first: "reject", take_of(random, 2)["job"]: "reject"})
    call("run", random.recipe, "--sandbox", "--reroll")
    assert [row["take"] for row in rows(random)] == ["1", "2", "3", "1", "1", "1"]
    assert len(random.ledger()) == 6
    assert "nothing to do" in call("run", random.recipe, "--sandbox", "--reroll").out


def test_a_picked_further_take_stays_when_the_rejection_is_taken_back(
    random: Folder, call: Call
) -> None:
    """One without a verdict is left over then, and comes back with the rejection."""
    first = rows(random)[0]["job"]
    judge(random, {first: "reject"})
    call("run", random.recipe, "--sandbox", "--reroll")
    second = take_of(random, 2)["job"]
    judge(random, {second: "pick"})
    assert "nothing to do: 5 jobs done" in call("run", random.recipe, "--sandbox").out
    judge(random, {})
    assert "1 left over from an older recipe" in call("plan", random.recipe, "--sandbox").out
    assert "nothing to do: 4 jobs done" in call("run", random.recipe, "--sandbox").out
    judge(random, {first: "reject"})
    assert "nothing to do: 5 jobs done" in call("run", random.recipe, "--sandbox").out
    assert len(random.ledger()) == 5


def test_a_fixed_seed_is_left_alone_with_what_to_change(folder: Folder, call: Call) -> None:
    call("run", folder.recipe, "--sandbox")
    judge(folder, {rows(folder)[0]["job"]: "reject"})
    ended = call("run", folder.recipe, "--sandbox", "--reroll")
    assert "reroll: no further take for 1 rejected picture of a fixed seed" in ended.err
    assert "change the seed, or make it random (seed: -1)" in ended.err
    assert "is without a further take" not in ended.err
    assert len(folder.ledger()) == 4


def test_takes_of_the_recipe_are_counted(folder: Folder, call: Call) -> None:
    """Two takes, one of them rejected: the third is made, and its name is like theirs."""
    folder.edit("seed: 7", "seed: -1, takes: 2")
    folder.edit("[0.4, 0.7]", "0.4")
    call("run", folder.recipe, "--sandbox")
    before = rows(folder)
    judge(folder, {before[1]["job"]: "reject"})
    call("run", folder.recipe, "--sandbox", "--reroll")
    third = take_of(folder, 3)
    assert third["output"] == before[0]["output"].replace("-take1", "-take3")
    assert [row["job"] for row in rows(folder) if row["take"] != "3"] == [
        row["job"] for row in before
    ]
    folder.edit("takes: 2", "takes: 3")
    planned = json.loads(call("plan", folder.recipe, "--sandbox", "--json").out)
    assert (planned["counts"]["keep"], planned["counts"]["create"]) == (5, 1)


def test_a_name_that_another_job_has_is_an_error(folder: Folder, call: Call) -> None:
    """Nothing is sent, and the message says what to change."""
    folder.edit("seed: 7", "seed: -1")
    folder.edit("[0.4, 0.7]", "0.4")
    folder.edit("[Beach, Snow]", "[{id: a, text: Beach}, {id: A-take2, text: Snow}]")
    folder.edit("price:", "output: {name: '${prompt}'}\nprice:")
    assert call("run", folder.recipe, "--sandbox").code == 0
    judge(folder, {rows(folder)[0]["job"]: "reject"})
    ended = call("run", folder.recipe, "--sandbox", "--reroll")
    assert (ended.code, len(folder.ledger())) == (2, 2)
    assert "take 2 of a rejected picture would be written to 'a-take2'" in ended.err
    assert "put ${take} into output.name" in ended.err
    folder.edit("'${prompt}'", "'${prompt}/${take}'")
    assert call("run", folder.recipe, "--sandbox", "--reroll").code == 0
    assert len(folder.ledger()) == 3


def test_options_that_do_not_go_with_it(random: Folder, call: Call, tmp_path: Path) -> None:
    ended = call("plan", random.recipe, "--sandbox", "--reroll", "--out", tmp_path / "p.json")
    assert (ended.code, "give either --out or --reroll" in ended.err) == (2, True)
    ended = call("run", random.recipe, "--sandbox", "--reroll", "--shard", "1/2")
    assert (ended.code, "--reroll is for the whole recipe" in ended.err) == (2, True)


def test_a_damaged_picks_file_stops_a_run_before_anything_is_sent(
    random: Folder, call: Call
) -> None:
    """It says which takes there are."""
    (random.path / f"tiny{PICKS_SUFFIX}").write_text("job,output,verdict\nx,y,maybe\n")
    ended = call("run", random.recipe, "--sandbox", "--reroll")
    assert (ended.code, len(random.ledger())) == (2, 4)
    assert f"tiny{PICKS_SUFFIX}:2:" in ended.err
