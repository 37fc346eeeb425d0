"""How a run ends: where every job stands, and the command that goes on."""

from __future__ import annotations

import io
import shlex
from decimal import Decimal

import pytest

from spark_batch import project
from spark_batch.errors import ExitCode
from tests.cli.conftest import Call, Folder, MakeServer


def test_a_run_up_to_a_limit_says_what_is_not_made_and_how_to_go_on(
    folder: Folder, call: Call
) -> None:
    ended = call("run", folder.recipe, "--sandbox", "--limit", "3")
    assert "[3/3] done" in ended.err  # it counts to the limit
    lines = ended.out.splitlines()
    assert lines[1:3] == ["      3 done", "      1 pending    not made yet"]
    assert lines[-1] == f"Continue: spark-batch run {folder.recipe} --sandbox"
    assert call("status", folder.recipe, "--sandbox").out.splitlines()[-1] == lines[-1]


def test_the_next_command_has_the_options_without_which_it_would_not_work(
    folder: Folder,
    call: Call,
    monkeypatch: pytest.MonkeyPatch,
    server: MakeServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """The key's file, quoted for a shell, and what the user allowed; typed as it is, it works."""
    monkeypatch.delenv("SPARK_API_KEY", raising=False)
    monkeypatch.setenv("SPARK_BASE_URL", server().url)
    (folder.path / ".git").mkdir()
    photo = folder.path / "photo.jpg"
    photo.symlink_to(photo.rename(tmp_path_factory.mktemp("far") / "photo.jpg"))
    keys = folder.path / "my keys.env"
    keys.write_text("SPARK_API_KEY=k\n")
    kept = ["--allow-commands", "--env-file", str(keys), "--allow-outside"]
    ended = call("run", folder.recipe, *kept, "--limit", "1")
    (command,) = [line for line in ended.out.splitlines() if line.startswith("Continue: ")]
    words = shlex.split(command.removeprefix("Continue: "))
    assert words[:3] == ["spark-batch", "run", str(folder.recipe)]
    assert sorted(words[3:]) == sorted(kept)
    assert f"--env-file '{keys}'" in command
    assert call(*words[1:]).code == ExitCode.DONE


def test_a_command_is_offered_only_options_that_it_has(
    folder: Folder, call: Call, monkeypatch: pytest.MonkeyPatch, server: MakeServer
) -> None:
    monkeypatch.setenv("SPARK_API_KEY", "k")
    monkeypatch.setenv("SPARK_BASE_URL", server(create=["cut-after"]).url)
    keys = folder.path / "keys.env"
    keys.write_text("SPARK_API_KEY=k\n")
    ended = call("run", folder.recipe, "--allow-outside", "--allow-commands", "--env-file", keys)
    assert f"`spark-batch resolve {folder.recipe} JOB --allow-outside` settles one" in ended.out
    status = call("status", folder.recipe, "--allow-outside").out
    key = status.partition("(job ")[2].partition(")")[0]
    settle = f"`spark-batch resolve {folder.recipe} {key} --allow-outside --task-id ID`"
    assert settle in call("why", folder.recipe, key, "--allow-outside").out


def test_what_the_environment_allows_is_not_repeated(
    folder: Folder, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPARK_ALLOW_COMMANDS", "1")
    ended = call("run", folder.recipe, "--sandbox", "--limit", "1")
    assert f"Continue: spark-batch run {folder.recipe} --sandbox\n" in ended.out


def test_a_run_that_made_everything_is_one_line(folder: Folder, call: Call) -> None:
    ended = call("run", folder.recipe, "--sandbox")
    assert ended.out.splitlines()[1].startswith("manifest ")
    assert "Continue" not in ended.out


def test_pictures_that_were_not_put_back_are_told_with_the_command_that_goes_on(
    folder: Folder, call: Call, monkeypatch: pytest.MonkeyPatch, server: MakeServer
) -> None:
    """Their jobs are done, so that their numbers alone would say that all is well."""
    monkeypatch.setenv("SPARK_API_KEY", "k")
    folder.edit("run: {", "run: {fetch_tries: 1, ")
    monkeypatch.setenv("SPARK_BASE_URL", server(result=[None] * 4 + ["expired"] * 2).url)
    assert call("run", folder.recipe).code == ExitCode.DONE
    for picture in folder.pictures(folder.out)[:2]:
        picture.unlink()
    ended = call("run", folder.recipe)
    assert ended.code == ExitCode.FAILED
    lines = ended.out.splitlines()
    assert lines[0].startswith("0 jobs done, 2 unfinished; 0 tasks created,")
    assert lines[1:3] == [
        "      4 done",
        "      2 unfinished of those done: the next `run` or `rescue` puts their pictures back",
    ]
    assert lines[-1] == f"Continue: spark-batch run {folder.recipe}"
    assert call(*lines[-1].split()[2:]).out.startswith("2 jobs done; 0 tasks created")


def test_the_end_of_a_run_says_what_may_have_been_charged_beside_what_was(
    folder: Folder, call: Call, monkeypatch: pytest.MonkeyPatch, server: MakeServer
) -> None:
    """A picture whose cost the API did not report is not free, nor is an uncertain attempt."""
    monkeypatch.setenv("SPARK_API_KEY", "k")
    folder.edit("run: {", "run: {concurrency: 1, ")
    served = server(create=["cut-after"], poll=["no-usage"])
    monkeypatch.setenv("SPARK_BASE_URL", served.url)
    ended = call("run", folder.recipe)
    money = "0.06 USD spent so far, 0.06 USD reserved"
    assert ended.out.startswith(f"3 jobs done; 3 tasks created, {money}\n")
    assert money.replace(" so far", "") in call("status", folder.recipe).out


@pytest.mark.parametrize("previews", [4, 100_000])
def test_the_first_line_of_the_end_fits_80_columns(
    previews: int, folder: Folder, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder.path)
    real = project.PreparedRun.execute

    def execute(prepared: project.PreparedRun, watch: object) -> project.RunResult:
        result = real(prepared, watch)  # type: ignore[arg-type]
        result.tally.done = result.tally.created = previews
        result.tally.spent = previews * Decimal("0.03")
        return result

    monkeypatch.setattr(project.PreparedRun, "execute", execute)
    lines = call("run", folder.recipe, "--sandbox").out.splitlines()
    assert lines[0].startswith(f"{previews} jobs done; {previews} tasks created,")
    assert all(len(line) <= 80 for line in lines[:2])
    assert f"nothing charged, would be about {previews * Decimal('0.03')} USD so far" in " ".join(
        lines[:2]
    )
    assert lines[-1].startswith("page ")


def test_the_price_that_is_asked_about_is_that_of_the_limit(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPARK_API_KEY", "k")
    recipe = project.load(folder.recipe).recipe
    with project.prepare(recipe, project.RunOptions(limit=3)) as prepared:
        assert prepared.plan.forecast.expected == Decimal("0.09")
        assert prepared.plan.forecast.beyond_limit == 1


@pytest.mark.parametrize(
    ("limit", "question"),
    [
        ("5", "Create 4 pictures for about 0.12 USD?"),
        ("0.07", "Create 2 of 4 pictures for about 0.06 USD, up to the limit of 0.07 USD?"),
    ],
)
def test_the_question_is_about_what_the_limit_lets_be_made(
    folder: Folder, call: Call, monkeypatch: pytest.MonkeyPatch, limit: str, question: str
) -> None:
    monkeypatch.setenv("SPARK_API_KEY", "k")
    folder.edit("run: {", f"run: {{max_cost: {limit}, ")
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    for stream in ("stdin", "stderr"):
        monkeypatch.setattr(f"sys.{stream}.isatty", lambda: True, raising=False)
    assert question in call("run", folder.recipe).err


def test_an_uncertain_job_has_its_command(
    folder: Folder, call: Call, monkeypatch: pytest.MonkeyPatch, server: MakeServer
) -> None:
    served = server(create=["cut-after"])
    monkeypatch.setenv("SPARK_API_KEY", "k")
    monkeypatch.setenv("SPARK_BASE_URL", served.url)
    ended = call("run", folder.recipe)
    assert ended.code == ExitCode.UNCERTAIN
    assert (
        f"1 uncertain  maybe paid for: `spark-batch resolve {folder.recipe} JOB` settles one,"
        f" `spark-batch resolve {folder.recipe} --only status=uncertain` all" in ended.out
    )
    line = next(line for line in call("status", folder.recipe).out.splitlines() if "(job " in line)
    key = line.rpartition("(job ")[2].rstrip(")")
    settle = f"spark-batch resolve {folder.recipe} {key} --task-id ID"
    assert f"Settle it: `{settle}`" in call("why", folder.recipe, key).out


def test_a_refused_key_says_when_to_go_on(
    folder: Folder, call: Call, monkeypatch: pytest.MonkeyPatch, server: MakeServer
) -> None:
    served = server(create=["401"] * 4)
    monkeypatch.setenv("SPARK_API_KEY", "k")
    monkeypatch.setenv("SPARK_BASE_URL", served.url)
    ended = call("run", folder.recipe)
    assert ended.code == ExitCode.REFUSED
    assert "4 pending    not made yet" in ended.out
    last = ended.out.splitlines()[-1]
    assert last.startswith("Continue, once the key and the balance are in order: spark-batch run ")


def test_too_many_uncertain_jobs_are_settled_before_a_run_goes_on(
    folder: Folder, call: Call, monkeypatch: pytest.MonkeyPatch, server: MakeServer
) -> None:
    monkeypatch.setenv("SPARK_API_KEY", "k")
    monkeypatch.setenv("SPARK_BASE_URL", server(create=["cut-after"] * 2).url)
    folder.edit("run: {", "run: {max_uncertain: 1, concurrency: 1, ")
    run = f"spark-batch run {folder.recipe}"
    advice = f"Continue, once `resolve` has settled what is uncertain: {run}\n"
    for command in ("run", "run", "status"):
        ended = call(command, folder.recipe)
        assert advice in ended.out
        assert "2 pending    not made yet" in ended.out
    call("resolve", folder.recipe, "--only", "status=uncertain", "--not-charged", "--yes")
    assert f"Continue: {run}\n" in call("status", folder.recipe).out
    assert call("run", folder.recipe).code == ExitCode.DONE


@pytest.mark.parametrize("refused", [3, 4])
def test_a_request_that_the_api_refuses_has_to_change_and_no_retry_is_offered_for_it(
    refused: int, folder: Folder, call: Call, monkeypatch: pytest.MonkeyPatch, server: MakeServer
) -> None:
    codes = ["003003005"] * refused + ["50501"] * (4 - refused)
    served = server(create=[f"create-code:{code}" for code in codes])
    monkeypatch.setenv("SPARK_API_KEY", "k")
    monkeypatch.setenv("SPARK_BASE_URL", served.url)
    note = "of those failed: the same request fails again, change it in the recipe"
    retry = f"`spark-batch retry {folder.recipe}` makes them again, for money"
    failed = "4 failed" if refused == 4 else f"4 failed     {retry}"
    ended = call("run", folder.recipe, "--concurrency", "1")
    status = call("status", folder.recipe).out
    for out in (ended.out, status):
        assert f"      {failed}\n      {refused} refused    {note}\n" in out
    key = status.partition("(job ")[2].partition(")")[0]
    why = call("why", folder.recipe, key).out
    assert f"Change that in the recipe; `spark-batch run {folder.recipe}` then makes" in why
    assert "retry" not in why


def test_a_limit_beside_an_uncertain_job_still_says_how_to_go_on(
    folder: Folder, call: Call, monkeypatch: pytest.MonkeyPatch, server: MakeServer
) -> None:
    monkeypatch.setenv("SPARK_API_KEY", "k")
    monkeypatch.setenv("SPARK_BASE_URL", server(create=["cut-after"]).url)
    ended = call("run", folder.recipe, "--max-cost", "0.06", "--concurrency", "1")
    assert ended.code == ExitCode.UNCERTAIN
    assert f"Continue, with a higher max_cost: spark-batch run {folder.recipe}" in ended.out


def test_where_the_api_reports_no_price_a_run_goes_on_once_the_recipe_has_one(
    folder: Folder, call: Call, monkeypatch: pytest.MonkeyPatch, server: MakeServer
) -> None:
    """A higher max_cost would not help."""
    monkeypatch.setenv("SPARK_API_KEY", "k")
    monkeypatch.setenv("SPARK_BASE_URL", server(poll=["cost-null"]).url)
    folder.edit("price: 0.03\n", "")
    ended = call("run", folder.recipe, "--max-cost", "5")
    assert ended.code == ExitCode.OVER_BUDGET
    run = f"spark-batch run {folder.recipe}"
    assert f"Continue, with a price in the recipe: {run}\n" in ended.out
    folder.edit("run: {", "price: 0.03\nrun: {")
    assert call("run", folder.recipe, "--max-cost", "5").code == ExitCode.DONE


def test_the_price_of_an_uncertain_job_is_settled_or_stated_before_a_run_goes_on(
    folder: Folder, call: Call, monkeypatch: pytest.MonkeyPatch, server: MakeServer
) -> None:
    monkeypatch.setenv("SPARK_API_KEY", "k")
    monkeypatch.setenv("SPARK_BASE_URL", server(create=["cut-after"]).url)
    folder.edit("price: 0.03\n", "")
    ended = call("run", folder.recipe, "--max-cost", "5")
    cure = "once `resolve` has settled what is uncertain, or with a price in the recipe"
    assert f"Continue, {cure}: spark-batch run {folder.recipe}\n" in ended.out


def test_the_sums_of_status_are_at_its_end(
    folder: Folder, call: Call, monkeypatch: pytest.MonkeyPatch, server: MakeServer
) -> None:
    """Where a terminal shows them, however many jobs have failed."""
    monkeypatch.setenv("SPARK_API_KEY", "k")
    monkeypatch.setenv("SPARK_BASE_URL", server(create=["create-code:003003005"] * 4).url)
    call("run", folder.recipe)
    lines = call("status", folder.recipe).out.splitlines()
    assert [line.partition(" ")[0] for line in lines[:4]] == ["failed"] * 4
    assert lines[4].startswith("tiny: 4 jobs in ")
