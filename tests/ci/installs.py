"""Finds what would install this project by a bare name, or from a branch that moves.

A bare name is looked up on the public index, where neither `spark-batch` nor `spark-i2i-batch` is
this project's: whoever holds the name there would run beside the user's key. Allowed are a git
address with a tag or commit, a file, and the checkout.
"""

from __future__ import annotations

import ast
import itertools
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import yaml

# Names are compared as PEP 503 says: without regard to case, and `-`, `_`, `.` are one.
_NAME = r"spark[-_.]+(?:i2i[-_.]+)?batch"
_SPECIFIER = r"\s*(?:===|[=~!<>]=|[<>])\s*[\w.*+!-]+"
_ADDRESS = r"(?!\s*@\s*[\w+]+:)"  # PEP 508: `NAME @ git+https:…`
_BARE = rf"{_NAME}(?P<more>\s*\[[\w\s,.-]*\])?(?P<version>{_SPECIFIER})?"
_REQUIREMENT = re.compile(rf"{_BARE}(?:\s*,{_SPECIFIER})*\s*(?:;.*)?", re.IGNORECASE)
# In a command, a name is an argument of its own: not part of a path, an address or an option.
_ARGUMENT = re.compile(
    rf"(?:(?<=[\s\"'`,\[(])|(?<=--with=)|(?<=--from=)|(?<=--spec=)){_BARE}"
    rf"(?![\w./:-]|\s*\[){_ADDRESS}",
    re.IGNORECASE,
)
_GAP = r"[\s\"',\[\]]+"  # between words of a shell's line or of a list of arguments
_OPTIONS = rf"(?:{_GAP}-[\w-]+(?:=\S+)?)*"
_COMMAND = re.compile(
    rf"(?<![\w-])(?:"
    rf"pip[\d.]*{_OPTIONS}{_GAP}(?:install|download|wheel)"
    rf"|pipx{_OPTIONS}{_GAP}(?:install|run|inject|upgrade|install-all)"
    rf"|uv{_OPTIONS}{_GAP}(?:add|run|tool{_GAP}(?:install|run|upgrade))|uvx"
    rf"|(?:poetry|pdm|rye|pixi){_OPTIONS}{_GAP}add|pipenv{_OPTIONS}{_GAP}install"
    rf"|(?:conda|mamba|micromamba){_OPTIONS}{_GAP}(?:install|create)|easy_install"
    rf")(?![\w-])(?P<rest>.*)"
)
_END = re.compile(r"&&|\|\||[;|`]|\s#\s")  # of a command within its line
_ASSIGNED = re.compile(r"(?<![\w/-])[A-Z_]+=(?P<value>\"[^\"]*\"|'[^']*'|\S+)")
_QUOTED = re.compile(r"\"([^\"\n]+)\"|'([^'\n]+)'|`([^`\n]+)`")
_SPAN = re.compile(r"(?<!`)`([^`]+)`(?!`)")
_LISTS = re.compile(r"(?:requirements|constraints)[\w.-]*\.(?:txt|in)|[\w.-]*\.pip", re.IGNORECASE)
_NO_PACKAGE = {"name", "id", "title", "entry", "group", "label"}  # keys whose text is for people
_GIT = re.compile(rf"git\+[\w+.-]*:[^\s\"'`]*?/{_NAME}(?:\.git)?(?P<ref>@[\w./{{}}$-]+)?", re.I)
_USES = re.compile(rf"\buses:\s*[\"']?[\w.-]+/{_NAME}[\w./-]*(?P<ref>@[\w./-]+)?", re.IGNORECASE)
_REV = re.compile(
    rf"repo:\s*\S*/{_NAME}(?:\.git)?\"?\s+(?:#\s*)?rev:\s*(?P<ref>\S+)", re.IGNORECASE
)
_MOVING = {"main", "master", "head", "develop", "dev", "trunk", "latest", "next"}


