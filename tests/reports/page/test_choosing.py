"""The whole way of a new user: look, choose by keys, commit, deliver, re-roll, clean up."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from spark_batch import cli
from spark_batch.jobs.picks import Verdict, read_picks
from tests.cli.conftest import ROOT, start
from tests.reports.page.conftest import Open, Opened
from tests.repositories import Repository
from tests.stores import s3_server

# A verdict for each of the sixteen: five are picked, three rejected.
KEYS = "pupx uppx uuxp uuuu".replace(" ", "")
Call = Callable[..., str]


@pytest.fixture
def call(capfd: pytest.CaptureFixture[str], short_waits: None) -> Call:
    """The command line in this process; gives what it printed, and fails where it fails."""

    def run(*arguments: object) -> str:
        capfd.readouterr()
        code = cli.dispatch([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        assert code == 0, err
        return out

    return run


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """The quickstart in a git repository, with random seeds and small pictures."""
    repository = Repository(tmp_path)
    photos = tmp_path / "photos"
    photos.mkdir()
    for photo in (ROOT / "recipes" / "photos").glob("*.[jp][pn]g"):
        with Image.open(photo) as image:
            image.thumbnail((360, 240))
            image.save(photos / photo.name)
    text = (ROOT / "recipes" / "quickstart.yaml").read_text()
    for old, new in (
        ("seed: 7", "seed: -1"),
        ("size: 1:1", "size: 512x512"),
        ("dir: ../out/quickstart", "dir: out"),
        ("max_cost: 1.00", "max_cost: 1.00, submit_rate: 100"),
    ):
        assert old in text
        text = text.replace(old, new)
    path = tmp_path / "quickstart.yaml"
    path.write_text(text)
    (tmp_path / ".gitignore").write_text("out/\n")
    repository.git("init", "--quiet")
    repository.commit()
    return path


def focused_job(page: Page) -> str | None:
    """The job of the tile that has the focus."""
    found: str | None = page.evaluate("document.activeElement.dataset.job ?? null")
    return found


def choose_by_keys(page: Page) -> dict[str, str]:
    """Look at all pictures in their view and give the verdicts of KEYS; no mouse is used."""
    for _ in range(30):
        page.keyboard.press("Tab")
        if focused_job(page):
            break
    names = [focused_job(page)]
    page.keyboard.press("Enter")
    title = page.locator("#job-title")
    for number in range(2, 17):
        page.keyboard.press("ArrowRight")
        expect(page.locator("#job .place")).to_have_text(f"{number} of 16")
        names.append(title.inner_text())
    page.keyboard.press("Escape")
    expect(page.locator("[data-job]:focus")).to_have_attribute("data-job", names[-1])  # again
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    for name, key in zip(names, KEYS, strict=True):
        expect(title).to_have_text(name or "")
        page.keyboard.press(key)
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Escape")
    expect(page.locator("#picks")).to_contain_text("5 picked · 3 rejected")
    words = {"p": "pick", "x": "reject"}
    pairs = zip(names, KEYS, strict=True)
    return {name: words[key] for name, key in pairs if name is not None and key in words}


def verdicts(path: Path) -> dict[str, str]:
    return {pick.output: pick.verdict.value for pick in read_picks(path)}


def rows(recipe: Path) -> list[dict[str, str]]:
    text = (recipe.parent / "out" / "sandbox" / "quickstart.manifest.csv").read_text()
    return list(csv.DictReader(text.splitlines()))


def tile_of(opened: Opened, name: str) -> object:
    return opened.page.locator(f'#grid .tile[data-job="{name}"]')


def test_previews_are_chosen_committed_delivered_rerolled_and_pruned(
    open_page: Open, recipe: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then a run has nothing to do, and the page shows how each picture ended."""
    assert "16 jobs done" in call("run", recipe, "--sandbox")
    page = recipe.parent / "out" / "sandbox" / "quickstart.html"
    opened = open_page(page)
    chosen = choose_by_keys(opened.page)
    with opened.page.expect_download() as waiting:
        opened.page.keyboard.press("s")
    picks = recipe.parent / waiting.value.suggested_filename
    waiting.value.save_as(picks)
    assert verdicts(picks) == chosen
    repository = Repository(recipe.parent)
    repository.git("add", picks.name)
    repository.git("commit", "--quiet", "--message", "Picks")
    picked = {name for name, verdict in chosen.items() if verdict == "pick"}
    _deliver(recipe, call, monkeypatch, picked)

    assert "3 to create" in call("plan", recipe, "--sandbox", "--reroll")
    assert "3 jobs done" in call("run", recipe, "--sandbox", "--reroll")
    assert "3 pictures to delete" in call("prune", recipe, "--sandbox", "--rejected")
    assert "3 pictures deleted" in call("prune", recipe, "--sandbox", "--rejected", "--yes")
    for more in ((), ("--reroll",)):
        assert "nothing to do: 16 jobs done" in call("run", recipe, "--sandbox", *more)
    states = {row["output"].rpartition(".")[0]: row["status"] for row in rows(recipe)}
    pruned = {name for name, status in states.items() if status == "pruned"}
    assert pruned == chosen.keys() - picked
    assert repository.git("status", "--porcelain") == ""
    opened.page.reload()
    expect(opened.page.locator("#chip-pruned")).to_have_text("pruned 3")
    expect(opened.page.locator("#picks")).to_contain_text("5 picked · 3 rejected")
    expect(opened.page.locator("#picks-download")).to_have_count(0)


