"""What the branch of a stranger may bring: each attack is laid into the files of a repository.

An attack is one of two kinds. What a workflow passes over has no refusal. What stops the workflow
has the words of the refusal: a stranger who reads them pushes again without it.
"""

from __future__ import annotations

import shutil
import sqlite3
import struct
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from PIL import Image

from spark_batch.checkpoint import Checkpoint
from tests.ci.cloud import git
from tests.makers import a_job, a_picture, a_result

FOLDER = "shop"  # of the recipe; a repository's own folder cannot be made a bare repository
RECIPE = """\
version: 1
name: shop
inputs: [photo.jpg]
prompts: [Make it snow, Make it rain]
variants: {scale: 0.5, size: 512x512, seed: [7, 8]}
price: 0.03
run: {max_cost: 0.15, submit_rate: 100, concurrency: 1}
"""
# For every shell, and as the name of a file or branch.
SHELL = "$(touch${IFS}owned)`touch${IFS}owned`;touch${IFS}owned"
_NAMES = (SHELL, "::error::owned", "a\n::error::owned", "\x1b[2Jowned", "-rf", "a&b|c>owned")


@dataclass(frozen=True)
class Lair:
    """A stranger's clone of the repository, and what the attacks are aimed at.

    `outside` is a folder that nothing may be written to, `owned` a file that any code of the
    branch makes, `address` a server of the stranger's.
    """

    repository: Path
    outside: Path
    owned: Path
    address: str

    @property
    def folder(self) -> Path:
        return self.repository / FOLDER

    @property
    def recipe(self) -> Path:
        return self.folder / "recipe.yaml"

    def write(self, name: str, text: str) -> Path:
        """Write a file below the repository; gives its path."""
        path = self.repository / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def edit(self, old: str, new: str) -> None:
        text = self.recipe.read_text()
        assert old in text
        self.recipe.write_text(text.replace(old, new))

    def link(self, name: str, target: Path) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.symlink_to(target)


@dataclass(frozen=True)
class Attack:
    """One thing that a branch brings; `refusal` is a regular expression for what is said of it."""

    name: str
    lay: Callable[[Lair], None]
    refusal: str = ""