def shipped_files(root: Path) -> list[str]:
    """Everything that git tracks or would track, as paths from the root of the repository."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    found = subprocess.run(command, cwd=root, check=True, capture_output=True).stdout
    return sorted({name for name in found.decode().split("\0") if (root / name).is_file()})


def bare_installs(name: str, text: str) -> list[str]:
    """The pieces of a file's text that install by a bare name."""
    texts = [text, *_joined(name, text)]
    found = itertools.chain(
        itertools.chain.from_iterable(map(_commands, texts)),
        itertools.chain.from_iterable(map(_requirements, texts)),
        _lines(name, text),
        _scalars(name, text),
    )
    return list(dict.fromkeys(found))


def moving_addresses(text: str) -> list[str]:
    """The addresses of this project without a tag or commit, or with the name of a branch."""
    matches = itertools.chain(_GIT.finditer(text), _USES.finditer(text), _REV.finditer(text))
    return [match[0] for match in matches if _moves((match["ref"] or "").lstrip("@"))]


def _moves(ref: str) -> bool:
    return not ref or ref.lower().removeprefix("refs/heads/") in _MOVING


def _joined(name: str, text: str) -> Iterator[str]:
    """What a reader of the file would see in one piece, though it stands on several lines."""
    yield re.sub(r"\\\r?\n", " ", text)
    kind = PurePosixPath(name).suffix
    if kind == ".py":
        yield from _python_texts(text)
    if kind in {".md", ".rst", ".txt"}:
        yield from (" ".join(span.split()) for span in _SPAN.findall(text))
    yield from (value for _, value in _yaml_values(name, text))


def _commands(text: str) -> Iterator[str]:
    for line in text.splitlines():
        for match in _COMMAND.finditer(line):
            command = _END.split(match["rest"], maxsplit=1)[0]
            if _ARGUMENT.search(command):
                yield match[0].removesuffix(match["rest"]) + command


def _requirements(text: str) -> Iterator[str]:
    """Quoted or assigned texts that can only be requirements: with extras, or with a version."""
    quoted = (next(filter(None, groups)) for groups in _QUOTED.findall(text))
    for value in quoted:
        match = _REQUIREMENT.fullmatch(value.strip())
        if match and (match["more"] or match["version"]):
            yield value
    for match in _ASSIGNED.finditer(text):
        if _REQUIREMENT.fullmatch(match["value"].strip("\"'")):
            yield match[0]


def _lines(name: str, text: str) -> Iterator[str]:
    """The lines of a list of requirements."""
    if _LISTS.fullmatch(PurePosixPath(name).name):
        lines = (line.partition(" #")[0].strip() for line in text.splitlines())
        yield from filter(_REQUIREMENT.fullmatch, lines)


def _scalars(name: str, text: str) -> Iterator[str]:
    """Values of a YAML file that are a requirement in whole, but for names that people read."""
    for key, value in _yaml_values(name, text):
        if key not in _NO_PACKAGE and _REQUIREMENT.fullmatch(value.strip()):
            yield f"{key}: {value}"


def _yaml_values(name: str, text: str) -> Iterator[tuple[str, str]]:
    """Each text of a YAML file, and of the YAML blocks of a Markdown file, with its key."""
    kind = PurePosixPath(name).suffix
    blocks = re.findall(r"```ya?ml\n(.*?)```", text, re.DOTALL) if kind == ".md" else []
    for block in [text] if kind in {".yml", ".yaml"} else blocks:
        try:
            documents = list(yaml.compose_all(block, Loader=yaml.SafeLoader))
        except (yaml.YAMLError, ValueError, RecursionError):
            continue  # a recipe that is wrong on purpose; its lines are read as they are
        seen: set[int] = set()
        for document in filter(None, documents):
            yield from _values("", document, seen)


def _values(key: str, node: yaml.Node, seen: set[int]) -> Iterator[tuple[str, str]]:
    """The texts below a node; what aliases repeat comes once, so that a cycle ends."""
    if id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            yield from _values(str(name.value), value, seen)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            yield from _values(key, value, seen)
    elif isinstance(node, yaml.ScalarNode):
        yield key, node.value


def _python_texts(text: str) -> Iterator[str]:
    """Strings as Python joins them, with `{}` for what is filled in, and lists of arguments."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.List, ast.Tuple)):
            yield " ".join(filter(None, map(_literal, node.elts)))
        else:
            yield _literal(node)


def _literal(node: ast.AST) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(_literal(part) or "{}" for part in node.values)
    return ""
