"""Load a recipe: parse, check against the schema, read its sections, build its blocks of jobs.

`load` is the whole pipeline; its steps follow in the order of their calls. An error does not stop
it where it can go on: parts with errors are left out, and references to them are not checked, so
that one run reports every error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

from spark_batch.errors import PictureError
from spark_batch.jobs import Block, Fit, Picture, Recipe, matrix
from spark_batch.jobs.checks import Check
from spark_batch.models import Models, PictureRules
from spark_batch.recipe import (
    checks,
    ids,
    inclusions,
    inputs,
    mapping,
    output,
    per_input,
    prompts,
    required,
    rows,
    rules,
    variants,
    warnings,
)
from spark_batch.recipe.diagnostics import NOTE, WARNING, Diagnostic, Findings, error_of
from spark_batch.recipe.globs import FindGenerated, Surroundings, nothing_generated
from spark_batch.recipe.inputs import Fetch, Fetched, Listed, Probe
from spark_batch.recipe.own_models import model_files, read_models
from spark_batch.recipe.prompts import PromptEntry
from spark_batch.recipe.schema import check, start
from spark_batch.recipe.table import Table
from spark_batch.recipe.variants import Variants
from spark_batch.recipe.yaml import Node
from spark_batch.text import quoted

MAX_JOBS = 1_000_000
MAX_COMBINATIONS = 10 * MAX_JOBS  # before what is excluded is dropped

T = TypeVar("T")

ProbeByRules = Callable[[Path, Fit | None, PictureRules], Picture]


class FetchAddress(Protocol):
    """Gives the picture at an address of an object store, or raises PictureError."""

    def __call__(
        self, address: str, output: Path, *, fit: Fit | None, rules: PictureRules
    ) -> Fetched:
        """The picture as a file below the output folder `output`; its pixels are not checked."""


def nothing_fetched(address: str, output: Path, *, fit: Fit | None, rules: PictureRules) -> Fetched:
    """Refuses every address."""
    raise PictureError(f"{address}: addresses of object stores are not read here")


@dataclass(frozen=True, slots=True)
class Loaded:
    """A recipe without errors, its warnings that are not silenced, and its notes."""

    recipe: Recipe
    warnings: tuple[Diagnostic, ...]
    notes: tuple[Diagnostic, ...] = ()


def load(
    path: Path,
    *,
    probe: ProbeByRules,
    find: FindGenerated = nothing_generated,
    fetch: FetchAddress = nothing_fetched,
    values: Mapping[str, object] | None = None,
) -> Loaded:
    """Read and check a recipe and its pictures, without API key.

    `probe` reads an input picture with the `fit` that the recipe asks for, or None, and by the
    rules of the recipe's model, or raises PictureError; it may be called from several threads.
    `find` returns which matches of a glob spark-batch made. `fetch` reads the inputs that are
    addresses of object stores, the only ones that need a network. With `values`, the recipe is this
    mapping instead of the file `path`; paths in it are relative to the folder of `path`.
    Raises RecipeError, whose diagnostics are the errors in the file's order, at most 50.
    """
    root, findings = mapping.read(path, values)
    if root is None:
        raise error_of(findings)
    models = read_models(root, path.parent, findings)
    if findings.errors and any(model_files(root)):
        raise error_of(findings)  # the rules of the user's own model are not known
    broken = check(root, models, findings)
    recipe, probe_input = None, _probing(probe, models)

    if "" not in broken or root.keys:
        sections = _read_sections(
            root,
            path.parent,
            models,
            broken,
            probe=probe_input,
            find=find,
            fetch=partial(_fetched, fetch, models.picture),
            findings=findings,
        )
        blocks = _read_blocks(sections, root, path.parent, probe_input, findings)
        if not (findings.errors or broken):
            recipe = _assemble(sections, blocks, root, path)
    if recipe is not None and _check_size(recipe, root, findings):
        inclusions.check_inclusions(recipe, root.get("include"), findings)
        rules.check_exclusions(recipe, root.get("exclude"), findings)
        _check_names(recipe, sections, root, findings)
        checks.warn(root.get("checks"), recipe.checks, recipe.blocks, findings)
    if recipe is None or findings.errors:
        raise error_of(findings)
    return Loaded(recipe, _not_silenced(findings, root.get("silence")), findings.of(NOTE))


def _fetched(
    fetch: FetchAddress,
    rules: PictureRules,
    address: str,
    output: Path | None,
    fit: Fit | None,
    /,
) -> Fetched:
    """The picture at an address. Raises PictureError, also where `output` has errors."""
    if output is None:
        raise PictureError(f"{address} is not read: `output` has errors")
    return fetch(address, output, fit=fit, rules=rules)


def _probing(probe: ProbeByRules, models: Models) -> Probe:
    """A probe by the rules of all models; it refuses files if one of them takes only URLs."""
    by_url = [model.name for model in models.chosen if model.fields.base64 is None]

    def probe_input(file: Path, fit: Fit | None) -> Picture:
        if by_url:
            names = " and ".join(by_url)
            verb = "takes" if len(by_url) == 1 else "take"
            raise PictureError(f"{file}: {names} {verb} no files; give the picture's URL")
        return probe(file, fit, models.picture)

    return probe_input


@dataclass(frozen=True, slots=True)
class _Sections:
    """The sections of a recipe; None where one has errors against the schema.

    `variants` are those for each model, `own` those that entries of `inputs` give. `doubtful` are
    the sections with errors of any kind, whose intended content is not known.
    """

    models: Models
    name: str | None
    inputs: tuple[Listed, ...] | None
    prompts: tuple[PromptEntry, ...] | None
    variants: tuple[Variants, ...] | None
    own: per_input.Given
    folder: Path | None
    template: str | None
    table: Table | None
    checks: tuple[Check, ...] | None
    doubtful: frozenset[str]

    @property
    def by_rows(self) -> bool:
        """Whether the prompts are for the rows of a table, and not for the inputs."""
        return self.table is not None and not self.table.has_prompts


def _read_sections(
    root: Node,
    base: Path,
    models: Models,
    broken: frozenset[str],
    *,
    probe: Probe,
    find: FindGenerated,
    fetch: Fetch,
    findings: Findings,
) -> _Sections:
    """Read the sections that are not `broken` by the schema's judgement, the table first."""
    named = None if "rows" in broken else root.get("rows")
    table = None if named is None else rows.open_table(named, base, models, findings)
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
    texts = section("prompts", lambda node: _texts(node, models, table, findings))
    names = None if "prompts" in broken else _names(texts or (), table, models)
    template = section("output", lambda node: output.template(_sub(node, "name"), names, findings))

    def pictures(node: Node | None) -> tuple[Listed, ...] | None:
        if node is None:
            return None
        around = Surroundings(base, folder, name, find)

        return inputs.read(node, around, probe=probe, fetch=fetch, findings=findings)

    axes = section("variants", lambda node: per_input.of_models(node, models, findings))
    picture_checks = section("checks", lambda node: checks.read(node, names, findings))
    listed = section("inputs", pictures)
    before = findings.errors
    own = per_input.read(listed or (), models, findings)
    if findings.errors > before:
        doubtful.add("variants")
    _check_urls(listed or (), models, findings)
    variants.check_prices(None if "price" in broken else root.get("price"), models, findings)
    warnings.prompts(texts or (), models, findings)
    columns = {} if table is None or table.has_prompts else table.spellings
    warnings.placeholders(texts or (), columns, findings)
    if "variants" not in broken:
        warnings.parameter_texts(root.get("variants"), models, findings)
    warnings.commas(None if "prompts" in broken else root.get("prompts"), findings)
    return _Sections(
        models=models,
        name=name,
        inputs=listed,
        prompts=texts,
        variants=axes,
        own=own,
        folder=folder,
        template=template,
        table=table,
        checks=picture_checks,
        doubtful=frozenset(doubtful),
    )


