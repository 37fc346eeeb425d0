"""Load a recipe: parse, check against the schema, read its sections, build its blocks of jobs.

`load` is the whole pipeline; its steps follow in the order of their calls. An error does not stop
it where it can go on: parts with errors are left out, and references to them are not checked, so
that one run reports every error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from spark_batch.errors import PictureError
from spark_batch.jobs import Block, Fit, Picture, Recipe, matrix
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
    rows,
    rules,
    variants,
    warnings,
)
from spark_batch.recipe.diagnostics import NOTE, WARNING, Diagnostic, Findings, error_of
from spark_batch.recipe.globs import FindGenerated, Surroundings, nothing_generated
from spark_batch.recipe.inputs import Fetch, Fetched, Probe
from spark_batch.recipe.own_models import model_files, read_models
from spark_batch.recipe.prompts import PromptEntry
from spark_batch.recipe.schema import check, start
from spark_batch.recipe.yaml import Node
from spark_batch.text import quoted

MAX_JOBS = 1_000_000
MAX_COMBINATIONS = 10 * MAX_JOBS  # before what is excluded is dropped

T = TypeVar("T")

ProbeByRules = Callable[[Path, Fit | None, PictureRules], Picture]


# Gives the picture at an address of an object store as a file below the output folder, its pixels
# unchecked, or raises PictureError.
FetchByRules = Callable[[str, Path, Fit | None, PictureRules], Fetched]


def nothing_fetched(address: str, output: Path, fit: Fit | None, rules: PictureRules) -> Fetched:
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
    fetch: FetchByRules = nothing_fetched,
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
    if "" in broken and not root.keys:
        raise error_of(findings)
    sections = _Sections(
        root,
        path,
        models,
        broken,
        findings,
        probe=_probing(probe, models),
        find=find,
        fetch=_fetching(fetch, models.picture),
    )
    blocks = sections.blocks()
    recipe = None if findings.errors or broken else sections.recipe(blocks)
    if recipe is not None and _check_size(recipe, root, findings):
        inclusions.check_inclusions(recipe, root.get("include"), findings)
        rules.check_exclusions(recipe, root.get("exclude"), findings)
        sections.check_names(recipe)
        checks.warn(root.get("checks"), recipe.checks, recipe.blocks, findings)
    if recipe is None or findings.errors:
        raise error_of(findings)
    return Loaded(recipe, _not_silenced(findings, root.get("silence")), findings.of(NOTE))


def _fetching(fetch: FetchByRules, rules: PictureRules) -> Fetch:
    """What reads the picture at an address, if `output` has no errors."""

    def fetch_input(address: str, output: Path | None, fit: Fit | None) -> Fetched:
        if output is None:
            raise PictureError(f"{address} is not read: `output` has errors")
        return fetch(address, output, fit, rules)

    return fetch_input


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


class _Sections:
    """The sections of a recipe; None where one has errors against the schema, `broken`.

    `doubtful` are the sections with errors of any kind, whose intended content is not known.
    """

    def __init__(
        self,
        root: Node,
        path: Path,
        models: Models,
        broken: frozenset[str],
        findings: Findings,
        *,
        probe: Probe,
        find: FindGenerated,
        fetch: Fetch,
    ) -> None:
        """Read the sections, the table first: the methods that read one use those before it."""
        base = path.parent
        self._root, self._path, self._base = root, path, base
        self._models, self._broken, self._findings = models, broken, findings
        self._doubtful = set(broken)
        named = self._whole("rows")
        self._table = None if named is None else rows.open_table(named, base, models, findings)
        # The table whose rows the recipe's prompts are for: one that has none of its own.
        self._of_rows = self._table if self._table and not self._table.has_prompts else None
        self._name = self._section("name", self._read_name)
        self._folder = self._section("output", self._read_folder)
        self._prompts = self._section("prompts", self._read_prompts)
        names = self._names()
        self._template = self._section(
            "output", lambda node: output.template(_sub(node, "name"), names, findings)
        )
        self._variants = self._section(
            "variants", lambda node: per_input.of_models(node, models, findings)
        )
        self._checks = self._section("checks", lambda node: checks.read(node, names, findings))
        around = Surroundings(base, self._folder, self._name, find)
        self._probe = probe
        self._inputs = self._section(
            "inputs",
            lambda node: (
                node and inputs.read(node, around, probe=probe, fetch=fetch, findings=findings)
            ),
        )
        before = findings.errors
        self._own = per_input.read(self._inputs or (), models, findings)
        if findings.errors > before:
            self._doubtful.add("variants")
        self._check_urls()
        variants.check_prices(self._whole("price"), models, findings)
        self._warn()

    def _whole(self, key: str) -> Node | None:
        """A section without errors against the schema."""
        return None if key in self._broken else self._root.get(key)

    def _section(self, key: str, read: Callable[[Node | None], T]) -> T | None:
        if key in self._broken:
            return None
        before = self._findings.errors
        value = read(self._root.get(key))
        if self._findings.errors > before:
            self._doubtful.add(key)
        return value

    def _read_name(self, node: Node | None) -> str | None:
        fault = ids.fault(node.text()) if node else None
        if node is None or fault is None:
            return node.text() if node else None
        message = f"the name {quoted(node.text())} {fault}"
        self._findings.error(node.mark, code="id", path="name", message=message)
        return None

    def _read_folder(self, node: Node | None) -> Path | None:
        given = _sub(node, "dir")
        if given is None and self._name is None:
            return None
        name = self._name or ""
        return output.folder(given, base=self._base, name=name, findings=self._findings)

    def _read_prompts(self, node: Node | None) -> tuple[PromptEntry, ...] | None:
        """The prompts; for the rows of a table that has none they may use its columns."""
        if node is None or self._is_unread():
            return None
        columns = tuple(self._of_rows.free.values()) if self._of_rows else None
        return prompts.read(node, self._models, self._findings, columns)

    def _is_unread(self) -> bool:
        """Whether errors hide the columns of a table."""
        return self._of_rows is not None and self._of_rows.has_errors

    def _names(self) -> list[str] | None:
        """The names of all variables and further parameters; None where they are not known."""
        if "prompts" in self._broken or self._is_unread():
            return None
        own = (name for entry in self._prompts or () for name in entry.variables)
        columns = self._table.free.values() if self._table else ()
        return [*self._models.further, *own, *columns]

    def _check_urls(self) -> None:
        """Report URLs of pictures for a model that takes files alone."""
        names = " and ".join(one.name for one in self._models.chosen if one.fields.url is None)
        for picture in self._inputs or () if names else ():
            if picture.input.url is not None:
                message = f"no URL can be sent to {names}; save the picture and give its path"
                mark, where = picture.node.mark, picture.where
                self._findings.error(mark, code="url", path=where, message=message)

    def _warn(self) -> None:
        texts, models, findings = self._prompts or (), self._models, self._findings
        warnings.prompts(texts, models, findings)
        columns = self._of_rows.spellings if self._of_rows else {}
        warnings.placeholders(texts, columns, findings)
        warnings.parameter_texts(self._whole("variants"), models, findings)
        warnings.commas(self._whole("prompts"), findings)

    def blocks(self) -> tuple[Block, ...]:
        """The recipe's matrix, then each entry of `include` and each row, with a block a model.

        The matrix has no inputs and prompts in a recipe of rows alone, and is then left out.
        """
        models, findings, listed = self._models, self._findings, self._inputs or ()
        axes = self._variants or per_input.of_models(None, models, findings)
        values = per_input.values(axes, listed, self._own)
        texts = tuple(prompt for entry in self._prompts or () for prompt in entry.prompts)
        known = self._known()
        blocks: tuple[Block, ...] = ()
        if (listed and texts) or known.doubtful:
            apart = rules.apart(self._prompts or (), known, findings)
            main = per_input.blocks(values, listed, texts, findings)
            excludes = rules.exclusions(self._certain("exclude"), main, known, findings)
            main = tuple(replace(block, apart=apart, excludes=excludes) for block in main)
            include = self._certain("include")
            blocks = (*main, *inclusions.inclusions(include, main, listed, known, findings))
            if not findings.errors:
                inclusions.check_required(blocks, self._root, findings)
        warnings.inputs(listed, blocks, models, findings)
        return (*blocks, *self._row_blocks(blocks, values))

    def _certain(self, key: str) -> Node | None:
        """A section without any errors."""
        return None if key in self._doubtful else self._root.get(key)

    def _row_blocks(self, blocks: tuple[Block, ...], values: per_input.Values) -> tuple[Block, ...]:
        table, named = self._table, self._certain("rows")
        if table is None or named is None:
            return ()
        self._check_roles()
        given = rows.Given(
            blocks,
            values,
            self._models,
            self._base,
            named.text().strip(),
            inputs_valid="inputs" not in self._doubtful,
            prompts=(self._prompts or ()) if self._of_rows else (),
            template=self._template,
            findings=self._findings,
        )
        return rows.read(table, given, listed=self._inputs or (), probe=self._probe)

    def _check_roles(self) -> None:
        """Report prompts that nothing uses, and rules about a matrix that does not exist."""
        given = self._root.get("prompts")
        if given is not None and not self._of_rows and self._root.get("inputs") is None:
            message = (
                "the table has its own prompts, and no inputs use these; remove these, or add"
                " inputs"
            )
            self._findings.error(given.mark, code="rows", path="prompts", message=message)
        for key in ("exclude", "include") if self._of_rows else ():
            if (rule := self._root.get(key)) is not None:
                message = (
                    "the prompts are for the table's rows, where this does not apply; remove it"
                )
                self._findings.error(rule.mark, code="rows", path=key, message=message)

    def _known(self) -> ids.Known:
        """The ids of inputs and prompts, including those of entries with errors."""
        listed, doubtful = self._inputs or (), self._doubtful
        input_ids: tuple[str, ...] | None = tuple(picture.input.id for picture in listed)
        prompt_ids: tuple[str, ...] | None = tuple(entry.id for entry in self._prompts or ())
        if "inputs" in doubtful:
            input_ids = inputs.possible(self._root.get("inputs"), listed)
        if "prompts" in doubtful:
            prompt_ids = prompts.possible(self._root.get("prompts"))
        return ids.Known(
            input_ids, prompt_ids, frozenset(doubtful & {"inputs", "prompts", "variants"})
        )

    def recipe(self, blocks: tuple[Block, ...]) -> Recipe | None:
        """The recipe of sections without errors; None if one is missing that it needs."""
        if self._name is None or self._folder is None or self._template is None:
            return None
        root = self._root
        return Recipe(
            path=self._path,
            name=self._name,
            models=self._models,
            blocks=blocks,
            output_dir=self._folder,
            output_name=self._template,
            run=variants.run(root.get("run")),
            prices=variants.prices(root.get("price"), self._models),
            metadata=output.metadata(root.get("output")),
            checks=self._checks or (),
        )

    def check_names(self, recipe: Recipe) -> None:
        """Check the output names of all jobs, unless exclusions have errors."""
        if not self._findings.errors:
            given = _sub(self._root.get("output"), "name")
            mark = given.mark if given else start(self._root)
            output.check(recipe, self._inputs or (), mark=mark, findings=self._findings)


def _sub(node: Node | None, key: str) -> Node | None:
    return node.get(key) if node is not None else None


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


def _not_silenced(findings: Findings, silence: Node | None) -> tuple[Diagnostic, ...]:
    codes = {item.text() for item in silence.items()} if silence else set()
    return tuple(found for found in findings.of(WARNING) if found.code not in codes)
