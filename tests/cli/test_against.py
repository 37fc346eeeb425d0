"""`plan --against`: its lines, its JSON by its schema, and a comment that no text can break."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt

from spark_batch.cli import changes
from spark_batch.errors import ExitCode
from spark_batch.models import schemas
from spark_batch.sandbox import Served
from tests.cli.conftest import Call, Ended, Folder
from tests.recipe.test_models import OWN
from tests.repositories import Repository, a_repository


@pytest.fixture
def repo(folder: Folder) -> Repository:
    """The folder of four jobs as a repository; what a run makes is not in git."""
    made = a_repository(folder.path)
    made.write(".gitignore", "out/\n")
    made.commit()
    return made


def against(call: Call, folder: Folder, *more: object, given: object = "main") -> Ended:
    return call("plan", folder.recipe, "--sandbox", "--against", given, *more)


def document(call: Call, folder: Folder, given: object = "main") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(against(call, folder, "--json", given=given).out)
    schemas.validator("against").validate(found)
    return found


class _Page(HTMLParser):
    """What a browser would see of a comment: its tags, and the cells of its tables."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.rows: list[list[str]] = []
        self.outside = ""  # of code
        self._inside: list[str] = []
        self.feed(MarkdownIt("commonmark", {"html": True}).enable("table").render(text))

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.add(tag)
        self._inside.append(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        while self._inside and self._inside.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if {"td", "th"} & set(self._inside):
            self.rows[-1][-1] += data
        if "code" not in self._inside:
            self.outside += data


def test_lines_tables_and_sums(folder: Folder, repo: Repository, call: Call) -> None:
    """What is changed and new, by prompt and input, and its money."""
    call("run", folder.recipe, "--sandbox")
    folder.edit("Beach", "{id: beach, text: Beach at night}")
    folder.edit("Snow]", "Fog]")
    told = against(call, folder)
    assert told.code == 0
    lines = told.out.splitlines()
    assert lines[0] == (
        "~ photo/beach-512x512-scale0.4-seed7  changed: prompt from 'Beach' to 'Beach at night'"
        "  about 0.03 USD"
    )
    assert lines[2] == "+ photo/fog-512x512-scale0.4-seed7  new  about 0.03 USD"
    assert lines[4] == "- photo/snow-512x512-scale0.4-seed7  removed"
    assert [line.split() for line in lines[6:8]] == [
        ["prompt", "new", "changed", "kept", "removed", "expected", "USD"],
        ["beach", "0", "2", "0", "0", "0.06"],
    ]
    commit = repo.git("rev-parse", "HEAD")[:10]
    assert lines[-3] == (
        f"tiny against 'main' ({commit}): 2 new, 2 changed, 0 kept, 2 removed;"
        " expected 0.12 USD, 0 USD already paid"
    )
    assert lines[-2].strip() == "nothing of this is charged: the sandbox makes previews"
    assert lines[-1] == "  0.12 USD paid for what is removed or replaced"


def test_kept_ones_are_listed_with_all(folder: Folder, repo: Repository, call: Call) -> None:
    """And bounded without: forty lines, and how many more there are."""
    assert "=" not in against(call, folder).out
    assert against(call, folder, "--all").out.count("= photo/") == 4
    scales = ", ".join(f"0.{n}" for n in range(10, 60))
    folder.edit("[0.4, 0.7]", f"[{scales}]")
    told = against(call, folder).out
    assert told.count("+ photo/") == 40 - told.count("- photo/")
    assert "more (--all lists them)" in told
    assert against(call, folder, "--all").out.count("+ photo/") == 98


def test_what_waits_and_what_is_renamed_is_told(
    folder: Folder, repo: Repository, call: Call
) -> None:
    """Kept jobs that nobody has made yet cost something, but not for this change."""
    call("run", folder.recipe, "--sandbox", "--limit", "1")
    folder.edit("price:", "output: {name: '${prompt}/${scale}'}\nprice:")
    told = against(call, folder).out
    assert "> beach/0.4  renamed from photo/beach-512x512-scale0.4-seed7" in told
    assert "0 new, 0 changed, 4 kept; expected 0 USD, 0.03 USD already paid" in told
    assert "  4 of the kept ones under another name, which costs nothing" in told
    assert "  3 of the kept ones not made yet, about 0.09 USD more" in told


def test_an_unknown_price_is_said(folder: Folder, repo: Repository, call: Call) -> None:
    """In text, in a table and in JSON; never 0."""
    folder.edit("price: 0.03\n", "")
    folder.edit("Snow", "Fog")
    told = against(call, folder).out
    assert "expected cost not known (give the recipe a price)" in told
    assert re.search(r"fog +2 +0 +0 +0 +\?", told)
    assert "2 of the kept ones not made yet, at a cost that is not known" in told
    found = document(call, folder)
    assert found["cost_usd"]["expected"] is None
    assert found["waiting"] == {"jobs": 2, "cost_usd": None}
    assert found["prompts"]["fog"]["expected_usd"] is None


def test_tasks_whose_price_nobody_told_are_told(
    folder: Folder,
    repo: Repository,
    call: Call,
    server: Callable[..., Served],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Tasks under way have cost something, and it is not said that it was nothing."""
    folder.edit("run: {", "run: {task_timeout: 0.1, ")
    monkeypatch.setenv("SPARK_API_KEY", "sk-1")
    monkeypatch.setenv("SPARK_BASE_URL", server(poll=["unknown-status"] * 500).url)
    call("run", folder.recipe)
    told = call("plan", folder.recipe, "--against", "main").out
    assert "0 USD already paid (and 4 tasks whose price is not known)" in told


def test_quoted_prices_go_before_the_recipes(folder: Folder, repo: Repository, call: Call) -> None:
    """`--quote` asks the API as for a plan; here the sandbox."""
    folder.edit("price: 0.03", "price: 9")
    folder.edit("Snow", "Fog")
    assert "expected 18 USD" in against(call, folder).out
    assert "expected 0.06 USD" in against(call, folder, "--quote").out


def test_json_is_what_the_schema_says(folder: Folder, repo: Repository, call: Call) -> None:
    """New, changed, kept, renamed and removed; before and after a run; against either base."""
    first = document(call, folder)
    assert first["counts"]["kept"] == 4
    call("run", folder.recipe, "--sandbox")
    folder.edit("Beach", "{id: beach, text: Beach at night}")
    folder.edit("Snow]", "{id: ice, text: Snow}, Fog]")
    found = document(call, folder)
    assert found["counts"] == {"new": 2, "changed": 2, "kept": 0, "renamed": 2, "removed": 0}
    assert found["jobs"][0]["differences"] == [
        {"field": "prompt", "from": "Beach", "to": "Beach at night"}
    ]
    assert found["cost_usd"] == {
        "expected": "0.12",
        "paid": {
            "new": {"usd": "0", "untold": 0},
            "changed": {"usd": "0", "untold": 0},
            "kept": {"usd": "0.06", "untold": 0},
            "removed": {"usd": "0.06", "untold": 0},
        },
    }
    assert found["against"]["commit"] == repo.git("rev-parse", "HEAD")
    manifest = folder.previews / "tiny.manifest.csv"
    assert document(call, folder, manifest)["counts"] == found["counts"]
    assert document(call, folder, manifest)["against"]["commit"] is None


def test_a_file_named_as_a_ref_does_not_stand_for_it(
    folder: Folder, repo: Repository, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A branch could bring a manifest `main`, in which every job is known already."""
    monkeypatch.chdir(repo.path)
    folder.edit("[Beach, Snow]", "[Desert, Rain]")
    assert call("run", folder.recipe, "--sandbox").code == ExitCode.DONE
    manifest = (folder.previews / "tiny.manifest.csv").read_text()
    for name in ("main", "main...", "nothing"):
        repo.write(name, manifest)
        if name != "nothing":
            assert document(call, folder, name)["counts"]["kept"] == 0
    ended = against(call, folder, given="nothing")
    assert (ended.code, "write ./ before it" in ended.err) == (ExitCode.WRONG, True)
    assert document(call, folder, "./nothing")["counts"]["kept"] == 4


def test_the_exit_code_says_whether_anything_has_changed(
    folder: Folder, repo: Repository, call: Call
) -> None:
    """Whatever there is to do otherwise."""
    assert against(call, folder, "--detailed-exitcode").code == 0
    folder.edit("Snow", "Fog")
    assert against(call, folder, "--detailed-exitcode").code == 10
    assert against(call, folder).code == 0
    folder.edit("prompts: [Beach, Fog]", "prompts: [Beach]")
    assert against(call, folder, "--detailed-exitcode").code == 10
    assert against(call, folder, "--detailed-exitcode", "--markdown").code == 10


def test_rows_of_a_manifest_without_a_picture_are_no_renamed_jobs(
    folder: Folder, repo: Repository, call: Call
) -> None:
    """Such a row names no file, so nobody knows that its name has changed."""
    call("run", folder.recipe, "--sandbox", "--limit", "1")
    given = folder.previews / "tiny.manifest.csv"
    ended = against(call, folder, "--detailed-exitcode", given=given)
    assert (ended.code, "renamed" in ended.out) == (0, False), ended


def test_notes_go_to_stderr_and_into_the_other_forms(
    folder: Folder, repo: Repository, call: Call
) -> None:
    """A recipe that was wrong at the commit is no reason to fail."""
    right = folder.recipe.read_text()
    repo.commit(recipe_yaml=right.replace("tiny", "t" * 300))
    folder.recipe.write_text(right)
    told = against(call, folder)
    assert told.code == 0
    assert "note: recipe.yaml at 'main' has errors (recipe.yaml:2:" in told.err
    assert "4 new, 0 changed, 0 kept" in told.out
    comments = against(call, folder, "--markdown").out.splitlines()
    (note,) = (line for line in comments if line.startswith("- `recipe.yaml at 'main' has errors"))
    assert note.endswith(": every job counts as new`")
    assert len(document(call, folder)["against"]["notes"]) == 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--markdown"], "--markdown is for --against"),
        (["--against", "main", "--markdown", "--json"], "give either --json or --markdown"),
        (["--against", "main", "--only", "scale=0.4"], "give no --only, --by"),
        (["--against", "main", "--by", "prompt"], "give no --only, --by"),
        (["--against", "main", "--sample", "3"], "--shard, --sample, --out"),
        (["--against", "mian"], "did you mean 'main'?"),
        (["--against", "README"], "there is no file, branch, tag or commit 'README'"),
        (["--against", "recipe.yaml"], "it has no column job"),
    ],
)
def test_what_cannot_be_compared(
    folder: Folder, repo: Repository, call: Call, options: list[str], said: str
) -> None:
    """One line and exit 2, before anything is printed."""
    given = [str(folder.recipe) if each == "recipe.yaml" else each for each in options]
    ended = call("plan", folder.recipe, "--sandbox", *given)
    assert (ended.code, ended.out) == (2, "")
    (line,) = (each for each in ended.err.splitlines() if each.startswith("spark-batch: "))
    assert said in line