def _check_urls(listed: Iterable[Listed], models: Models, findings: Findings) -> None:
    """Report URLs of pictures for a model that takes files alone."""
    names = " and ".join(model.name for model in models.chosen if model.fields.url is None)
    for picture in listed if names else ():
        if picture.input.url is not None:
            message = f"no URL can be sent to {names}; save the picture and give its path"
            findings.error(picture.node.mark, code="url", path=picture.where, message=message)


def _texts(
    node: Node | None, models: Models, table: Table | None, findings: Findings
) -> tuple[PromptEntry, ...] | None:
    """The prompts; for the rows of a table that has none they may use its columns."""
    if node is None or _is_unread(table):
        return None
    columns = None if table is None or table.has_prompts else tuple(table.free.values())
    return prompts.read(node, models, findings, columns)


def _is_unread(table: Table | None) -> bool:
    """Whether errors hide the columns of a table."""
    return table is not None and table.has_errors and not table.has_prompts


def _names(texts: tuple[PromptEntry, ...], table: Table | None, models: Models) -> list[str] | None:
    """The names of all variables and further parameters; None where they are not known."""
    own = [*models.further, *(name for entry in texts for name in entry.variables)]
    return None if _is_unread(table) else [*own, *(table.free.values() if table else ())]


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


def _read_blocks(
    sections: _Sections, root: Node, base: Path, probe: Probe, findings: Findings
) -> tuple[Block, ...]:
    """The recipe's matrix, then each entry of `include` and each row, with a block a model.

    The matrix has no inputs and prompts in a recipe of rows alone, and is then left out.
    """

    def part(key: str) -> Node | None:
        return None if key in sections.doubtful else root.get(key)

    axes = sections.variants or per_input.of_models(None, sections.models, findings)
    listed = sections.inputs or ()
    values = per_input.values(axes, listed, sections.own)
    texts = tuple(prompt for entry in sections.prompts or () for prompt in entry.prompts)
    known = _known(sections, root)
    blocks: tuple[Block, ...] = ()
    if (listed and texts) or known.doubtful:
        apart = rules.apart(sections.prompts or (), known, findings)
        main = per_input.blocks(values, listed, texts, findings)
        excludes = rules.exclusions(part("exclude"), main, known, findings)
        main = tuple(replace(block, apart=apart, excludes=excludes) for block in main)
        added = inclusions.inclusions(part("include"), main, listed, known, findings)
        blocks = (*main, *added)
        if not findings.errors:
            required.check(blocks, root, findings)
    warnings.inputs(listed, blocks, sections.models, findings)
    table, named = sections.table, part("rows")
    if table is None or named is None:
        return blocks
    _check_roles(sections, root, findings)
    given = rows.Given(
        blocks,
        values,
        sections.models,
        base,
        named.text().strip(),
        inputs_valid="inputs" not in sections.doubtful,
        prompts=(sections.prompts or ()) if sections.by_rows else (),
        template=sections.template,
        findings=findings,
    )
    return blocks + rows.read(table, given, listed=listed, probe=probe, findings=findings)


