"""Checked document → Recipe: the parts put together, and what only shows when they meet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from spark_batch import contract, matrix
from spark_batch.jobs import Block, Recipe
from spark_batch.recipe import (
    advice,
    excludes,
    ids,
    includes,
    inputs,
    output,
    prompts,
    rows,
    variants,
)
from spark_batch.recipe.check import start
from spark_batch.recipe.diagnostics import Findings
from spark_batch.recipe.document import Node
from spark_batch.recipe.inputs import FindGenerated, Listed, Probe
from spark_batch.recipe.prompts import Entry
from spark_batch.recipe.variants import Variants
from spark_batch.text import quoted

MAX_JOBS = 1_000_000
MAX_COMBINATIONS = 10 * MAX_JOBS  # before what is excluded is dropped
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Parts:
    """The sections of a recipe; None where one is broken.

    `doubtful` are the sections that have errors: what they would hold without is not known.
    """

    name: str | None
    inputs: tuple[Listed, ...] | None
    prompts: tuple[Entry, ...] | None
    variants: Variants | None
    folder: Path | None
    template: str | None
    doubtful: frozenset[str]


def build(
    root: Node,
    *,
    path: Path,
    broken: frozenset[str],
    probe: Probe,
    find: FindGenerated,
    findings: Findings,
) -> Recipe | None:
    """The recipe, or None when it has errors.

    Sections whose keys are `broken` by the schema's judgement are passed over; the others are
    still read, and what refers to them as far as they are known, so that one run tells every error.
    """
    parts = _parts(root, path.parent, broken=broken, probe=probe, find=find, findings=findings)
    blocks = _blocks(parts, root, path.parent, probe, findings)
    if findings.errors or broken:
        return None
    recipe = _assembled(parts, blocks, root, path)
    if recipe is None:
        return None
    if not _sensible(recipe, root, findings):
        return None
    section = root.get("output")
    name_node = section.get("name") if section else None
    mark = name_node.mark if name_node else start(root)
    output.check(recipe, parts.inputs or (), mark=mark, findings=findings)
    return recipe


def _sensible(recipe: Recipe, root: Node, findings: Findings) -> bool:
    """Whether there are jobs, and not too many to be looked at one by one."""
    message = None
    if matrix.combinations(recipe) > MAX_COMBINATIONS:
        number = matrix.combinations(recipe)
        message = f"the recipe has {number} combinations; at most {MAX_COMBINATIONS} are allowed"
    elif matrix.count(recipe) > MAX_JOBS:
        number = matrix.count(recipe)
        message = f"the recipe makes {number} jobs; at most {MAX_JOBS} are allowed"
    if message:
        mark, message = start(root), f"{message}: split it"
        findings.error(mark, code="too-many-jobs", path="", message=message)
        return False
    includes.check(recipe, root.get("include"), findings)
    return excludes.check(recipe, root.get("exclude"), findings)


def _parts(
    root: Node,
    base: Path,
    *,
    broken: frozenset[str],
    probe: Probe,
    find: FindGenerated,
    findings: Findings,
) -> _Parts:
    doubtful = set(broken)

    def section(key: str, read: Callable[[Node | None], T]) -> T | None:
        if key in broken:
            return None
        before = findings.errors
        value = read(root.get(key))
        if findings.errors > before:
            doubtful.add(key)
        return value

    name = section("name", lambda node: _name(node, findings))
    folder = section("output", lambda node: _folder(node, base, name, findings))
    texts = section("prompts", lambda node: prompts.read(node, findings) if node else None)
    names = None
    if "prompts" not in broken:
        names = [name for each in texts or () for name in each.variables]
    template = section("output", lambda node: output.template(_sub(node, "name"), names, findings))

    def pictures(node: Node | None) -> tuple[Listed, ...] | None:
        if node is None:
            return None
        around = inputs.Surroundings(base, folder, name, find)
        return inputs.read(node, around, probe=probe, findings=findings)

    axes = section("variants", lambda node: variants.variants(node, findings))
    listed = section("inputs", pictures)
    parts = _Parts(
        name=name,
        inputs=listed,
        prompts=texts,
        variants=axes,
        folder=folder,
        template=template,
        doubtful=frozenset(doubtful),
    )
    _advise(parts, root, findings)
    return parts


def _advise(parts: _Parts, root: Node, findings: Findings) -> None:
    advice.prompts(parts.prompts or (), findings)
    if parts.variants is not None:
        advice.sizes(parts.variants.located, findings)
        advice.seeds(_sub(root.get("variants"), "seed"), findings)


def _name(node: Node | None, findings: Findings) -> str | None:
    if node is None:
        return None
    fault = ids.fault(node.text())
    if fault:
        message = f"the name {quoted(node.text())} {fault}"
        findings.error(node.mark, code="id", path="name", message=message)
        return None
    return node.text()


def _folder(node: Node | None, base: Path, name: str | None, findings: Findings) -> Path | None:
    given = _sub(node, "dir")
    if given is None and name is None:
        return None
    return output.folder(given, base=base, name=name or "", findings=findings)


def _sub(node: Node | None, key: str) -> Node | None:
    return node.get(key) if node is not None else None


def _blocks(
    parts: _Parts,
    root: Node,
    base: Path,
    probe: Probe,
    findings: Findings,
) -> tuple[Block, ...]:
    """The matrices of the recipe. Where a section has errors, what refers to it is not judged."""

    def part(key: str) -> Node | None:
        return None if key in parts.doubtful else root.get(key)

    axes = parts.variants or variants.variants(None, findings)
    main, known = _matrix(parts, axes), _known(parts, root)
    if (main.inputs and main.prompts) or known.doubtful:
        main = replace(main, excludes=excludes.read(part("exclude"), main, known, findings))
        blocks = (main, *includes.read(part("include"), main, known, findings))
    else:
        blocks = ()
    advice.inputs(parts.inputs or (), blocks, findings)
    table = part("rows")
    if table is None:
        return blocks
    given = rows.Given(
        blocks, axes, base, table.text().strip(), sure="inputs" not in parts.doubtful
    )
    listed = parts.inputs or ()
    return blocks + rows.read(table, given, listed=listed, probe=probe, findings=findings)


def _known(parts: _Parts, root: Node) -> ids.Known:
    """The ids of inputs and prompts, those with errors too."""
    listed, texts, doubtful = parts.inputs or (), parts.prompts or (), parts.doubtful
    right = tuple(each.input.id for each in listed)
    names = tuple(each.id for each in texts)
    return ids.Known(
        inputs=inputs.possible(root.get("inputs"), listed) if "inputs" in doubtful else right,
        prompts=prompts.possible(root.get("prompts")) if "prompts" in doubtful else names,
        doubtful=doubtful & {"inputs", "prompts", "variants"},
    )


def _matrix(parts: _Parts, axes: Variants) -> Block:
    """The block of all inputs and prompts; empty in a recipe of rows alone."""
    return Block(
        inputs=tuple(each.input for each in parts.inputs or ()),
        prompts=tuple(prompt for each in parts.prompts or () for prompt in each.prompts),
        sizes=axes.sizes,
        scales=axes.scales,
        seeds=axes.seeds,
        takes=axes.takes,
    )


def _assembled(parts: _Parts, blocks: tuple[Block, ...], root: Node, path: Path) -> Recipe | None:
    if parts.name is None or parts.folder is None or parts.template is None:
        return None
    return Recipe(
        path=path,
        name=parts.name,
        model=contract.rules().model,
        blocks=blocks,
        output_dir=parts.folder,
        output_name=parts.template,
        run=variants.run(root.get("run")),
        price=variants.money(root.get("price")),
        metadata=output.metadata(root.get("output")),
    )