def test_a_comment_says_the_same(folder: Folder, repo: Repository, call: Call) -> None:
    """A marker to find it by, the headline, tables, and folded lists."""
    folder.edit("Beach", "{id: beach, text: Beach at night}")
    folder.edit("Snow]", "Fog]")
    told = against(call, folder, "--markdown").out
    assert told.splitlines()[0] == "<!-- spark-batch plan against: tiny -->"
    assert "\n**2 new, 2 changed, 0 kept, 2 removed; expected 0.12 USD, 0 USD already paid**\n" in (
        told
    )
    page = _Page(told)
    assert ["beach", "0", "2", "0", "0", "0.06"] in page.rows
    name = "photo/beach-512x512-scale0.4-seed7"
    assert [name, "prompt from Beach to Beach at night", "0.03"] in page.rows
    assert ["photo/fog-512x512-scale0.7-seed7", "Fog", "0.03"] in page.rows
    assert ["photo/snow-512x512-scale0.7-seed7", "Snow", ""] in page.rows
    assert told.count("<details>") == told.count("</details>") == 3
    assert "<summary>2 removed</summary>" in told


TAGS = {"h3", "p", "strong", "code", "ul", "li", "table", "thead", "tbody", "tr", "th", "td"} | {
    "details",
    "summary",
}
HOSTILE = (
    "Add @octocat and #12, `code`, **bold** | a cell <script>alert(1)</script> <!-- --> &amp;",
    "a | b",
    "``` fences ```",
    r"back\\slash \| pipe \` tick",
    "[link](http://example.com) ![x](y) www.example.com",
    "</code></details> <b>",
    "line one\n\n    line two\n| --- |\n",
    "\u202e right to left",
)


