"""Write the reference in schemas/README.md from the schemas; `--check` only compares."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from os.path import normpath
from pathlib import Path
from typing import Any

SCHEMAS = Path(__file__).parents[1] / "schemas"
TARGET = SCHEMAS / "README.md"
MARK = "<!-- All below is made by .ci/reference.py from the schemas; change those, and run it. -->"
TYPES = {"array": "list", "object": "mapping", "string": "text", "integer": "whole number"}


def load(file: str) -> dict[str, Any]:
    """A schema by its file's path below the folder of schemas."""
    found: dict[str, Any] = json.loads((SCHEMAS / file).read_text(encoding="utf-8"))
    return found


def whole(node: dict[str, Any], file: str) -> tuple[dict[str, Any], str]:
    """A schema with what its `$ref` says below it, and the file that its own references mean."""
    if "$ref" not in node:
        return node, file
    other, _, pointer = node["$ref"].partition("#")
    home = normpath(Path(file).parent / other) if other else file
    target: Any = load(home)
    for part in pointer.split("/")[1:]:
        target = target[part]
    found, home = whole(target, home)
    return {**found, **{key: value for key, value in node.items() if key != "$ref"}}, home


def kind(node: dict[str, Any], file: str) -> str:
    """What a value is, in a few words."""
    node, file = whole(node, file)
    if "if" in node and "x-expected" in node:
        return text(node["x-expected"])
    if "if" in node and "type" not in node:
        branches = [
            kind(node[each], file) for each in ("then", "else") if node.get(each) is not True
        ]
        if node["if"].get("type") == "array":
            return f"{kind(node['else'], file)}, or a list of them"
        return " or ".join(dict.fromkeys(branches))
    if "oneOf" in node and all("const" in each for each in node["oneOf"]):
        return "one of " + ", ".join(f"`{each['const']}`" for each in node["oneOf"])
    if "const" in node:
        return f"`{node['const']}`"
    if node.get("type") == "array":
        return f"list of {kind(node['items'], file)}"
    named = node.get("type") or node.get("x-expected", "value")
    words = [TYPES.get(each, each) for each in ([named] if isinstance(named, str) else named)]
    return " or ".join(words) + limits(node)


def limits(node: dict[str, Any]) -> str:
    """The range of a value."""
    low, high = node.get("minimum"), node.get("maximum")
    if "exclusiveMinimum" in node:
        return f", more than {node['exclusiveMinimum']}, at most {high}"
    if low is not None:
        return f", {low} to {high}" if high is not None else f", {low} or more"
    return f", at most {node['maxLength']} characters" if "maxLength" in node else ""


def code(value: object) -> str:
    """A value as a recipe writes it, in a table's cell."""
    return f"`{json.dumps(value, ensure_ascii=False)}`".replace("|", "\\|")


def text(value: str) -> str:
    """Words in a table's cell."""
    return value.replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")


def keys(node: dict[str, Any], file: str, path: str = "") -> Iterator[str]:
    """A line for each key of a mapping, and for those below it."""
    for name, each in node.get("properties", {}).items():
        found, home = whole(each, file)
        said = ". ".join(filter(None, (found.get("title"), found.get("description"))))
        example = code(found["examples"][0]) if found.get("examples") else ""
        # An axis that an exclusion leaves out is any value, not the default of the matrix.
        fills = "default" in found and not path.startswith("exclude")
        default = code(found["default"]) if fills else ""
        here = f"{path}{name}"
        yield f"| `{here}` | {kind(each, file)} | {default} | {example} | {text(said)} |"
        if found.get("type") == "object":
            yield from keys(found, home, f"{here}.")
        elif found.get("if") == {"type": "boolean"}:  # or a mapping that says more
            yield from keys(*whole(found["else"], home), f"{here}.")
        elif found.get("type") == "array":
            yield from keys(_inside(found["items"], home), home, f"{here}[].")


def _inside(items: dict[str, Any], file: str) -> dict[str, Any]:
    """The mapping that an item of a list may be."""
    found, _ = whole(items, file)
    return whole(found["else"], file)[0] if "else" in found else found


def table(title: str, node: dict[str, Any], file: str) -> Iterator[str]:
    """A schema's keys."""
    yield from ("", f"## {title}", "", node.get("description", ""), "")
    yield from ("| key | value | default | example | what |", "|---|---|---|---|---|")
    yield from keys(node, file)


def errors() -> Iterator[str]:
    """The API's error codes."""
    schema = load("errors.schema.json")
    yield from ("", f"## {schema['title']}", "", schema["description"], "")
    yield from ("| code | what | whose fault | sent again | advice |", "|---|---|---|---|---|")
    for each in schema["oneOf"]:
        again = each["x-again"] + (", later" if each.get("x-rateLimit") else "")
        cells = (each["title"], each["x-fault"], again, each["x-advice"])
        yield f"| `{each['const']}` | {' | '.join(map(text, cells))} |"


def manifest() -> Iterator[str]:
    """The manifest's columns."""
    schema = load("manifest.schema.json")
    yield from ("", f"## {schema['title']}", "", schema["description"], "")
    yield from ("| column | what |", "|---|---|")
    for name, each in schema["items"]["properties"].items():
        yield f"| `{name}` | {text(each['description'])} |"


def reference(text: str) -> str:
    """The page with its generated part made anew."""
    head, mark, _ = text.partition(MARK)
    if not mark:
        raise SystemExit(f"{TARGET}: the line that begins the generated part is missing: {MARK}")
    api = "models/spark_i2i_3_0.schema.json"
    recipe = load("recipe.schema.json")
    parts = load(api)["$defs"]
    lines = [head + mark, *_files(), *table("The recipe", recipe, "recipe.schema.json")]
    lines += table("A row of a table", recipe["$defs"]["row"], "recipe.schema.json")
    lines += table("The API: parameters of a request", parts["params"], api)
    lines += table("The API: an input picture", parts["picture"], api)
    lines += [*errors(), *manifest()]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _files() -> Iterator[str]:
    yield from ("", "| schema | what |", "|---|---|")
    for path in sorted(SCHEMAS.rglob("*.schema.json")):
        file = path.relative_to(SCHEMAS).as_posix()
        schema = load(file)
        yield f"| [{file}]({file}) | {text(schema['description'])} |"


def main() -> int:
    """Write the reference, or say whether the one that stands there is true."""
    present = TARGET.read_text(encoding="utf-8")
    made = reference(present)
    if "--check" not in sys.argv[1:]:
        TARGET.write_text(made, encoding="utf-8")
        return 0
    if present == made:
        return 0
    sys.stdout.write("schemas/README.md is not what the schemas say: run .ci/reference.py\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
