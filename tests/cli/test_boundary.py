"""What a recipe of somebody else may name, and what of it is shown."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from spark_batch.errors import ExitCode
from tests.cli.conftest import ROOT, Call, Ended, Folder

KEY = "canary-0123456789abcdef"
ENV = f"OTHER=other-secret\nSPARK_API_KEY={KEY}\n"
FORMS = ["text", "json", "github"]


@pytest.fixture
def shop(tmp_path: Path, folder: Folder) -> Folder:
    """The recipe in a git repository, with a picture and a file of secrets beside it."""
    repo = tmp_path / "shop"
    (repo / ".git").mkdir(parents=True)
    (repo / "recipes").mkdir()
    for name in ("recipe.yaml", "photo.jpg"):
        shutil.move(folder.path / name, repo / "recipes" / name)
    (tmp_path / "outside").mkdir()
    Image.new("RGB", (64, 64), (9, 9, 9)).save(tmp_path / "outside" / "far.jpg", "JPEG")
    (tmp_path / "outside" / "notes.yaml").write_text(ENV)
    return Folder(repo / "recipes")


@pytest.fixture
def in_actions(call: Call, monkeypatch: pytest.MonkeyPatch) -> Call:
    """The command line in this process, in GitHub Actions, with the key."""
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("SPARK_API_KEY", KEY)
    return call


def process(*arguments: object) -> Ended:
    """The command line in a process of its own, which has had its environment from the start."""
    done = subprocess.run(
        [sys.executable, "-m", "spark_batch", *map(str, arguments)],
        cwd=ROOT,
        env=os.environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=60,
    )
    return Ended(done.returncode, done.stdout.decode(), done.stderr.decode())


SOURCES = [
    pytest.param(".env", id="a file of secrets in the repository"),
    pytest.param("../outside/notes.yaml", id="a file outside"),
    pytest.param("/proc/self/environ", id="the environment"),
]


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("allowed", [False, True], ids=["", "allow-outside"])
def test_a_recipe_that_is_a_link_shows_nothing(
    shop: Folder, in_actions: Call, source: str, form: str, *, allowed: bool
) -> None:
    """Neither the key nor another secret; with --allow-outside the key is still blotted out."""
    root = shop.path.parent
    (root / ".env").write_text(ENV)
    (shop.path / "evil.yaml").symlink_to(root / source)
    flag = ["--allow-outside"] if allowed else []
    recipe = shop.path / "evil.yaml"
    run = process if "environ" in source else in_actions
    ended = run("validate", recipe, "--format", form, *flag)
    assert (ended.code, KEY in ended.out + ended.err) == (ExitCode.WRONG, False), ended
    if not allowed or "notes" not in source:
        assert "other-secret" not in ended.out + ended.err
        assert "leads to" in ended.out + ended.err


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("name", ["table.csv", "table.jsonl"])
@pytest.mark.parametrize("form", FORMS)
def test_a_table_that_is_a_link_shows_nothing(
    shop: Folder, in_actions: Call, source: str, name: str, form: str
) -> None:
    """Its lines are in errors and annotations as a recipe's are."""
    root = shop.path.parent
    (root / ".env").write_text(ENV)
    (shop.path / name).symlink_to(root / source)
    shop.edit("price: 0.03", f"price: 0.03\nrows: {name}")
    run = process if "environ" in source else in_actions
    ended = run("validate", shop.recipe, "--format", form)
    shown = ended.out + ended.err
    assert (ended.code, KEY in shown, "other-secret" in shown) == (ExitCode.WRONG, False, False)
    assert "leads to" in shown


@pytest.mark.parametrize(
    "name",
    [
        *(".ENV", ".envrc", ".env~", "prod.env", "env", "id_rsa", "server.pem"),
        *(".aws/credentials", ".ssh/config.yaml", "gha-creds-1.yaml", "secrets.yml", ".hidden.csv"),
    ],
)
@pytest.mark.parametrize("link", ["evil.yaml", "table.csv"])
def test_no_link_shows_a_file_of_another_kind(
    shop: Folder, call: Call, name: str, link: str
) -> None:
    """A file that git does not know, such as one of secrets, stands in the repository as well."""
    target = shop.path.parent / name
    target.parent.mkdir(exist_ok=True)
    target.write_text("a: other-secret\nb other-secret\n")
    (shop.path / link).symlink_to(target)
    if link == "table.csv":
        shop.edit("price: 0.03", "price: 0.03\nrows: table.csv")
    ended = call("validate", shop.recipe if link == "table.csv" else shop.path / link)
    assert (ended.code, "other-secret" in ended.out + ended.err) == (ExitCode.WRONG, False)
    assert "may hold secrets" in ended.out + ended.err