@pytest.mark.parametrize("words", HOSTILE)
def test_no_text_breaks_the_comment(
    folder: Folder, repo: Repository, call: Call, words: str
) -> None:
    """Rendered, each row has its cells, nothing is bold or a script, and nobody is mentioned."""
    folder.edit("[Beach", "[{id: beach, text: " + json.dumps(words) + "}")
    told = against(call, folder, "--markdown").out
    page = _Page(told)
    assert page.tags <= TAGS
    assert {len(row) for row in page.rows} == {3, 6}
    assert "@" not in page.outside
    assert "#" not in page.outside
    (cell,) = {row[1] for row in page.rows if row[0] == "photo/beach-512x512-scale0.4-seed7"}
    flat = " ".join(words.split()).replace("\u202e", "\N{REPLACEMENT CHARACTER}")
    assert cell == f"prompt from Beach to {flat}"


def test_a_name_of_a_branch_is_escaped_too(folder: Folder, repo: Repository, call: Call) -> None:
    """git allows nearly everything in one."""
    repo.git("branch", "x|`<b>@you")
    told = against(call, folder, "--markdown", given="x|`<b>@you").out
    page = _Page(told)
    assert "b" not in page.tags
    assert "@" not in page.outside


def test_a_long_comment_is_cut_where_github_would(
    folder: Folder, repo: Repository, call: Call
) -> None:
    """At most 60 000 characters, every table and list whole, and what is cut is counted."""
    scales = ", ".join(f"0.{n}" for n in range(1000, 2000))
    words = "|" * 700
    folder.edit("[0.4, 0.7]", f"[0.4, {scales}]")
    folder.edit("[Beach, Snow]", f"[{{id: beach, text: '{words}'}}, Fog]")
    told = against(call, folder, "--markdown").out
    assert 30_000 < len(told) <= changes.LONGEST + 1
    assert told.count("<details>") == told.count("</details>") == 3
    assert told.count("`spark-batch plan --against … --all` lists them") == 1
    listed = sum(row[-1] == "0.03" for row in _Page(told).rows) - 1  # the changed one
    assert f"… and {2001 - listed} more;" in told
    assert told.rstrip().endswith("</details>")


