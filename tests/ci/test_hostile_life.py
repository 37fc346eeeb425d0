"""A pull request of a fork that tries everything at once, and a maintainer who runs its branch.

GitHub gives a fork's pull request no secret. Our workflows plan it, without the key. Teams also
push such a branch into their own repository and start it by hand, with the key: then all that it
may do is spend what the limit leaves, on pictures in its output folder.

A stranger pushes again without what was refused, until nothing is left to refuse.
"""

from __future__ import annotations

import re
import shlex
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from urllib.parse import quote

import pytest
from PIL import Image

from spark_batch.sandbox import Served
from tests.ci import stranger
from tests.ci.cloud import Cloud, git
from tests.ci.conftest import ROOT, printed, results, started, steps_with_key
from tests.ci.runner import Ran
from tests.ci.stranger import AT_THE_KEY, BEFORE_THE_KEY, SHELL, Attack, Lair, propose
from tests.ci.test_books import FORK_ID, keep

CANARY = "sk-canary-9f2b"
LIMIT = Decimal("0.15")
FLOOD = 101  # one more than a page has
Jobs = dict[str, list[Ran]]

# The workflows ask for Python 3.11 or later, where PYTHONSAFEPATH keeps pip from importing
# what a stranger put into the checkout.
_SAFE_PATH = pytest.mark.skipif(sys.version_info < (3, 11), reason="PYTHONSAFEPATH is of 3.11")
pytestmark = [pytest.mark.proof, _SAFE_PATH, pytest.mark.usefixtures("installed")]


@dataclass
class Shop:
    """A team's repository with its workflow, and a stranger's clone of it."""

    cloud: Cloud
    served: Served
    workflow: Path
    name: str  # of artifact and cache
    lair: Lair
    server: socket.socket

    def push(self) -> Jobs:
        """What a push to main makes."""
        return started(self.cloud, self.workflow, self._main(), pull_request=False)

    def open_pull_request(self, refused: tuple[Attack, ...]) -> Jobs:
        """What the pull request of a fork starts."""
        facts = {"head_ref": SHELL, "head_repository_id": FORK_ID}
        event = {"number": 7, "title": SHELL, "body": SHELL, "head": {"ref": SHELL}}
        sha = propose(self.lair, refused, SHELL)
        facts["event"] = {"pull_request": event}
        return started(self.cloud, self.workflow, sha, pull_request=True, **facts)

    def start_by_hand(self, refused: tuple[Attack, ...]) -> Jobs:
        """What a maintainer starts on the same branch, in the team's own repository.

        Of earlier runs on it nothing is kept, so that each attack gets as far as the key.
        """
        facts = {"event_name": "workflow_dispatch", "ref": f"refs/heads/{SHELL}"}
        shutil.rmtree(self.cloud.artifacts / str(self.cloud.runs), ignore_errors=True)
        shutil.rmtree(self.cloud.caches / quote(facts["ref"], safe=""), ignore_errors=True)
        sha = propose(self.lair, refused, SHELL)
        return started(self.cloud, self.workflow, sha, pull_request=False, **facts)

    def forge_books(self) -> None:
        """Upload what a fork's run can, newer than all that is true, and write into its cache."""
        fork = {"event": "pull_request", "head_branch": "main", "head_repository_id": FORK_ID}
        for run in range(600, 600 + FLOOD):
            names = (self.name, f"{self.name}@shard-1", f"{self.name}-winter")
            keep(self.cloud, run, *names, **fork)
            for name in names:
                (self.cloud.artifacts / str(run) / name / "forged").touch()
        stranger.checkpoint(self.cloud.artifacts / str(run) / self.name / "shop", "shop")
        prefix = "spark-batch-" if "spark-batch-" in self.workflow.read_text() else ""
        for scope, name in (("refs%2Fpull%2F7%2Fmerge", ""), ("refs%2Fheads%2Fmain", "-winter")):
            cache = self.cloud.caches / scope / f"{prefix}{self.name}{name}@999-1"
            stranger.checkpoint(cache / "shop", "shop")
            (cache / "forged").touch()

    def true_books(self) -> dict[str, bytes]:
        """Every file of what the first push left, in the artifact and in the cache."""
        places = [self.cloud.artifacts / "1", *self.cloud.caches.glob("refs%2Fheads%2Fmain/*@1-1")]
        files = [path for place in places for path in place.rglob("*") if path.is_file()]
        return {str(path): path.read_bytes() for path in files}

    def spent(self) -> Decimal:
        return sum((entry.cost for entry in self.served.ledger.accepted()), Decimal(0))

    def _main(self) -> str:
        return git("rev-parse", "main", cwd=self.cloud.repository)