@pytest.mark.parametrize("link", ["latest.yaml", "latest.yml"])
def test_a_recipe_may_be_a_link_to_another(shop: Folder, call: Call, link: str) -> None:
    """Also as Kubernetes mounts files: through a folder whose name begins with a dot."""
    (shop.path / link).symlink_to(shop.recipe)
    assert call("plan", shop.path / link, "--sandbox").code == ExitCode.DONE
    (shop.path / "..data").mkdir()
    shop.recipe.rename(shop.path / "..data" / "recipe.yaml")
    shop.recipe.symlink_to("..data/recipe.yaml")
    assert call("plan", shop.recipe, "--sandbox").code == ExitCode.DONE


@pytest.mark.parametrize("name", [".git", ".git/hooks", ".GIT", "linked", "linked/refs"])
def test_nothing_is_written_into_gits_own_folder(shop: Folder, call: Call, name: str) -> None:
    """It holds configuration and hooks; no flag allows it."""
    (shop.path / "linked").symlink_to("../.git", target_is_directory=True)
    there = name if name.startswith("linked") else f"../{name}"
    shop.edit("price: 0.03", f"price: 0.03\noutput: {{dir: {there}}}")
    for flag in ([], ["--allow-outside"]):
        ended = call("run", shop.recipe, "--sandbox", *flag)
        assert "inside a .git folder" in ended.err
        assert ended.code == ExitCode.WRONG
    assert not list((shop.path.parent / ".git").iterdir())


def test_a_picture_of_git_annex_is_read(shop: Folder, call: Call) -> None:
    """It keeps them in git's own folder, and links in the work tree."""
    objects = shop.path.parent / ".git" / "annex" / "objects"
    objects.mkdir(parents=True)
    (shop.path / "photo.jpg").rename(objects / "key.jpg")
    (shop.path / "photo.jpg").symlink_to("../.git/annex/objects/key.jpg")
    assert call("plan", shop.recipe, "--sandbox").code == ExitCode.DONE


@pytest.mark.parametrize(
    "entry",
    ["link.jpg", "*link.jpg", "folder/far.jpg", "../../outside/far.jpg", "../../outside/*.jpg"],
)
def test_a_picture_outside_of_the_repository_is_not_sent(
    shop: Folder, call: Call, entry: str
) -> None:
    """By a link or by its path; a person may allow it."""
    far = shop.path.parent.parent / "outside"
    (shop.path / "link.jpg").symlink_to(far / "far.jpg")
    (shop.path / "folder").symlink_to(far, target_is_directory=True)
    shop.edit("[photo.jpg]", f"['{entry}']")
    ended = call("plan", shop.recipe, "--sandbox")
    assert (ended.code, "outside of the repository" in ended.err) == (ExitCode.WRONG, True)
    assert call("plan", shop.recipe, "--sandbox", "--allow-outside").code == ExitCode.DONE
    assert call("plan", shop.recipe, "--sandbox").code == ExitCode.WRONG  # not for ever


def test_a_picture_elsewhere_in_the_repository_is_one(shop: Folder, call: Call) -> None:
    """By its path, by a link, and by an absolute path."""
    root = shop.path.parent
    (root / "photos").mkdir()
    shutil.copy(shop.path / "photo.jpg", root / "photos" / "a.jpg")
    (root / "photos" / "b.jpg").symlink_to("a.jpg")
    shop.edit("[photo.jpg]", f"[../photos/a.jpg, '{root}/photos/b.jpg']")
    ended = call("plan", shop.recipe, "--sandbox")
    assert ended.code == ExitCode.DONE, ended.err


@pytest.mark.parametrize(
    "text",
    [
        "",
        "output: {dir: linked}",
        "output: {dir: linked/..}",
        "output: {dir: ../..}",
        "output: {dir: ../../far}",
    ],
)
def test_an_output_folder_outside_of_the_repository(shop: Folder, call: Call, text: str) -> None:
    """The default one may be a link as well."""
    outside = shop.path.parent.parent / "outside"
    for name in ("out", "linked"):
        (shop.path / name).symlink_to(outside, target_is_directory=True)
    shop.edit("price: 0.03", f"price: 0.03\n{text}")
    before = sorted(outside.parent.rglob("*"))
    ended = call("run", shop.recipe, "--sandbox")
    assert (ended.code, "output" in ended.err) == (ExitCode.WRONG, True), ended.err
    assert sorted(outside.parent.rglob("*")) == before
    assert call("rescue", shop.recipe, "--sandbox", "--allow-outside").code == ExitCode.DONE


