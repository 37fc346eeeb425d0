"""Read `model`: shipped models by name, and files of the user's own that describe one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from spark_batch import models
from spark_batch.models import Model, Models, schemas
from spark_batch.recipe import entries, yaml
from spark_batch.recipe.diagnostics import Findings, error_of
from spark_batch.recipe.model_parts import check_parts
from spark_batch.recipe.schema import check_by, plain_values
from spark_batch.recipe.yaml import Node
from spark_batch.text import quoted

_ENDING = ".json"  # of a path; no name of a model has one


def read_models(root: Node, base: Path, findings: Findings) -> Models:
    """The models that a recipe names, or the default one for a recipe that names none.

    Reports names that no model has, and errors in files; the rest of the recipe is then checked by
    the rules of the other models, or of the default one. Values that are not texts are
    left to the recipe's schema.
    """
    node = root.get("model")
    found: dict[str, Model] = {}
    for at, item in enumerate(() if node is None else node.items()):
        where = f"model[{at}]" if node is not None and item is not node else "model"
        model = _model(item, where, base, findings) if isinstance(item.value, str) else None
        if model is None:
            continue
        if model.name in found:
            message = f"the model {quoted(model.name)} is given twice; remove one"
            findings.error(item.mark, code="duplicate-value", path=where, message=message)
        found.setdefault(model.name, model)
    if node is not None:
        _check_formats(tuple(found.values()), node, findings)
    return models.of_recipe(*(found.values() or (models.default(),)))


def _check_formats(chosen: Sequence[Model], node: Node, findings: Findings) -> None:
    """Report models of which each takes other formats: no picture can be sent to all of them."""
    if len(chosen) > 1 and not models.of_recipe(*chosen).picture.formats:
        taken = ", ".join(f"{one.name} takes {' and '.join(one.picture.formats)}" for one in chosen)
        message = f"no format of pictures is taken by all models: {taken}; use a recipe for each"
        findings.error(node.mark, code="model", path="model", message=message)


def model_files(root: Node) -> Iterator[str]:
    """The paths of the recipe's own models, as it writes them."""
    node = root.get("model")
    for item in () if node is None else node.items():
        if isinstance(item.value, str) and _is_path(item.text()):
            yield item.text().strip()


def _is_path(text: str) -> bool:
    return text.strip().lower().endswith(_ENDING)


def _model(item: Node, where: str, base: Path, findings: Findings) -> Model | None:
    text = item.text()
    if _is_path(text):
        return _own_model(item, text.strip(), where, base, findings)
    known = models.names()
    if text in known:
        return models.load(text)
    hint = findings.suggestion(text, known) or f"; choose one of {', '.join(known)}"
    message = f"there is no model {quoted(text)}{hint}"
    findings.error(item.mark, code="value", path=where, message=message)
    return None


def _own_model(item: Node, text: str, where: str, base: Path, findings: Findings) -> Model | None:
    """The model that a file describes; errors in it have their line and column there."""
    if not entries.exists(item, text, where, base, findings):
        return None
    model, found = _described(base / text)
    findings.adopt(found)
    return model


def read_file(path: Path) -> Model:
    """The model that a file describes. Raises RecipeError with its errors."""
    model, findings = _described(path)
    if model is None:
        raise error_of(findings)
    return model


def _described(path: Path) -> tuple[Model | None, Findings]:
    root, found = yaml.read(path)
    if root is None:
        return None, found
    check_by(schemas.validator(schemas.MODEL), root, found)
    if not found.errors:
        check_parts(root, found)
    return (None if found.errors else models.build(plain_values(root))), found