def _workflow(cloud: Cloud, kind: str) -> tuple[str, str]:
    """The text of a workflow for the recipe in its folder, and the name of its artifact."""
    if kind == "reusable":
        more = {"recipe": "shop/recipe.yaml", "output": "shop/out", "name": "shop"}
        cloud.inputs = {**cloud.inputs, **more, "shards": 1, "max-cost": str(LIMIT)}
        return (ROOT / ".github/workflows/pictures.yml").read_text(), "shop"
    text = (ROOT / "spark_batch/starter/pictures.yml").read_text()
    text = re.sub(r"(?<= )recipe\.yaml", "shop/recipe.yaml", text)
    text = re.sub(r"(?<= )out(?=[ )\n])", "shop/out", text)
    text = text.replace(
        "git+https://git.example.com/spark-batch@COMMIT", str(cloud.inputs["install"])
    )
    return text, "pictures"


@pytest.fixture(params=["reusable", "starter"])
def shop(
    cloud: Cloud, served: Served, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Shop]:
    """A recipe of four pictures on main; every program that a workflow starts is watched."""
    text, name = _workflow(cloud, request.param)
    workflow = cloud.folder / "workflow.yml"
    workflow.write_text(text)
    cloud.environment = {**cloud.environment, "SPARK_BASE_URL": served.url}
    folder = cloud.repository / stranger.FOLDER
    folder.mkdir()
    (folder / "recipe.yaml").write_text(stranger.RECIPE)
    Image.new("RGB", (96, 64), (200, 120, 40)).save(folder / "photo.jpg", "JPEG")
    git("add", ".", cwd=cloud.repository)
    git("commit", "--quiet", "--message", "a recipe", cwd=cloud.repository)
    git("config", "uploadpack.allowAnySHA1InWant", "true", cwd=cloud.repository)
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("precious")
    _watch(cloud)
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
        lair = Lair(cloud.repository, outside, tmp_path / "owned", address)
        yield Shop(cloud, served, workflow, name, lair, server)


def _watch(cloud: Cloud) -> None:
    """Have git and python write down the environment that they are started with."""
    seen = cloud.folder / "children"
    seen.mkdir()
    git_program = shutil.which("git")
    real = cloud.folder / "bin" / "python"
    real.rename(cloud.folder / "python")
    for name, program in (("git", git_program), ("python", cloud.folder / "python")):
        path = cloud.folder / "bin" / name
        log = shlex.quote(f"{seen}/{name}")
        path.write_text(f'#!/bin/sh\nenv > {log}-$$\nexec {program} "$@"\n')
        path.chmod(0o755)


def check_harmless(shop: Shop, jobs: Jobs) -> None:
    """No code ran, nothing outside of the output folder was written, the key is nowhere."""
    shown = printed(jobs)
    assert not shop.lair.owned.exists(), shown + shop.lair.owned.read_text()
    assert not list(shop.cloud.folder.rglob("owned")), shown
    assert [stray for ran in jobs.values() for job in ran for stray in _strays(job)] == [], shown
    files = {path.name: path.read_text() for path in shop.lair.outside.iterdir()}
    assert files == {"file": "precious"}, shown
    with pytest.raises(BlockingIOError):
        shop.server.accept()
    assert steps_with_key(jobs) <= {"run", "rescue"}
    assert not re.search(r"^\s*(::error::owned|::add-mask|##\[)", shown, re.MULTILINE), shown
    assert "Traceback" not in shown
    assert CANARY not in shown


