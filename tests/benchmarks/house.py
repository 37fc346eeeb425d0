"""The size of the house: modules, lines, functions, classes, words for states, comments, imports.

Every figure is of one checkout, the present one unless a folder is given, so that two versions can
be compared: `python -m tests.benchmarks.house [CHECKOUT …]`.
"""

from __future__ import annotations

import ast
import io
import os
import statistics
import subprocess
import sys
import tempfile
import tokenize
from collections.abc import Iterator
from pathlib import Path

# Runs one job of a recipe and prints each module whose code was executed after its import.
_TRACE = """
import json, sys, threading
target, seen = sys.argv.pop(), set()
def note(frame, event, argument):
    code = frame.f_code
    if event == "call" and code.co_name != "<module>":
        seen.add(code.co_filename)
threading.setprofile(note)
sys.setprofile(note)
from spark_batch.cli import main
try:
    main()
except SystemExit as error:
    status = error.code
finally:
    sys.setprofile(None)
    print(json.dumps(sorted(seen)), file=open(target, "w"))
sys.exit(status)
"""


def main() -> None:
    """Print a column of figures for each checkout."""
    here = Path(__file__).resolve().parents[2]
    checkouts = [Path(name).resolve() for name in sys.argv[1:]] or [here]
    columns = [measure(checkout) for checkout in checkouts]
    for name in columns[0]:
        print(f"{name:45}", *(f"{column[name]:>16}" for column in columns))


def measure(checkout: Path) -> dict[str, str]:
    """The figures of a checkout, each under its name."""
    files = sorted((checkout / "spark_batch").rglob("*.py"))
    texts = [file.read_text(encoding="utf-8") for file in files]
    trees = [ast.parse(text) for text in texts]
    lines = sum(text.count("\n") for text in texts)
    nodes = [node for tree in trees for node in ast.walk(tree)]
    functions = sorted(
        (node.end_lineno or 0) - node.lineno + 1
        for node in nodes
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    classes = [node for node in nodes if isinstance(node, ast.ClassDef)]
    dataclasses = sum(
        "dataclass" in ast.dump(node.decorator_list[0]) for node in classes if node.decorator_list
    )
    comments = sum(_comment_lines(text) for text in texts)
    return {
        "modules": str(len(files)),
        "lines of Python": str(lines),
        "longest module": str(max(text.count("\n") for text in texts)),
        "function median / p90 / max": f"{statistics.median(functions):.0f} / "
        f"{functions[len(functions) * 9 // 10]} / {functions[-1]}",
        "classes (of them dataclasses)": f"{len(classes)} ({dataclasses})",
        "words for where a job or a task stands": str(len(set(_words(files, trees)))),
        "modules that one job runs through": str(_modules_of_a_job(checkout)),
        "lines of comment, %": f"{100 * comments / lines:.1f}",
        "loops over `each`": str(sum(_is_each(node) for node in nodes)),
        "`told`, `tells`": str(sum(text.count("told") + text.count("tells") for text in texts)),
    }


def _comment_lines(text: str) -> int:
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return sum(
        token.type == tokenize.COMMENT and token.line.lstrip().startswith("#") for token in tokens
    )


def _words(files: list[Path], trees: list[ast.Module]) -> Iterator[str]:
    """The members of all enumerations with texts, and the classes of outcomes and events."""
    for file, tree in zip(files, trees, strict=True):
        for node in tree.body:
            if not isinstance(node, ast.ClassDef):
                continue
            if {"str", "Enum"} <= {ast.unparse(base) for base in node.bases}:
                for member in node.body:
                    if isinstance(member, ast.Assign):
                        yield f"{node.name}.{ast.unparse(member.targets[0])}"
            elif file.stem in ("outcomes", "events"):
                yield node.name


def _is_each(node: ast.AST) -> bool:
    return isinstance(node, ast.For | ast.comprehension) and ast.unparse(node.target) == "each"


def _modules_of_a_job(checkout: Path) -> int:
    """How many modules but the sandbox's run when one picture is made."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "recipe.yaml").write_text(
            "version: 1\nname: one\ninputs: [photo.jpg]\nprompts: [Beach]\nprice: 0.03\n"
        )
        subprocess.run(
            [
                sys.executable,
                "-c",
                "from PIL import Image; Image.new('RGB', (96, 64), 'teal').save('photo.jpg')",
            ],
            cwd=folder,
            check=True,
        )
        (folder / "trace.py").write_text(_TRACE)
        command = ["trace.py", "run", "recipe.yaml", "--sandbox", "modules.json"]
        environment = {**os.environ, "PYTHONPATH": str(checkout)}
        subprocess.run(
            [sys.executable, *command], cwd=folder, check=True, env=environment, capture_output=True
        )
        seen = ast.literal_eval((folder / "modules.json").read_text())
    package = checkout / "spark_batch"
    rooms = [Path(file).relative_to(package) for file in seen if Path(file).is_relative_to(package)]
    return sum(room.parts[0] != "sandbox" for room in rooms)


if __name__ == "__main__":
    main()
