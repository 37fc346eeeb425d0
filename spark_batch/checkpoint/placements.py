"""Where a recipe wants its pictures, and which files stand there.

Each method is one transaction. Attempts, which cost money, are `transitions`' alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from spark_batch.checkpoint.reading import CheckpointReader
from spark_batch.jobs import Job


class Placements(CheckpointReader):
    """A checkpoint's lines. Raises OutputError when the disk does not take them."""

    def enroll(self, jobs: Iterable[Job]) -> None:
        """Write down what the recipe wants now; what it no longer wants is left over.

        A placement whose key changed forgets its file: the picture there belongs to the old key.
        """
        with self.transaction():
            self._db.execute("UPDATE placement SET current = 0 WHERE current = 1")
            for position, job in enumerate(jobs):
                self._enroll(position, job)

    def _enroll(self, position: int, job: Job) -> None:
        picture = job.input.picture
        self._db.execute(
            "INSERT INTO request VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
            # A manifest, from which a request may have been adopted, does not tell the picture.
            " ON CONFLICT (key) DO UPDATE SET picture = excluded.picture, url = excluded.url,"
            " fit = excluded.fit WHERE picture IS NULL AND url IS NULL",
            (
                job.key,
                job.model,
                job.prompt.text,
                picture.sha256 if picture else None,
                job.input.url,
                job.seed,
                job.scale,
                job.size.width,
                job.size.height,
                job.take,
                job.input.fit,
            ),
        )
        self._db.execute(
            "INSERT INTO placement VALUES (?, ?, ?, ?, ?, ?, ?, 1, NULL, ?, ?, NULL)"
            " ON CONFLICT (output) DO UPDATE SET"
            " file = CASE WHEN key = excluded.key THEN file END,"
            " replaced = CASE WHEN key = excluded.key THEN replaced END, key = excluded.key,"
            " position = excluded.position, recipe = excluded.recipe, input = excluded.input,"
            " prompt_id = excluded.prompt_id, variables = excluded.variables,"
            " image = excluded.image, source = excluded.source, current = 1",
            (
                job.output,
                job.key,
                position,
                job.recipe,
                job.input.id,
                job.prompt.id,
                json.dumps(dict(job.prompt.variables)),
                job.input.image or None,
                job.prompt.source or None,
            ),
        )

    def placed(self, key: str, files: Mapping[str, str]) -> None:
        """Pictures of a job stand on disk: `files` gives the path with extension by output name."""
        with self.transaction():
            self._db.executemany(
                "UPDATE placement SET file = ?, replaced = NULL WHERE output = ? AND key = ?",
                [(file, output, key) for output, file in files.items()],
            )

    def stand_in(self, key: str, files: Mapping[str, int]) -> None:
        """Files of other bytes stay in the places of a job's picture: `files` gives their bytes.

        The picture itself is no longer to be had, and what stands there is somebody's work.
        """
        with self.transaction():
            self._db.executemany(
                "UPDATE placement SET replaced = ? WHERE output = ? AND key = ?",
                [(size, output, key) for output, size in files.items()],
            )

    def adopt_line(self, line: Mapping[str, object]) -> None:
        """A line of an older recipe that another file tells of: its row of placement, by column.

        A line with the same key stays as it is.
        """
        with self.transaction():
            query = "DELETE FROM placement WHERE output = ? AND key <> ?"
            self._db.execute(query, (line["output"], line["key"]))
            self._insert("INSERT OR IGNORE", "placement", line)

    def _insert(self, verb: str, table: str, cells: Mapping[str, object]) -> int:
        names = ", ".join(cells)
        holes = ", ".join("?" for _ in cells)
        statement = f"{verb} INTO {table} ({names}) VALUES ({holes})"
        return self._db.execute(statement, tuple(cells.values())).lastrowid or 0
