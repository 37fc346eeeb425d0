"""Validating recipes of 50 000 lines, against reading them."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from PIL import Image

from spark_batch import pictures, recipe
from spark_batch.recipe.yaml import read

LINES = 50_000
HEAD = "version: 1\nname: big\ninputs: [photo.jpg]\n"


def recipes() -> dict[str, str]:
    """Recipes whose lines are of one kind each."""
    texts = "".join(f"  - Make it {n}\n" for n in range(LINES))
    mappings = "".join(f"  - id: p{n}\n    text: Make it {n}\n" for n in range(LINES // 2))
    variables = "".join(
        f"  - id: p{n}\n    text: Make ${{a}} {n}\n    vars: {{a: [x]}}\n"
        for n in range(LINES // 3)
    )
    seeds = "".join(f"    - {n}\n" for n in range(1, LINES))
    return {
        "prompts as texts": f"{HEAD}prompts:\n{texts}",
        "prompts as mappings": f"{HEAD}prompts:\n{mappings}",
        "prompts with variables": f"{HEAD}prompts:\n{variables}",
        "seeds": f"{HEAD}prompts: [Make it red]\nvariants:\n  seed:\n{seeds}",
    }


def main() -> None:
    """Print seconds and ratios."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        Image.new("RGB", (2000, 1500), (200, 120, 40)).save(folder / "photo.jpg")
        for kind, text in recipes().items():
            path = folder / "recipe.yaml"
            path.write_text(text)
            start = time.perf_counter()
            read(path)
            reading = time.perf_counter() - start
            start = time.perf_counter()
            recipe.load(path, probe=pictures.probe)
            loading = time.perf_counter() - start
            print(
                f"{kind}: read in {reading:.2f} s, validated in {loading:.2f} s,"
                f" ratio {loading / reading:.1f}, {loading - reading:.2f} s more"
            )


if __name__ == "__main__":
    main()
