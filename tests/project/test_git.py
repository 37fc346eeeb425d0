"""git is asked, and only asked; whatever it lacks is told in one line."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from spark_batch import children
from spark_batch.errors import UsageError
from spark_batch.project import git, load
from spark_batch.project.bases import base
from spark_batch.project.compare import Change
from spark_batch.project.git import commit_of, repository
from tests.project.conftest import AT_NIGHT, RECIPE, compared, fault
from tests.repositories import Repository, a_repository, instead_of_git


def test_a_hooks_environment_is_not_heeded(
    repo: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hook names its own repository by GIT_DIR; the recipe's is another one."""
    other = a_repository(tmp_path / "other")
    monkeypatch.setenv("GIT_DIR", str(other.path / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other.path))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other.path / "nothing"))
    _, totals, _ = compared(repo, "main")
    assert totals.all.counts == {Change.KEPT: 4}


@pytest.mark.parametrize("form", ["main", "refs/heads/main", "HEAD", "v1", "{sha}", "{short}", "@"])
def test_every_way_to_name_a_commit(repo: Repository, form: str) -> None:
    """As git itself reads them, with annotated tags followed to their commit."""
    sha = repo.git("rev-parse", "HEAD")
    repo.git("tag", "--annotate", "--message", "one", "v1")
    given = form.format(sha=sha, short=sha[:9])
    assert base(load(repo.path / "recipe.yaml").recipe, given).commit == sha


def test_histories_without_a_common_commit(repo: Repository) -> None:
    """There is no merge base."""
    repo.git("checkout", "--quiet", "--orphan", "alone")
    repo.commit(recipe_yaml=AT_NIGHT)
    assert "have no commit in common" in fault(repo, "main...")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("mian", "there is no file, branch, tag or commit 'mian'; did you mean 'main'?"),
        ("next", "'next'; did you mean 'origin/next'?"),
        ("HEAD~7", "there is no file, branch, tag or commit 'HEAD~7'"),
        ("HEAD:recipe.yaml", "commit 'HEAD:recipe.yaml'"),
        ("--output=x", "commit '--output=x'"),
        ("", "commit ''"),
        ("...", "commit ''"),
        ("a\x1b[31m\nb", "commit 'a\N{REPLACEMENT CHARACTER}[31m b'"),
        ("nul\0", "commit"),
        ("x" * 10_000, "commit 'xxx"),
    ],
)
def test_names_of_nothing(repo: Repository, given: str, said: str) -> None:
    """One line, with what may have been meant."""
    repo.git("update-ref", "refs/remotes/origin/next", "HEAD")
    assert said in fault(repo, given)


def test_a_shallow_clone_is_told_how_to_be_whole(repo: Repository, tmp_path: Path) -> None:
    """As CI checks out by default: HEAD is there, and nothing else."""
    repo.git("tag", "before")
    repo.commit(recipe_yaml=AT_NIGHT)
    clone = Repository(tmp_path / "clone")
    repo.git("clone", "--quiet", "--depth=1", f"file://{repo.path}", str(clone.path))
    said = fault(clone, "HEAD~1")
    assert "this clone is shallow: fetch the whole history (`fetch-depth: 0`" in said
    # Where history is cut off nobody can tell what HEAD has: no word of what it lacks.
    clone.git("fetch", "--quiet", "--depth=1", "origin", "tag", "before")
    _, totals, notes = compared(clone, "before")
    assert (totals.all.counts, notes) == ({Change.CHANGED: 2, Change.KEPT: 2}, ())


