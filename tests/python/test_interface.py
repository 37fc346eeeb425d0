"""The Python interface: what a program that imports spark_batch is promised."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

import spark_batch
from spark_batch import project
from spark_batch.cli import merge, plan, rescue, resolve, retry, run, status, validate

# What a command prints, or asks, and what stands in place of other options.
OF_THE_TERMINAL = {
    "help",
    "yes",
    "as_json",
    "form",
    "markdown",
    "detailed_exitcode",
    "show_all",
    "by",
    "events",
    "open_it",
}
# Plans that are saved for a review, and comparisons with git, are for the command line.
OF_THE_COMMAND = {"plan", "out", "against"}


def test_everything_that_is_named_is_there() -> None:
    """`__all__` and what can be had are one; another name is an AttributeError."""
    assert all(getattr(spark_batch, name) is not None for name in spark_batch.__all__)
    with pytest.raises(AttributeError, match="no attribute 'paln'"):
        spark_batch.paln  # noqa: B018 - the look-up is what is tested


def test_a_notebook_offers_the_interface() -> None:
    """Whatever has been imported already, and no rooms of the package's own."""
    assert dir(spark_batch) == sorted(spark_batch.__all__)


@pytest.mark.parametrize("package", [spark_batch, project])
def test_type_checkers_find_the_names_that_can_be_imported(package: ModuleType) -> None:
    """The imports under TYPE_CHECKING and the names that are imported at first use are the same."""
    tree = ast.parse(Path(str(package.__file__)).read_text(encoding="utf-8"))
    imports = [
        alias.name
        for node in tree.body
        if isinstance(node, ast.If)
        for found in node.body
        if isinstance(found, ast.ImportFrom)
        for alias in found.names
    ]
    assert sorted(imports) == sorted(package.__all__)
    assert all(getattr(package, name) is not None for name in package.__all__)


def test_importing_it_costs_nothing() -> None:
    """Nothing heavy comes in before it is used."""
    code = "import spark_batch, sys; print(sorted(m for m in sys.modules if 'spark' in m))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['spark_batch', 'spark_batch.lazy']"


@pytest.mark.parametrize(
    ("function", "module"),
    [
        (spark_batch.validate, validate),
        (spark_batch.plan, plan),
        (spark_batch.run, run),
        (spark_batch.retry, retry),
        (spark_batch.rescue, rescue),
        (spark_batch.resolve, resolve),
        (spark_batch.merge, merge),
        (spark_batch.status, status),
    ],
)
def test_a_function_has_the_options_of_its_command(
    function: Callable[..., object], module: ModuleType
) -> None:
    """Under the same names; what only a terminal needs is left out."""
    options = {
        parameter.name
        for parameter in module.command.params
        if parameter.param_type_name == "option" and parameter.name is not None
    }
    keywords = {
        name
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }
    own = {"base", "on_event", "progress"}
    expected = options - OF_THE_TERMINAL - OF_THE_COMMAND
    if function is spark_batch.plan:
        expected -= {"max_cost"}  # the ceiling of a saved plan
    assert keywords - own == expected


@pytest.mark.parametrize("name", spark_batch.__all__)
def test_every_name_has_a_docstring(name: str) -> None:
    """`help` and a notebook show it."""
    found = getattr(spark_batch, name)
    if isinstance(found, type) or inspect.isfunction(found):
        assert inspect.getdoc(found)