def test_many_prompts_are_a_bounded_table(folder: Folder, repo: Repository, call: Call) -> None:
    """Twenty-five rows by prompt, and how many more there are."""
    folder.edit("[Beach, Snow]", str([f"Wave {n}" for n in range(60)]))
    told = against(call, folder, "--markdown").out
    assert "\n… and 37 more\n" in told


def test_without_a_key_and_a_checkpoint(folder: Folder, repo: Repository, call: Call) -> None:
    """What is paid in the output folder is asked there, and nothing is made."""
    before = repo.snapshot()
    told = call("plan", folder.recipe, "--against", "HEAD")
    assert (told.code, "4 kept" in told.out) == (0, True)
    assert repo.snapshot() == before


def test_the_marker_is_one_for_a_recipe(tmp_path: Path) -> None:
    """Two recipes of one pull request have two comments."""
    assert changes.marker("a") != changes.marker("b")


def test_what_moved_farthest_comes_first(folder: Folder, repo: Repository, call: Call) -> None:
    """In text, Markdown and JSON: replaced pictures by their distance, before what is new."""
    call("run", folder.recipe, "--sandbox")
    folder.edit("Beach", "{id: beach, text: Beach at night}")
    folder.edit("Snow]", "{id: snow, text: Deep snow everywhere}, Fog]")
    call("run", folder.recipe, "--sandbox", "--only", "prompt!=fog")
    found = document(call, folder)
    distances = {job["output"]: job["moved"] for job in found["jobs"] if job["moved"]}
    assert len(distances) == 4
    assert found["moved"] == {"pictures": 4, "unknown": 0}
    wanted = sorted(distances, key=lambda name: -distances[name])
    told = against(call, folder)
    assert told.code == 0
    lines = told.out.splitlines()
    assert [line.split("  ")[0].removeprefix("~ ") for line in lines[:4]] == wanted
    assert lines[0].split("  ")[1] == f"moved {distances[wanted[0]]:.2f}"
    assert lines[4].startswith("+ photo/fog-")
    summary = (
        "4 pictures made in the place of earlier ones, what moved farthest (from 0 to 1) first"
    )
    assert f"  {summary}" in lines
    page = _Page(against(call, folder, "--markdown").out)
    table = page.rows[page.rows.index(["picture", "moved", "what", "about USD"]) + 1 :]
    assert [row[0] for row in table[:4]] == wanted
    assert table[0][1] == f"{distances[wanted[0]]:.2f}"
    assert ["picture", "what", "about USD"] in page.rows  # of the new ones, which replace none