def test_no_repository_and_no_git(
    repo: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each in one line that says what else can be given."""
    alone = Repository(tmp_path / "alone")
    alone.photo("photos/cat.jpg")
    alone.write("recipe.yaml", RECIPE)
    assert "neither it nor a folder above it has a .git" in fault(alone, "main")
    assert "it is not a work tree" in refusal(repo.path / ".git" / "info")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "needs the program git, which is not installed" in fault(repo, "main")


def refusal(folder: Path) -> str:
    """The line that says why there is no repository."""
    with pytest.raises(UsageError) as caught:
        repository(folder)
    return str(caught.value)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root gives away")
def test_a_repository_of_somebody_else(repo: Repository) -> None:
    """Git refuses it, and the line has the command that trusts it."""
    for path in (repo.path, repo.path / ".git"):
        os.chown(path, 12345, 12345)
    trusts = f"`git config --global --add safe.directory {repo.path}` trusts it"
    assert trusts in refusal(repo.path / "photos")


def test_an_empty_repository(tmp_path: Path) -> None:
    """HEAD names nothing yet."""
    fresh = a_repository(tmp_path / "fresh")
    fresh.photo("photos/cat.jpg")
    fresh.write("recipe.yaml", RECIPE)
    assert "commit 'HEAD'" in fault(fresh, "HEAD")


def test_a_git_that_hangs_is_ended(
    repo: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What reads the contents has a deadline of its own; a program that git started ends, too."""
    instead_of_git(tmp_path, monkeypatch, "cat-file", "sleep 60; exit 1")
    found = repository(repo.path)
    began = time.monotonic()
    with (
        found.blobs(seconds=0.2) as blobs,
        pytest.raises(UsageError, match="git cannot read the object abc"),
    ):
        blobs.read("abc")
    assert time.monotonic() - began < 30


def test_a_question_that_git_does_not_answer(
    repo: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that hangs."""
    instead_of_git(tmp_path, monkeypatch, "ls-tree", "sleep 60; exit 1")
    found = repository(repo.path, seconds=0.5)
    began = time.monotonic()
    with pytest.raises(UsageError, match=r"git ls-tree failed: it did not answer within 0\.5 sec"):
        found.tree("HEAD")
    assert time.monotonic() - began < 30


def test_a_tree_that_is_endless(repo: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """Folders that hold one another many times: a commit of some KB lists billions of files."""
    tree = repo.git("rev-parse", "HEAD^{tree}")
    for _ in range(12):
        listing = "".join(f"040000 tree {tree}\tfolder{number}\n" for number in range(10))
        tree = repo.git("mktree", stdin=listing)
    commit = repo.git("commit-tree", tree, "-m", "a bomb")
    monkeypatch.setattr(children, "MAX_BYTES", 1_000_000)
    assert "git ls-tree failed: it printed more than 1 MB" in fault(repo, commit)


def test_git_is_not_given_the_key(
    repo: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor any other secret, nor a variable that names a program or another repository."""
    seen = tmp_path / "seen"
    instead_of_git(tmp_path, monkeypatch, "rev-parse", f"env > {seen}; exit 1")
    secret = {"SPARK_API_KEY", "GITHUB_TOKEN", "GIT_SSH_COMMAND", "GIT_DIR", "GIT_EXTERNAL_DIFF"}
    secret |= {"GIT_CONFIG_PARAMETERS", "GIT_TRACE", "SSH_AUTH_SOCK", "SSH_ASKPASS", "LD_PRELOAD"}
    for name in secret:
        monkeypatch.setenv(name, "" if name == "LD_PRELOAD" else f"canary {name}")
    fault(repo, "main")
    assert "canary" not in seen.read_text()
    assert {"GIT_TERMINAL_PROMPT=0", "GIT_NO_LAZY_FETCH=1"} <= set(seen.read_text().splitlines())


@pytest.mark.parametrize("entry", ["", ".", "bin", "{repo}/node_modules/.bin"])
def test_git_is_not_taken_from_the_repository(
    repo: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, entry: str
) -> None:
    """Nor from the current folder, whatever PATH says: a stranger may have brought the file."""
    ran = tmp_path / "ran"
    elsewhere = Repository(tmp_path / "elsewhere")
    for place in (repo, elsewhere):
        for folder in (".", "bin", "node_modules/.bin"):
            place.write(f"{folder}/git", f"#!/bin/sh\ntouch {ran}\n").chmod(0o755)
    monkeypatch.setenv("PATH", f"{entry.format(repo=repo.path)}{os.pathsep}{os.environ['PATH']}")
    for place in (repo, elsewhere):
        monkeypatch.chdir(place.path)
        assert commit_of(repo.path / "recipe.yaml") is not None
    assert not ran.exists()


def test_an_object_that_is_missing(repo: Repository) -> None:
    """A damaged clone is one line."""
    name = repo.git("rev-parse", "HEAD:photos/cat.jpg")
    (repo.path / ".git" / "objects" / name[:2] / name[2:]).unlink()
    assert f"git cannot read the object {name}" in fault(repo, "main")


# What a stranger's repository may try, as settings of its configuration; {run} is a command.
_FILTER = {"filter.x.clean": "{run}; cat", "filter.x.process": "{run}", "filter.x.required": "true"}
_PARTIAL = {
    "core.repositoryFormatVersion": "1",
    "extensions.partialClone": "origin",
    "remote.origin.promisor": "true",
    "protocol.allow": "always",
    **{f"protocol.{name}.allow": "always" for name in ("ext", "file", "git", "ssh", "http")},
}
ATTACKS = {
    "filter": _FILTER,
    "fsmonitor": {"core.fsmonitor": "{run}"},
    "hooks": {"core.hooksPath": "{hooks}"},
    "textconv": {"diff.x.textconv": "{run}; cat", "diff.x.command": "{run}"},
    "external diff": {"diff.external": "{run}"},
    "pager": {"core.pager": "{run}", "pager.rev-parse": "{run}", "core.editor": "{run}"},
    "aliases": {
        f"alias.{name}": "!{run}" for name in ("rev-parse", "cat-file", "ls-tree", "status")
    },
    "lazy fetch, upload-pack": {
        **_PARTIAL,
        "remote.origin.url": ".",
        "remote.origin.uploadpack": "{run}; git-upload-pack",
    },
    "lazy fetch, ssh": {
        **_PARTIAL,
        "remote.origin.url": "ssh://example.invalid/x",
        "core.sshCommand": "{run};",
    },
    "lazy fetch, ext": {**_PARTIAL, "remote.origin.url": "ext::sh -c {quoted}"},
    "lazy fetch, remote helper": {
        **_PARTIAL,
        "remote.origin.vcs": "ext",
        "remote.origin.url": "sh -c {quoted}",
    },
    "lazy fetch, proxy": {
        **_PARTIAL,
        "remote.origin.url": "git://example.invalid/x",
        "core.gitProxy": "{program}",
    },
}


@dataclass(frozen=True)
class Stranger:
    """Files outside of the repository by which an attack is known to have run."""

    folder: Path

    @property
    def ran(self) -> Path:
        return self.folder / "ran"

    def lay(self) -> None:
        """Write the program, and hooks of every name that a reading git may call."""
        self.folder.mkdir()
        self._write("program")
        for name in ("post-index-change", "reference-transaction", "pre-auto-gc", "post-checkout"):
            self._write(name)

    def configure(self, git_dir: Path, settings: dict[str, str]) -> None:
        """Set these in a repository's configuration."""
        program = str(self.folder / "program")
        texts = {"run": program, "program": program, "hooks": str(self.folder)}
        quoted = program.replace("%", "%%").replace(" ", "% ")
        for key, text in settings.items():
            value = text.format(**texts, quoted=quoted)
            Repository(self.folder).git("config", "--file", str(git_dir / "config"), key, value)

    def _write(self, name: str) -> None:
        path = self.folder / name
        path.write_text(f"#!/bin/sh\nenv >> {self.ran}\n")
        path.chmod(0o755)


@pytest.fixture
def stranger(tmp_path: Path) -> Stranger:
    made = Stranger(tmp_path / "stranger")
    made.lay()
    return made


def _in_the_repository(repo: Repository) -> Path:
    return repo.path / ".git"


def _in_an_included_file(repo: Repository) -> Path:
    """A file of the branch, which the user once let the configuration include."""
    repo.git("config", "include.path", "../team/config")
    (repo.path / "team").mkdir()
    return repo.path / "team"


def _other_repository(repo: Repository) -> Path:
    """Another repository's `.git`, whose work tree is the recipe's folder and has no photo."""
    other = a_repository(repo.path.parent / "other")
    other.write(".gitattributes", (repo.path / ".gitattributes").read_text())
    other.commit(recipe_yaml=(repo.path / "recipes/recipe.yaml").read_text())
    (other.path / ".git" / "index").touch()
    return other.path / ".git"


def _in_a_bare_repository(repo: Repository) -> Path:
    """The recipe's folder has the files of a repository, as any branch can bring them."""
    shutil.copytree(_other_repository(repo), repo.path / "recipes", dirs_exist_ok=True)
    repo.git("config", "--file", "recipes/config", "core.worktree", ".")
    return repo.path / "recipes"


def _in_a_repository_inside(repo: Repository) -> Path:
    """A cache or an archive can bring a `.git`, where a branch cannot."""
    shutil.copytree(_other_repository(repo), repo.path / "recipes" / ".git")
    return repo.path / "recipes" / ".git"


def _behind_a_git_file(repo: Repository) -> Path:
    shutil.copytree(_other_repository(repo), repo.path / "elsewhere")
    repo.write("recipes/.git", "gitdir: ../elsewhere\n")
    return repo.path / "elsewhere"


def _behind_a_link(repo: Repository) -> Path:
    shutil.copytree(_other_repository(repo), repo.path / "elsewhere")
    (repo.path / "recipes" / ".git").symlink_to("../elsewhere")
    return repo.path / "elsewhere"


PLACES = [
    _in_the_repository,
    _in_an_included_file,
    _in_a_bare_repository,
    _in_a_repository_inside,
    _behind_a_git_file,
    _behind_a_link,
]


def _attacked(
    repo: Repository, place: Callable[[Repository], Path], stranger: Stranger, attack: str
) -> Path:
    """The recipe in the repository, once the attack is laid."""
    repo.write(".gitattributes", "* filter=x diff=x\n")
    repo.commit(recipes__recipe_yaml=RECIPE.replace("photos/", "../photos/"))
    lacking = [
        repo.git("rev-parse", f"HEAD:{name}")
        for name in ("photos/cat.jpg", "photos/dog.jpg", "recipes/recipe.yaml")
    ]
    git_dir = place(repo)
    stranger.configure(git_dir, ATTACKS[attack])
    objects = git_dir / "objects"
    for name in lacking:  # what a partial clone lacks is fetched
        store = objects if objects.is_dir() else repo.path / ".git" / "objects"
        (store / name[:2] / name[2:]).unlink(missing_ok=True)
    recipe = repo.path / "recipes" / "recipe.yaml"
    os.utime(recipe, (1, 1))  # what has another time than in the index is filtered again
    return recipe


def _used(repo: Repository, recipe: Path) -> None:
    """All that git is asked in a run and in a plan."""
    commit_of(recipe)
    for given in ("HEAD", "HEAD...", "no such name"):
        with contextlib.suppress(UsageError):
            compared(repo, given, "recipes/recipe.yaml")


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("place", PLACES)
def test_git_runs_no_program_of_a_strangers(
    repo: Repository, stranger: Stranger, place: Callable[[Repository], Path], attack: str
) -> None:
    """Neither when a run notes the commit nor for `plan --against`, wherever it is configured."""
    _used(repo, _attacked(repo, place, stranger, attack))
    assert not stranger.ran.exists()


@pytest.mark.parametrize("attack", [name for name in ATTACKS if name.startswith("lazy")])
def test_nothing_is_fetched_by_an_older_git(
    repo: Repository, stranger: Stranger, monkeypatch: pytest.MonkeyPatch, attack: str
) -> None:
    """One that knows neither GIT_NO_LAZY_FETCH nor safe.bareRepository: no protocol is allowed."""
    monkeypatch.delitem(git._VARIABLES, "GIT_NO_LAZY_FETCH")
    monkeypatch.delitem(git._SETTINGS, "safe.bareRepository")
    _used(repo, _attacked(repo, _in_the_repository, stranger, attack))
    assert not stranger.ran.exists()


def test_a_bare_repository_in_the_recipes_folder_is_passed_over(
    repo: Repository, stranger: Stranger
) -> None:
    """The commit is the one of the repository that has the recipe."""
    recipe = _attacked(repo, _in_a_bare_repository, stranger, "filter")
    assert commit_of(recipe) == repo.git("rev-parse", "HEAD")
    _, totals, notes = compared(repo, "HEAD", "recipes/recipe.yaml")
    assert (totals.all.counts, notes) == ({Change.KEPT: 4}, ())


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"core.worktree": "/"}, "is for the work tree /"),
        ({"core.worktree": "../../elsewhere"}, "git finds no repository at"),
        ({"core.bare": "true"}, "this operation must be run in a work tree"),
        ({"include.path": "/dev/zero"}, "git finds no repository at"),
        ({"core.repositoryFormatVersion": "99"}, "Expected git repo version"),
    ],
)
def test_a_git_folder_that_is_not_for_its_work_tree(
    repo: Repository, stranger: Stranger, settings: dict[str, str], said: str
) -> None:
    """It is refused; git is not let look further up, at another repository."""
    inside = repo.path / "recipes"
    shutil.copytree(repo.path / ".git", inside / ".git")
    stranger.configure(inside / ".git", settings)
    assert said in refusal(inside)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "invalid gitfile format"),
        ("gitdir: nowhere\n", "not a git repository"),
        ("gitdir: ../photos\n", "not a git repository"),
        (None, "not a git repository"),
    ],
)
def test_a_damaged_git_folder_is_not_passed_over(
    repo: Repository, content: str | None, said: str
) -> None:
    """An empty folder, or a file that leads to none: when in doubt there is no commit."""
    if content is None:
        (repo.path / "recipes" / ".git").mkdir(parents=True)
    else:
        repo.write("recipes/.git", content)
    assert said in refusal(repo.path / "recipes")


def test_worktrees_submodules_and_folders_of_git_elsewhere(
    repo: Repository, tmp_path: Path
) -> None:
    """Each of git's own ways to keep a `.git` somewhere else is a repository."""
    head = repo.git("rev-parse", "HEAD")
    repo.git("worktree", "add", "--quiet", "--detach", str(tmp_path / "tree"))
    repo.git("clone", "--quiet", "--separate-git-dir=../store", ".", str(tmp_path / "clone"))
    outer = a_repository(tmp_path / "outer")
    allowed = ("-c", "protocol.file.allow=always")
    outer.git(*allowed, "submodule", "--quiet", "add", str(repo.path), "sub")
    (tmp_path / "link").symlink_to(repo.path)
    for folder in ("tree", "clone", "outer/sub", "link"):
        assert commit_of(tmp_path / folder / "recipe.yaml") == head
        found = Repository(tmp_path / folder)
        assert compared(found, "HEAD")[1].all.counts == {Change.KEPT: 4}
