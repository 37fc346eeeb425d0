"""What comments and documents refer to is in the repository."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("spark_batch", "tests", ".ci")
# A document, and a section of it: spark_batch/README.md, "The checkpoint".
DOCUMENT = re.compile(r'([\w./-]*\w\.md)\b(?:(?:,| \()\s*"([^"]+)")?')
LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)")
URL = re.compile(r"https?://\S+")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
# Names of files that users write or that code writes, not documents of this repository.
OTHERS = {"NAME.md", "comment.md"}


def _python_files() -> list[Path]:
    return [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]


def _documents() -> list[Path]:
    found = [*ROOT.glob("*.md")]
    for folder in ("spark_batch", "schemas", "recipes", "tests", ".github"):
        found += sorted((ROOT / folder).rglob("*.md"))
    return [path for path in found if "examples" not in path.parts]


def _comments_and_docstrings(text: str) -> Iterator[str]:
    comments = []
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            comments.append(token.string.lstrip("# "))
    yield " ".join(comments)  # a reference may go on in the next line
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield " ".join((ast.get_docstring(node) or "").split())


def _headings(path: Path) -> set[str]:
    return {title.strip() for title in HEADING.findall(FENCED.sub("", path.read_text("utf-8")))}


def _anchor(heading: str) -> str:
    """A heading's anchor as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("path", _python_files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_comments_refer_to_documents_that_are_there(path: Path) -> None:
    """A document is named from the top of the repository, its section by its heading."""
    for text in _comments_and_docstrings(path.read_text("utf-8")):
        for name, section in DOCUMENT.findall(URL.sub("", text)):
            if name in OTHERS:
                continue
            document = next(
                (top / name for top in (ROOT, path.parent) if (top / name).is_file()), None
            )
            assert document is not None, f"{path.relative_to(ROOT)}: there is no {name}"
            assert not section or section in _headings(document), f"{name} has no {section!r}"


@pytest.mark.parametrize("path", _documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_links_of_documents_lead_somewhere(path: Path) -> None:
    """Links within the repository, with the heading that they name."""
    for target, anchor in LINK.findall(FENCED.sub("", path.read_text("utf-8"))):
        file = path if not target else path.parent / target
        assert file.exists(), f"{path.relative_to(ROOT)}: there is no {target}"
        if anchor and file.suffix == ".md":
            assert anchor in map(_anchor, _headings(file)), f"{target} has no #{anchor}"
