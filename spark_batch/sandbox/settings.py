"""The settings of a sandbox."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from spark_batch import models
from spark_batch.models import Model
from spark_batch.sandbox.faults import Faults


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Settings of a sandbox.

    `folder` holds its state (ledger, input pictures, previews, secret) and is created if missing.
    `model` is the default model: that of a recipe without `model`, or the one that a caller gives;
    requests may name any other model of the schemas. `key` is the
    only bearer key that it accepts; None accepts any. `price` is in USD per picture. A task takes
    between the two `task_seconds`; its id decides how long. A result URL expires `url_seconds`
    after the poll that returned it. `seed` seeds the random choice of faults.
    """

    folder: Path
    model: Model = field(default_factory=models.default, repr=False)
    key: str | None = field(default=None, repr=False)
    price: Decimal = Decimal("0.03")
    task_seconds: tuple[float, float] = (0.4, 1.6)
    url_seconds: float = 86400
    faults: Faults = field(default_factory=Faults)
    seed: int = 0

    def serving(self, name: object) -> Model:
        """The model for a request that names it; the default one for an unknown name."""
        if isinstance(name, str) and name != self.model.name and name in models.names():
            return models.load(name)
        return self.model