def _bare_repository(lair: Lair) -> None:
    """The recipe's folder is a repository whose configuration names programs.

    Its index has the recipe as it is, but for its time, so that a status runs the filter; it lacks
    the recipe's content, so that a comparison fetches it. The program stands where it is found from
    every folder that git may start it in.
    """
    program = lair.outside.parent / "program"
    program.write_text(f"#!/bin/sh\nenv >> '{lair.owned}'\n")
    program.chmod(0o755)
    for hook in ("post-index-change", "reference-transaction"):
        shutil.copy(program, lair.folder / hook)
    lair.write(f"{FOLDER}/.gitattributes", "* filter=x\n")
    scratch = lair.outside.parent / "scratch"
    scratch.mkdir()
    text = RECIPE if lair.recipe.is_symlink() else lair.recipe.read_text()
    (scratch / "recipe.yaml").write_text(text)
    for command in (("init", "-q", "-b", "main"), ("add", "."), ("commit", "-q", "-m", "a")):
        git(*command, cwd=scratch)
    git("update-ref", "refs/remotes/origin/main", "HEAD", cwd=scratch)
    for setting in (
        f"filter.x.clean={program}; cat",
        f"core.fsmonitor={program}",
        "core.hooksPath=.",
        f"core.sshCommand={program}",
        "core.repositoryFormatVersion=1",
        "core.worktree=.",
        "extensions.partialClone=origin",
        "remote.origin.promisor=true",
        "remote.origin.url=.",
        f"remote.origin.uploadpack={program}; git-upload-pack",
        "protocol.allow=always",
    ):
        name, _, value = setting.partition("=")
        git("config", "--file", ".git/config", name, value, cwd=scratch)
    blob = git("hash-object", "recipe.yaml", cwd=scratch)
    (scratch / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    for name in ("HEAD", "config", "index"):
        shutil.copy(scratch / ".git" / name, lair.folder / name)
    for name in ("objects", "refs"):
        shutil.copytree(scratch / ".git" / name, lair.folder / name)
    shutil.rmtree(scratch)


def _code(lair: Lair) -> None:
    """Modules and programs that python, pip, a shell or the command could take from here."""
    code = f"import pathlib; pathlib.Path({str(lair.owned)!r}).touch()\n"
    modules = ("pip", "sitecustomize", "usercustomize", "click", "json", "conftest")
    for folder in ("", f"{FOLDER}/"):
        for module in modules:
            lair.write(f"{folder}{module}.py", code)
        lair.write(f"{folder}spark_batch/__init__.py", code)
        for program in ("git", "python", "spark-batch", "sort", "tesseract", "git-lfs"):
            text = f"#!/bin/sh\nenv >> '{lair.owned}'\n"
            lair.write(f"{folder}{program}", text).chmod(0o755)
        lair.write(f"{folder}.env", f"SPARK_BASE_URL={lair.address}\nSPARK_PROXY={lair.address}\n")
        lair.write(f"{folder}.netrc", "default login a password b\n")
        lair.write(f"{folder}pip.conf", f"[global]\nindex-url = {lair.address}\n")
    lair.write("plan.md", "not a plan")


def _names(lair: Lair) -> None:
    """Names of pictures and texts of prompts that a shell or the runner could read."""
    folder = lair.folder / "names"
    folder.mkdir()
    for number, name in enumerate(_NAMES):
        Image.new("RGB", (96, 64), (200, 20 * number, 40)).save(folder / f"{name}.jpg", "JPEG")
    lair.edit("[photo.jpg]", "[photo.jpg, 'names/*.jpg']")
    # A secret or token is not filled in, wherever GitHub's own notation stands.
    commands = r'"\n::error::owned\n::add-mask::a", "##[error]owned ${{ secrets.SPARK_API_KEY }}"'
    prompts = f"{commands}, '{SHELL}'".replace("$", "$$")
    lair.edit("prompts: [", f"prompts: [{prompts}, ")


def _books_beside(lair: Lair) -> None:
    """Manifests of other recipes, in folders beside the output folder."""
    lair.write(f"{FOLDER}/out/other/other.manifest.csv", "job,status,cost_usd\nx,done,-1000\n")
    lair.write(f"{FOLDER}/out/third/third.manifest.csv", ("a," * 20_000) + "\n")


def _greed(lair: Lair) -> None:
    """More pictures than the limit allows."""
    lair.edit("seed: [7, 8]", f"seed: {list(range(1, 20))}")


def checkpoint(output_dir: Path, name: str, script: str = "") -> None:
    """A checkpoint of the recipe that has a job paid back with a thousand USD, and a script run."""
    path = output_dir / ".spark-batch" / f"{name}.checkpoint"
    path.parent.mkdir(parents=True, exist_ok=True)
    job = a_job()._replace(recipe="shop")
    with Checkpoint.open(path) as made, made.transaction():
        made.sync_jobs([job])
        attempt = made.begin_attempt(job.key, number=1, reserved=Decimal("0.03"), api="sandbox")
        made.submitted(attempt, "task-1")
        made.fetching(attempt, a_result())
        made.done(attempt, a_picture(), {job.output: f"{job.output}.jpg"}, received="0" * 64)
    database = sqlite3.connect(path)
    database.executescript(f"UPDATE attempt SET cost = '-1000'; {script}")
    database.close()
    path.with_name(path.name + ".lock").unlink()


def journal(database: bytes, page: int = 4096) -> bytes:
    """A journal by which SQLite makes the database beside it this one (fileformat2.html, 3)."""
    magic = bytes.fromhex("d9d505f920a163d7")
    count = len(database) // page
    nonce, sector = 1, 512
    whole = struct.pack(">8sIIIII", magic, 0xFFFFFFFF, nonce, count, sector, page)
    written = whole.ljust(sector, b"\0")
    for number in range(count):
        content = database[number * page : (number + 1) * page]
        checksum = nonce + sum(content[page - 200 : 0 : -200])
        written += struct.pack(">I", number + 1) + content + struct.pack(">I", checksum)
    return written


def _journal(lair: Lair) -> None:
    """What is restored, the true books, would be rolled back to one that nothing is paid for in."""
    scratch = lair.outside.parent / "scratch.checkpoint"
    Checkpoint.open(scratch).close()
    path = lair.folder / "out" / "shop" / ".spark-batch" / "shop.checkpoint-journal"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(journal(scratch.read_bytes()))


def _hostile_checkpoints(lair: Lair) -> None:
    """Of the recipe, of a shard and of another recipe: each has everything paid for again."""
    out = lair.folder / "out"
    checkpoint(out / "shop", "shop")
    column = """ALTER TABLE attempt ADD COLUMN "state = 'failed', number" TEXT"""
    checkpoint(out / "shop", "shop.shard-1-of-1", column)
    trigger = "CREATE TRIGGER owned AFTER INSERT ON attempt BEGIN UPDATE attempt SET cost = -1000;"
    checkpoint(out / "other", "other", f"{trigger} END")


def _hostile_manifest(lair: Lair) -> None:
    """Of an unknown job, which is paid back a thousand USD and has a picture far away."""
    cells = {
        "job": "0123456789abcdef",
        "status": "done",
        "recipe": "shop",
        "input": "photo",
        "prompt_id": "beach",
        "prompt": "Beach",
        "scale": "0.5",
        "seed": "7",
        "take": "1",
        **dict.fromkeys(
            ("asked_width", "asked_height", "expected_width", "expected_height"), "512"
        ),
        **{"width": "512", "height": "512", "bytes": "1", "sha256": "0" * 64},
        "output": "../../../outside/file",
        "cost_usd": "-1000",
        **dict.fromkeys(("discount", "input_tokens", "output_tokens", "total_tokens"), ""),
        **{"generated_images": "1", "task_id": "task-1", "remote_job_id": "", "attempts": "1"},
        **{"error_code": "", "error_message": "", "submitted_at": "2026-01-01T00:00:00.000Z"},
        **{"completed_at": "2026-01-01T00:00:01.000Z", "seconds": "1", "api": "sandbox", "fit": ""},
    }
    text = f"{','.join(cells)}\n{','.join(cells.values())}\n"
    lair.write(f"{FOLDER}/out/shop/shop.manifest.csv", text)


def _links(folder: str) -> Callable[[Lair], None]:
    """Links at every name that is written below an output folder."""

    def lay(lair: Lair) -> None:
        state = f"{folder}/.spark-batch"
        for name in (
            f"{state}/shop.checkpoint.lock",
            f"{state}/shop.checkpoint-journal",
            f"{state}/shop.shard-1-of-1.checkpoint",
            f"{state}/shop.shard-1-of-1.checkpoint.lock",
            f"{folder}/shop.manifest.csv",
            f"{folder}/shop.manifest.csv.part",
            f"{folder}/shop.html",
            f"{folder}/shop.html.part",
            f"{folder}/shop.md",
            f"{folder}/shop.json",
            f"{folder}/shop.junit.xml",
        ):
            lair.link(name, lair.outside / "file")
        for name in (f"{state}/parts", f"{state}/kept", f"{folder}/sandbox", f"{folder}/photo"):
            lair.link(name, lair.outside)

    return lay


def _links_elsewhere(lair: Lair) -> None:
    """The workflow looks for links in the folder that it keeps; the recipe names another one."""
    lair.edit("price:", "output: {dir: elsewhere}\nprice:")
    _links("elsewhere")(lair)


def _recipe_is_the_environment(lair: Lair) -> None:
    lair.link("recipe.yaml", Path("/proc/self/environ"))


def _inputs_are_the_environment(lair: Lair) -> None:
    """A table, whose lines are in errors, and a picture, which is sent."""
    for name in ("table.csv", "stolen.jpg"):
        lair.link(name, Path("/proc/self/environ"))
    lair.edit("price:", "rows: table.csv\nprice:")
    lair.edit("[photo.jpg", "[stolen.jpg, photo.jpg")


def _package(lair: Lair) -> None:
    """A report would be written over a file of the repository."""
    lair.write(f"{FOLDER}/package.json", '{"name": "shop"}')
    text = RECIPE.replace("name: shop", "name: package\noutput: {dir: .}")
    lair.recipe.write_text(text)


PASSED_OVER = (
    Attack("code", _code),
    Attack("names", _names),
    Attack("books beside", _books_beside),
    Attack("greed", _greed),
)
_LAST = Attack("a bare repository", _bare_repository)  # it knows the recipe as the others leave it
BEFORE_THE_KEY = (
    Attack("links in the output folder", _links("out/shop"), "symbolic link or a journal"),
    Attack("a journal", _journal, "symbolic link or a journal"),
    Attack(
        "checkpoints", _hostile_checkpoints, r"\.checkpoint|shards of this recipe are not merged"
    ),
)
AT_THE_KEY = (
    Attack(
        "the recipe is the environment",
        _recipe_is_the_environment,
        "leads to '/proc/",
    ),
    Attack("inputs are the environment", _inputs_are_the_environment, "'table.csv' leads to"),
    Attack("a report over package.json", _package, "package.json is there already"),
    Attack("links in another output folder", _links_elsewhere, "is a symbolic link"),
    Attack("a manifest", _hostile_manifest, r"shop\.manifest\.csv"),
)


def propose(lair: Lair, refused: tuple[Attack, ...], branch: str) -> str:
    """Commit what is passed over, and these of the others, on a branch; gives the commit."""
    place = lair.repository
    git("checkout", "--quiet", "--force", "-B", branch, "main", cwd=place)
    subprocess.run(["git", "clean", "-ffdxq"], cwd=place, check=True)
    for attack in (*PASSED_OVER, *reversed(refused), _LAST):
        attack.lay(lair)
    git("add", "--all", "--force", cwd=place)
    git("commit", "--quiet", "--message", SHELL, cwd=place)
    sha = git("rev-parse", "HEAD", cwd=place)
    git("checkout", "--quiet", "--force", "main", cwd=place)
    return sha