def check_key(shop: Shop) -> None:
    """It is in no file, no artifact, no cache, and in no environment of git or python."""
    watched = {path.name.partition("-")[0] for path in (shop.cloud.folder / "children").iterdir()}
    assert watched == {"git", "python"}
    for path in shop.cloud.folder.parent.rglob("*"):
        if path.is_file() and not path.is_symlink():
            assert CANARY.encode() not in path.read_bytes(), path


def _strays(job: Ran) -> Iterator[str]:
    """What a machine has besides what was checked out, and what the workflow keeps."""
    if job.workspace is None:
        return
    home = job.workspace.parent
    for entry in home.iterdir():
        if entry.name == ".local":
            yield from _not_ours(entry)
        elif entry.name not in ("work", "temp") and not entry.name.startswith("step-"):
            yield entry.name
    if not (job.workspace / ".git").exists():  # the job `books` checks nothing out
        return
    listed = git("status", "--porcelain", "-z", "-uall", "--ignored", cwd=job.workspace)
    for line in filter(None, listed.split("\0")):
        path = line.strip().partition(" ")[2]
        if not path.startswith((f"{stranger.FOLDER}/out/", "shards/")):
            yield line
    yield from map(str, job.workspace.rglob("forged"))


def _not_ours(folder: Path) -> Iterator[str]:
    """What stands in the home folder besides the list of hashes (`spark_batch.remembered`)."""
    for path in folder.rglob("*"):
        if path.is_file():
            ours = path.relative_to(folder).as_posix() == "state/spark-batch/findings"
            if not ours or re.fullmatch(r"([0-9a-f]{64}\n)+", path.read_text()) is None:
                yield str(path)


def pushed(
    shop: Shop, start: Callable[[tuple[Attack, ...]], Jobs], attacks: tuple[Attack, ...]
) -> Iterator[Jobs]:
    """What each push starts: all attacks at once, then without what was refused, until none is."""
    while True:
        jobs = start(attacks)
        shown = printed(jobs)
        check_harmless(shop, jobs)
        yield jobs
        failed = "failure" in {result for ran in results(jobs).values() for result in ran}
        if not (failed and attacks):
            return
        met = [attack for attack in attacks if re.search(attack.refusal, shown)]
        assert met, shown
        attacks = tuple(attack for attack in attacks if attack is not met[0])


def test_a_pull_request_of_a_fork_gets_nothing(shop: Shop) -> None:
    """Its plan is made, or an error names what stands in its way."""
    made = shop.push()
    assert set(results(made)["make"]) == {"success"}, printed(made)
    true, paid = shop.true_books(), shop.spent()
    assert (len(shop.served.ledger.accepted()), paid) == (4, Decimal("0.12"))
    shop.forge_books()
    for proposed in pushed(shop, shop.open_pull_request, BEFORE_THE_KEY + AT_THE_KEY):
        assert steps_with_key(proposed) == set()
    assert results(proposed)["plan"] == ["success"], printed(proposed)
    again = shop.push()
    assert set(results(again)["make"]) == {"success"}, printed(again)
    check_harmless(shop, again)
    assert (shop.true_books(), shop.spent()) == (true, paid)
    check_key(shop)


def test_a_maintainer_who_runs_the_branch_with_the_key_spends_the_limit_at_most(shop: Shop) -> None:
    """Everything at once does not get as far as the key; one by one they do, and get nothing."""
    shop.forge_books()
    for attacks in (BEFORE_THE_KEY + AT_THE_KEY, BEFORE_THE_KEY[1:], BEFORE_THE_KEY[2:]):
        run = shop.start_by_hand(attacks)
        check_harmless(shop, run)
        assert re.search(attacks[0].refusal, printed(run))
        assert steps_with_key(run) == set()
    for run in pushed(shop, shop.start_by_hand, AT_THE_KEY):
        assert steps_with_key(run) == {"run", "rescue"}, printed(run)
    assert Decimal(0) < shop.spent() <= LIMIT, printed(run)
    check_key(shop)