def _check_roles(sections: _Sections, root: Node, findings: Findings) -> None:
    """Report prompts that nothing uses, and rules about a matrix that does not exist."""
    given = root.get("prompts")
    if given is not None and not sections.by_rows and root.get("inputs") is None:
        message = (
            "the table has its own prompts, and no inputs use these; remove these, or add inputs"
        )
        findings.error(given.mark, code="rows", path="prompts", message=message)
    for key in ("exclude", "include"):
        rule = root.get(key)
        if rule is not None and sections.by_rows:
            message = "the prompts are for the table's rows, where this does not apply; remove it"
            findings.error(rule.mark, code="rows", path=key, message=message)


def _known(sections: _Sections, root: Node) -> ids.Known:
    """The ids of inputs and prompts, including those of entries with errors."""
    listed, doubtful = sections.inputs or (), sections.doubtful
    input_ids: tuple[str, ...] | None = tuple(picture.input.id for picture in listed)
    prompt_ids: tuple[str, ...] | None = tuple(entry.id for entry in sections.prompts or ())
    if "inputs" in doubtful:
        input_ids = inputs.possible(root.get("inputs"), listed)
    if "prompts" in doubtful:
        prompt_ids = prompts.possible(root.get("prompts"))
    return ids.Known(input_ids, prompt_ids, doubtful & {"inputs", "prompts", "variants"})


def _assemble(
    sections: _Sections, blocks: tuple[Block, ...], root: Node, path: Path
) -> Recipe | None:
    if sections.name is None or sections.folder is None or sections.template is None:
        return None
    return Recipe(
        path=path,
        name=sections.name,
        models=sections.models,
        blocks=blocks,
        output_dir=sections.folder,
        output_name=sections.template,
        run=variants.run(root.get("run")),
        prices=variants.prices(root.get("price"), sections.models),
        metadata=output.metadata(root.get("output")),
        checks=sections.checks or (),
    )


def _check_size(recipe: Recipe, root: Node, findings: Findings) -> bool:
    """Report a recipe of too many jobs to look at one by one; True when it is small enough."""
    combinations = matrix.combinations(recipe)
    if combinations > MAX_COMBINATIONS:
        fault = f"has {combinations} combinations; at most {MAX_COMBINATIONS} are allowed"
    elif combinations > MAX_JOBS and (count := matrix.count_jobs(recipe)) > MAX_JOBS:
        fault = f"makes {count} jobs; at most {MAX_JOBS} are allowed"
    else:
        return True
    message = f"the recipe {fault}: split it"
    findings.error(start(root), code="too-many-jobs", path="", message=message)
    return False


def _check_names(recipe: Recipe, sections: _Sections, root: Node, findings: Findings) -> None:
    """Check the output names of all jobs, unless exclusions have errors."""
    if findings.errors:
        return
    given = _sub(root.get("output"), "name")
    mark = given.mark if given else start(root)
    output.check(recipe, sections.inputs or (), mark=mark, findings=findings)


def _not_silenced(findings: Findings, silence: Node | None) -> tuple[Diagnostic, ...]:
    codes = {item.text() for item in silence.items()} if silence else set()
    return tuple(found for found in findings.of(WARNING) if found.code not in codes)
