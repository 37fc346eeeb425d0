"""The settings of a sandbox."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from spark_batch import models
from spark_batch.models import Model, Models
from spark_batch.sandbox.faults import Faults


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Settings of a sandbox.

    `folder` holds its state (ledger, input pictures, previews, secret) and is created if missing.
    `models` are served beside those that are shipped; requests name theirs. `key` is the
    only bearer key that it accepts; None accepts any. `price` is in USD per picture. A task takes
    between the two `task_seconds`; its id decides how long. A result URL expires `url_seconds`
    after the poll that returned it. `seed` seeds the random choice of faults.
    """

    folder: Path
    models: Models = field(default_factory=lambda: models.of_recipe(models.default()), repr=False)
    key: str | None = field(default=None, repr=False)
    price: Decimal = Decimal("0.03")
    task_seconds: tuple[float, float] = (0.4, 1.6)
    url_seconds: float = 86400
    faults: Faults = field(default_factory=Faults)
    seed: int = 0

    def shown_model(self, name: str) -> str:
        """A model's name on previews: where it is not the default one, or one of several."""
        several = len(self.models.chosen) > 1
        return name if several or name != models.default().name else ""

    def serving(self, name: object) -> Model | None:
        """The model for a request that names it; None for an unknown name."""
        if not isinstance(name, str):
            return None
        found = self.models.of(name)
        return found if found.name == name else None