def _deliver(recipe: Path, call: Call, monkeypatch: pytest.MonkeyPatch, picked: set[str]) -> None:
    """Export to a folder and to S3: the recorded bytes, with a manifest, the same in both."""
    folder = recipe.parent.with_name(f"{recipe.parent.name}-delivered")
    with s3_server() as store:
        for name, value in store.environment.items():
            monkeypatch.setenv(name, value)
        for place in (folder, "s3://bucket/summer"):
            export = ("export", recipe, "--sandbox", "--picked", "--to", place)
            assert "5 pictures copied, 0 there already" in call(*export)
            assert "0 pictures copied, 5 there already" in call(*export)
        objects = {name.removeprefix("summer/"): data for name, data in store.objects().items()}
    files = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }
    assert files == objects
    listed = files.pop("quickstart.export.csv").decode()
    sums = {row["file"]: row["sha256"] for row in csv.DictReader(listed.splitlines())}
    assert sums == {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    recorded = {row["output"]: row["sha256"] for row in rows(recipe)}
    assert sums.items() <= recorded.items()
    assert {name.rpartition(".")[0] for name in sums} == picked


@contextmanager
def running(*arguments: object) -> Iterator[None]:
    """A command in a process of its own, which has to end well within the block's end."""
    process = start(*arguments)
    try:
        yield
        _, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()


def test_verdicts_are_given_in_a_review_while_a_run_goes_on(
    browser: Browser, recipe: Path, call: Call
) -> None:
    """Pictures come in by themselves, and no verdict is lost; the run's manifest has them."""
    from spark_batch import project

    call("run", recipe, "--sandbox", "--limit", "2")
    recipe.write_text(recipe.read_text().replace("submit_rate: 100", "submit_rate: 2"))
    context = browser.new_context()
    with project.review(project.load(recipe).recipe, sandbox=True) as served:
        page = context.new_page()
        page.set_default_timeout(120_000)
        page.goto(served.url)
        done = page.locator("#grid .tile.is-done")
        expect(done).to_have_count(2)
        with running("run", recipe, "--sandbox"):
            done.first.press("p")
            done.nth(1).press("x")
            expect(page.locator("#picks")).to_contain_text("Saved in quickstart.picks.csv")
            expect(done).to_have_count(16)
        done.last.press("p")
        expect(page.locator("#picks")).to_contain_text("2 picked · 1 rejected")
        expect(page.locator("#picks")).to_contain_text("Saved in quickstart.picks.csv")
    context.close()
    picks = read_picks(recipe.parent / "quickstart.picks.csv")
    assert sorted(pick.verdict for pick in picks) == [Verdict.PICK, Verdict.PICK, Verdict.REJECT]
    assert "nothing to do" in call("run", recipe, "--sandbox")
    assert {row["job"]: row["pick"] for row in rows(recipe) if row["pick"]} == {
        pick.job: pick.verdict.value for pick in picks
    }