def test_a_flagged_picture_that_was_retried_is_compared_with_its_first_one(
    folder: Folder, repo: Repository, call: Call
) -> None:
    """The request is the same: it is kept, and its picture is another one."""
    folder.edit("seed: 7", "seed: -1")
    folder.edit("price:", "checks: [differs: 1]\nprice:")
    call("run", folder.recipe, "--sandbox")
    manifest = folder.path / "before.csv"
    manifest.write_bytes((folder.previews / "tiny.manifest.csv").read_bytes())
    ended = call("retry", folder.recipe, "--sandbox", "--only", "status=flagged,prompt=beach")
    assert ended.code == 0
    told = against(call, folder, given=manifest).out
    lines = [line for line in told.splitlines() if line.startswith("= ")]
    assert len(lines) == 2
    assert all(re.fullmatch(r"= photo/beach\S+  moved 0\.\d\d  made again", line) for line in lines)
    comment = against(call, folder, "--markdown", given=manifest).out
    assert "<summary>2 made again</summary>" in comment
    for kept in (folder.previews / ".spark-batch" / "kept").iterdir():
        kept.unlink()
    told = against(call, folder, given=manifest)
    assert told.code == 0
    assert told.out.count("  moved ?  made again") == 2
    assert "first; 2 of the earlier ones not here\n" in told.out


def test_a_job_of_another_model_differs_in_what_only_one_of_them_takes(
    folder: Folder, repo: Repository, call: Call
) -> None:
    """A field that one side does not send is null there."""
    text = folder.recipe.read_text().replace("[0.4, 0.7]", "0.4")
    text += "output: {name: '${input}/${prompt}'}\n"
    repo.commit(recipe_yaml=text)
    (folder.path / "mine.json").write_text(json.dumps(OWN))
    folder.recipe.write_text(text.replace("variants:", "model: mine.json\nvariants:"))
    folder.edit("scale: 0.4, size: 512x512, seed: 7", "size: 512x512")
    job, _ = document(call, folder)["jobs"]
    found = {change["field"]: (change["from"], change["to"]) for change in job["differences"]}
    assert found["model"] == ("spark_i2i_3_0", "mine_1")
    assert (found["scale"], found["seed"]) == ((0.4, None), (7, None))
    assert found["strength"] == (None, 0.6)


def test_a_model_of_ones_own_is_read_as_it_was(
    folder: Folder, repo: Repository, call: Call
) -> None:
    """Without its file each job would count as new."""
    folder.edit("scale: [0.4, 0.7], size: 512x512, seed: 7", "size: 512x512")
    folder.edit("variants:", "model: models/mine.json\nvariants:")
    path = folder.path / "models" / "mine.json"
    path.parent.mkdir()
    path.write_text(json.dumps(OWN))
    repo.git("add", "--all")
    repo.commit(recipe_yaml=folder.recipe.read_text())
    told = against(call, folder, given="HEAD")
    assert (told.code, told.err) == (ExitCode.DONE, "")
    assert "0 new, 0 changed, 2 kept" in told.out
    path.write_text(json.dumps(OWN).replace("0.6", "0.7"))
    assert "0 new, 2 changed, 0 kept" in against(call, folder, given="HEAD").out


def test_the_known_part_of_a_cost_is_said(folder: Folder, repo: Repository, call: Call) -> None:
    """One of two models has a price."""
    (folder.path / "mine.json").write_text(json.dumps(OWN))
    folder.edit("variants:", "model: [spark_i2i_3_0, mine.json]\nvariants:")
    folder.edit("price: 0.03", "price: {spark_i2i_3_0: 0.03}")
    folder.edit("[0.4, 0.7]", "[0.5, 0.6]")
    told = against(call, folder).out
    assert "expected 0.12 USD, not known for 2 jobs (give the recipe a price)" in told
