"""Stands for `gh` on a machine without GitHub: comments and artifacts, kept in a folder.

Started by the workflow's shell as `gh`; the folder is the first argument that the wrapper gives.
What a `--jq` asks is answered by jq itself. Calls that no workflow of ours makes end with exit 2.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import jq

REPOSITORY = "repos/someone/pictures"
REPOSITORY_ID = 4711  # of `tests.ci.cloud`, which a process of its own cannot import
_MAX_PAGE = 100  # GitHub gives no more at once


def main() -> int:
    """Answer one call."""
    folder, *arguments = sys.argv[1:]
    parser = argparse.ArgumentParser(prog="gh")
    commands = parser.add_subparsers(required=True)
    api = commands.add_parser("api")
    api.add_argument("url")
    api.add_argument("--paginate", action="store_true")
    api.add_argument("--method", default="GET")
    api.add_argument("--jq", default=".")
    api.add_argument("-F", dest="field", default="")
    api.set_defaults(call=_api)
    run = commands.add_parser("run").add_subparsers(required=True).add_parser("download")
    run.add_argument("run")
    run.add_argument("--name", required=True)
    run.add_argument("--dir", required=True)
    run.set_defaults(call=_download)
    given = parser.parse_args(arguments)
    result: int = given.call(Path(folder), given)
    return result


def _api(folder: Path, given: argparse.Namespace) -> int:
    path, _, query = given.url.removeprefix(REPOSITORY).partition("?")
    answer: Any = None
    if not path:
        answer = {"default_branch": "main"}
    elif path == "/actions/artifacts":
        return _print_artifacts(folder, dict(part.split("=") for part in query.split("&")), given)
    elif path.startswith("/actions/runs/"):
        answer = json.loads((folder / "runs" / f"{path.rpartition('/')[2]}.json").read_text())
    elif path.endswith("/comments") or "/issues/comments/" in path:
        answer = _comments(folder / "comments.json", path, given)
    if answer is None:
        sys.stderr.write(f"gh: no such call here: {given.method} {given.url}\n")
        return 2
    _print(answer, given)
    return 0


def _print(answer: Any, given: argparse.Namespace) -> None:
    for each in jq.compile(given.jq).input_value(answer):
        print(each if isinstance(each, str) else json.dumps(each))


def _print_artifacts(folder: Path, asked: dict[str, str], given: argparse.Namespace) -> int:
    """The newest first, page by page, each with `--jq` on its own; one page without `--paginate`.

    A file `offline` beside the artifacts stands for a GitHub that answers the second page with an
    error.
    """
    found = [
        _artifact(folder, path)
        for path in (folder / "artifacts").glob(f"*/{asked.get('name', '*')}")
    ]
    newest = sorted(found, key=lambda each: str(each["created_at"]), reverse=True)
    size = min(int(asked.get("per_page", 30)), _MAX_PAGE)
    pages = [newest[at : at + size] for at in range(0, len(newest), size)] or [[]]
    for page in pages if given.paginate else pages[:1]:
        _print({"total_count": len(newest), "artifacts": page}, given)
        if (folder / "offline").exists():
            sys.stderr.write("gh: HTTP 502\n")
            return 1
    return 0


def _artifact(folder: Path, path: Path) -> dict[str, Any]:
    run = int(path.parent.name)
    known = json.loads((folder / "runs" / f"{run}.json").read_text())
    return {
        "name": path.name,
        "expired": known.get("expired", False),
        "created_at": f"{path.stat().st_ctime_ns:020}",
        "workflow_run": {
            "id": run,
            "repository_id": REPOSITORY_ID,
            "head_repository_id": known["head_repository_id"],
            "head_branch": known["head_branch"],
        },
    }


def _comments(file: Path, path: str, given: argparse.Namespace) -> Any:
    known: list[dict[str, Any]] = json.loads(file.read_text()) if file.exists() else []
    if given.method == "GET":
        return known
    body = Path(given.field.removeprefix("body=@")).read_text(encoding="utf-8")
    number = path.rpartition("/")[2]
    if given.method == "PATCH":
        next(each for each in known if str(each["id"]) == number)["body"] = body
    else:
        user = {"login": "github-actions[bot]"}
        known.append({"id": len(known) + 1, "user": user, "body": body})
    file.write_text(json.dumps(known))
    return known[-1]


def _download(folder: Path, given: argparse.Namespace) -> int:
    source = folder / "artifacts" / given.run / given.name
    shutil.copytree(source, given.dir, dirs_exist_ok=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
