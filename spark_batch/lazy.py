"""Import the names of a package from their modules at first use (PEP 562)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module


def attributes(package: str, homes: Mapping[str, str]) -> Callable[[str], object]:
    """The `__getattr__` of `package`; `homes` lists the names by module below spark_batch.

    A name is an attribute of its module, or a module in it. mypy and readers find the same names
    in the package's imports under TYPE_CHECKING.
    """
    modules = {name: module for module, names in homes.items() for name in names.split()}

    def __getattr__(name: str) -> object:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        path = ".".join(filter(None, ("spark_batch", modules[name])))
        module = import_module(path)
        found: object = getattr(module, name, None)
        return import_module(f"{path}.{name}") if found is None else found

    return __getattr__