def test_without_a_repository_paths_are_free_and_links_are_not(folder: Folder, call: Call) -> None:
    """Whoever names a folder of photos by its path means it."""
    (folder.path / "work").mkdir()
    (folder.path / "photos").mkdir()
    shutil.copy(folder.path / "photo.jpg", folder.path / "photos" / "far.jpg")
    (folder.path / "work" / "link.jpg").symlink_to(folder.path / "photos" / "far.jpg")
    text = folder.recipe.read_text()
    recipe = folder.path / "work" / "recipe.yaml"
    recipe.write_text(text.replace("photo.jpg", f"{folder.path}/photos/*.jpg"))
    assert call("plan", recipe, "--sandbox").code == ExitCode.DONE
    recipe.write_text(text.replace("photo.jpg", "link.jpg"))
    ended = call("plan", recipe, "--sandbox")
    assert (ended.code, "leads out of the folder" in ended.err) == (ExitCode.WRONG, True)


@pytest.mark.parametrize("path", ["/proc/self/environ", "/dev/stdin", "/dev/null"])
def test_no_flag_allows_files_of_the_system(folder: Folder, call: Call, path: str) -> None:
    """As a recipe, a table or a picture."""
    if not Path(path).exists():
        pytest.skip(f"there is no {path}")
    assert call("validate", path, "--allow-outside").code == ExitCode.WRONG
    folder.edit("[photo.jpg]", f"['{path}']")
    assert call("validate", folder.recipe, "--allow-outside").code == ExitCode.WRONG


HOSTILE = "\x1b[31mred\x1b[0m \u202etxt\u2066 \x07 \x9b2J"


@pytest.mark.skipif(sys.platform == "win32", reason="its names have no such characters")
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.usefixtures("in_actions")
def test_names_from_outside_steer_nothing(folder: Folder, form: str) -> None:
    """No control character and no workflow command gets out, whatever a file is called."""
    name = f"{HOSTILE}\n::error::owned\n ::add-mask::x\n##[error]owned\r.yaml"
    (folder.path / name).write_text("version: 1\n")
    ended = process("validate", folder.path / name, "--format", form)
    shown = ended.out + ended.err
    assert ended.code == ExitCode.WRONG
    assert not [sign for sign in "\x1b\x07\r\x9b\u202e\u2066" if sign in shown]
    commands = [line for line in shown.splitlines() if line.lstrip().startswith("::")]
    assert all(line.startswith("::error file=") for line in commands), commands
    assert bool(commands) is (form == "github")
    if form == "json":
        assert json.loads(ended.out)["recipes"][0]["file"].endswith(name)


@pytest.mark.skipif(sys.platform == "win32", reason="its names have no such characters")
@pytest.mark.usefixtures("in_actions")
def test_click_repeats_no_control_character(folder: Folder) -> None:
    """An argument that click complains about is somebody's text, too."""
    ended = process("status", folder.recipe, "\x1b[2J\n::error::owned")
    assert ended.code == ExitCode.WRONG
    assert "\x1b" not in ended.err
    assert not [line for line in ended.err.splitlines() if line.lstrip().startswith("::")]


@pytest.mark.parametrize(
    "command",
    [
        ("run", "RECIPE", "--sandbox", "--events", ".git/events.jsonl"),
        ("plan", "RECIPE", "--sandbox", "--out", ".git/plan.json"),
        ("export", "RECIPE", "--sandbox", "--to", ".git/exp"),
        ("init", ".git/hooks2"),
    ],
    ids=["events", "plan", "export", "init"],
)
def test_no_command_writes_into_gits_own_folder(
    shop: Folder, call: Call, command: tuple[str, ...]
) -> None:
    (root,) = [path for path in (shop.path, *shop.path.parents) if (path / ".git").exists()]
    call("run", shop.recipe, "--sandbox", "--limit", "1")
    before = sorted((root / ".git").rglob("*"))
    places = {"RECIPE": str(shop.recipe)}
    given = [places.get(part, str(root / part) if ".git" in part else part) for part in command]
    ended = call(*given)
    assert (ended.code, "inside a .git folder" in ended.err) == (ExitCode.WRONG, True), ended
    assert sorted((root / ".git").rglob("*")) == before
