"""Each command, its exit code, and where it writes: results to stdout, the rest to stderr."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from spark_batch.cli import COMMANDS
from spark_batch.errors import ExitCode
from spark_batch.models import schemas
from tests.cli.conftest import ROOT, Call, Folder
from tests.makers import MODEL


def test_help_is_cheap(own_world: object) -> None:
    """`--help` lists every command, and imports none of what only some of them need."""
    code = (
        "import sys\n"
        "from spark_batch import cli\n"
        "code = cli.dispatch(['--help'])\n"
        "heavy = {'requests', 'jsonschema', 'PIL', 'yaml', 'tqdm', 'starlette', 'sqlite3'}\n"
        "print(code, sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.endswith("0 []\n")
    for name in ("validate", "plan", "run", "retry", "status", "report", "sandbox", "explain"):
        assert f"  {name} " in done.stdout


def test_a_plan_loads_no_client(folder: Folder, own_world: object) -> None:
    """`plan` sends nothing, so it does not wait for the import of the HTTP client."""
    code = (
        "import sys\n"
        "from spark_batch import cli\n"
        "code = cli.dispatch(['plan', *sys.argv[1:]])\n"
        "print(code, sorted({'requests', 'urllib3', 'certifi'} & set(sys.modules)))\n"
    )
    command = [sys.executable, "-c", code, str(folder.recipe)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.endswith("\n0 []\n")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(call: Call, name: str) -> None:
    """Its usage line and exit 0; `--help` lists its first sentence on one line."""
    ended = call(name, "--help")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith(f"Usage: spark-batch {name}")
    listed = [line for line in call("--help").out.splitlines() if line.startswith(f"  {name} ")]
    sentence = listed[0].removeprefix(f"  {name} ").strip()
    assert sentence.endswith(".")
    assert " ".join(ended.out.split("\n\n", 1)[1].split()).startswith(sentence)


@pytest.mark.parametrize(
    "arguments",
    [
        ["nope"],
        ["run"],
        ["run", "a.yaml", "--nope"],
        ["run", "a.yaml", "--limit", "x"],
        ["run", "a.yaml", "--workers", "many"],
        ["run", "a.yaml", "--workers", "-1"],
        ["run", "a.yaml", "--workers", "9" * 5000],
    ],
)
def test_a_wrong_command_line_is_exit_2(call: Call, arguments: list[str]) -> None:
    """Usage on stderr, nothing on stdout, no traceback."""
    ended = call(*arguments)
    assert (ended.code, ended.out) == (ExitCode.WRONG, "")
    assert "Error" in ended.err
    assert "Traceback" not in ended.err


@pytest.mark.parametrize("workers", ["0", "1", "auto"])
def test_pictures_may_be_inspected_by_worker_processes(
    folder: Folder, call: Call, workers: str
) -> None:
    """Whatever the recipe says; the result is the same."""
    ended = call("run", folder.recipe, "--sandbox", "--workers", workers)
    assert ended.code == ExitCode.DONE
    assert "4 tasks created" in ended.out


def test_a_plan_tells_what_there_is_to_do_and_writes_nothing(folder: Folder, call: Call) -> None:
    """New jobs with their cost; exit 10 when asked; no file is made."""
    ended = call("plan", folder.recipe, "--detailed-exitcode")
    assert ended.code == ExitCode.CHANGES
    assert ended.out.count("  new  about 0.03 USD") == 4
    assert "expected 0.12 USD" in ended.out
    assert not (folder.path / "out").exists()


def test_a_plan_of_finished_work_is_empty(folder: Folder, call: Call) -> None:
    """Exit 0 with --detailed-exitcode when there is nothing to do, and the money that was spent."""
    call("run", folder.recipe, "--sandbox")
    ended = call("plan", folder.recipe, "--sandbox", "--detailed-exitcode")
    assert ended.code == ExitCode.DONE
    assert "nothing to pay; nothing charged, would be about 0.12 USD so far" in ended.out


def test_a_plan_in_json(folder: Folder, call: Call) -> None:
    """One document: jobs, counts, money."""
    document = json.loads(call("plan", folder.recipe, "--json").out)
    assert [job["action"] for job in document["jobs"]] == ["create"] * 4
    assert document["counts"]["create"] == 4
    assert document["cost_usd"] == {
        "spent": "0",
        "reserved": "0",
        "expected": "0.12",
        "quoted": None,
        "most": "0.36",
        "limit": None,
        "sources": ["recipe"],
    }


def test_a_plan_tells_what_an_older_recipe_left_over(folder: Folder, call: Call) -> None:
    """Pictures that the recipe no longer has, and what they cost."""
    call("run", folder.recipe, "--sandbox")
    folder.edit("[Beach, Snow]", "[Beach]")
    assert (
        "2 left over from an older recipe, 0.06 USD" in call("plan", folder.recipe, "--sandbox").out
    )


def test_a_plan_tells_what_each_exclude_drops(folder: Folder, call: Call) -> None:
    """As text and in JSON."""
    folder.edit("price:", "exclude: [{prompt: beach, scale: 0.4}, {scale: 0.7}]\nprice:")
    out = call("plan", folder.recipe).out
    # Below the number of jobs to create, which is right-aligned too.
    columns = {line.index(line.split()[0]) for line in out.splitlines() if "to create" in line}
    assert columns == {line.index("1") for line in out.splitlines() if "exclude[0]" in line}
    assert "1 dropped by exclude[0]" in out
    assert "2 dropped by exclude[1]" in out
    document = json.loads(call("plan", folder.recipe, "--json").out)
    assert (document["excluded"], len(document["jobs"])) == ([1, 2], 1)


def test_the_command_that_shows_warnings_can_be_copied(folder: Folder, call: Call) -> None:
    """A path with a space is quoted."""
    recipe = folder.recipe.rename(folder.path / "my recipe.yaml")
    told = call("plan", recipe).err
    assert f"{recipe}: 2 warnings, listed by `spark-batch validate '{recipe}'`\n" in told


def test_status_tells_where_everything_stands(folder: Folder, call: Call) -> None:
    """As text and as JSON; before any run it says that there is none."""
    assert call("status", folder.recipe).code == ExitCode.WRONG
    call("run", folder.recipe, "--sandbox", "--limit", "3")
    ended = call("status", folder.recipe, "--sandbox")
    assert "3 done" in ended.out
    assert "1 pending" in ended.out
    assert "would be about 0.09 USD" in ended.out
    document = json.loads(call("status", folder.recipe, "--sandbox", "--json").out)
    assert (document["jobs"]["done"], document["cost_usd"]["spent"]) == (3, "0.09")


def test_the_limit_on_tasks(folder: Folder, call: Call) -> None:
    """--limit creates so many and no more; zero creates none."""
    assert "0 tasks created" in call("run", folder.recipe, "--sandbox", "--limit", "0").out
    call("run", folder.recipe, "--sandbox", "--limit", "1")
    assert len(folder.ledger()) == 1


@pytest.mark.parametrize("wrong", ["1_0", "\u0661", "-1", "ten", "+1"])
@pytest.mark.parametrize("option", ["--limit", "--concurrency"])
def test_a_number_is_written_in_digits(folder: Folder, call: Call, option: str, wrong: str) -> None:
    """Python itself reads 1_0 as 10, which would be ten tasks."""
    ended = call("run", folder.recipe, "--sandbox", option, wrong)
    assert ended.code == ExitCode.WRONG
    assert option in ended.err
    assert folder.ledger() == []


def test_the_limit_on_cost(folder: Folder, call: Call) -> None:
    """--max-cost stops before it would be passed, with exit 3; what fits is made."""
    ended = call("run", folder.recipe, "--sandbox", "--max-cost", "0.07")
    assert ended.code == ExitCode.OVER_BUDGET
    assert (len(folder.ledger()), len(folder.pictures())) == (2, 2)
    assert "raise max_cost" in ended.err
    for wrong in ("-1", "nan", "five", "1e99999999", "1e-99999999", "5_00", "\u0665"):
        ended = call("run", folder.recipe, "--sandbox", "--max-cost", wrong)
        assert ended.code == ExitCode.WRONG
        assert "is not an amount of USD" in ended.err


@pytest.mark.parametrize("name", schemas.names())
def test_a_printed_schema_is_the_schema(call: Call, name: str) -> None:
    """JSON on stdout, whole."""
    assert json.loads(call("schema", name).out) == schemas.bundled(name)


def test_validate_loads_no_client(folder: Folder) -> None:
    """It needs no network, and starts without what speaks to it, globs included."""
    folder.edit("photo.jpg", '"*.jpg"')
    code = (
        "import sys\n"
        "from spark_batch import cli\n"
        f"code = cli.dispatch(['validate', {str(folder.recipe)!r}])\n"
        "heavy = {'requests', 'tqdm', 'starlette', 'jinja2', 'spark_batch.engine'}\n"
        "print(code, sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.endswith("0 []\n")


def test_schema_and_explain_list_and_refuse(call: Call) -> None:
    """Without a name they list; a wrong one is exit 2 with the way out."""
    assert all(name in call("schema").out for name in schemas.names())
    assert all(code in call("explain").out for code in MODEL.errors.by_code)
    assert call("schema", "nope").code == ExitCode.WRONG
    assert call("explain", "nope").code == ExitCode.WRONG
    ended = call("explain", "3003002")
    assert "003003002  Invalid prompt length" in ended.out
    assert "never" not in ended.err


def test_python_dash_m(folder: Folder) -> None:
    """`python -m spark_batch` is the same command."""
    done = subprocess.run(
        [sys.executable, "-m", "spark_batch", "--version"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("spark-batch, version 0.")


def test_output_that_nobody_reads_is_no_traceback(folder: Folder) -> None:
    """`plan --all | head -1` ends quietly."""
    folder.edit("seed: 7", f"seed: [{', '.join(str(n) for n in range(1, 400))}]")
    done = subprocess.run(
        f"{sys.executable} -m spark_batch plan --all {folder.recipe} | head -1",
        shell=True,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert len(done.stdout.splitlines()) == 1
    assert len(done.stderr.splitlines()) == 1
    assert "warnings" in done.stderr


@pytest.mark.parametrize("command", ["status", "verify", "report"])
def test_without_a_checkpoint_the_next_step_is_named(
    folder: Folder, call: Call, command: str
) -> None:
    """Nothing was run, only previews were made, or there is the manifest alone."""
    ended = call(command, folder.recipe, "--sandbox")
    assert ended.code == ExitCode.WRONG
    assert ended.err.endswith("nothing has been run yet\n")
    call("run", folder.recipe, "--sandbox")
    ended = call(command, folder.recipe)
    assert ended.code == ExitCode.WRONG
    assert ended.err.endswith("for the sandbox's previews, add --sandbox\n")
    (folder.previews / ".spark-batch" / "tiny.checkpoint").unlink()
    ended = call(command, folder.recipe, "--sandbox")
    if command == "verify":  # the manifest is enough for it
        assert ended.code == ExitCode.DONE
        return
    assert ended.code == ExitCode.WRONG
    assert f"`spark-batch rescue {folder.recipe} --sandbox` makes it from" in ended.err
    assert call("rescue", folder.recipe, "--sandbox").code == ExitCode.DONE
    assert call(command, folder.recipe, "--sandbox").code == ExitCode.DONE


@pytest.mark.parametrize(
    ("typed", "hint"), [("plna", "Did you mean 'plan'?"), ("xyzzy", "No such command 'xyzzy'.\n")]
)
def test_a_mistyped_command_is_told_the_one_that_it_may_mean(
    call: Call, typed: str, hint: str
) -> None:
    ended = call(typed, "recipe.yaml")
    assert (ended.code, hint in ended.err) == (ExitCode.WRONG, True)


def test_an_interrupt_while_the_command_line_is_imported_shows_no_traceback() -> None:
    program = (
        "import sys\n"
        "from importlib.abc import MetaPathFinder\n"
        "class Interrupts(MetaPathFinder):\n"
        "    def find_spec(self, name, path, target=None):\n"
        "        if name == 'spark_batch.cli':\n"
        "            raise KeyboardInterrupt\n"
        "from spark_batch.__main__ import main\n"
        "sys.meta_path.insert(0, Interrupts())\n"
        "main()\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (ExitCode.INTERRUPTED, "", "")


@pytest.mark.parametrize(("command", "code"), [("--version", 0), ("status", 2)])
def test_what_is_registered_for_the_end_is_done(command: str, code: int) -> None:
    """The process ends without freeing its objects, but not without its last steps."""
    program = (
        "import atexit, sys\n"
        "atexit.register(print, 'the end')\n"
        f"sys.argv = ['spark-batch', {command!r}]\n"
        "from spark_batch.__main__ import main\n"
        "main()\n"
        "print('not reached')\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert ended.returncode == code
    assert ended.stdout.endswith("the end\n")
    assert (ended.stdout + ended.stderr).count("\n") > 1
