"""The methods that change a checkpoint: one method is one transition and one commit.

The caller decides the order of writes: the intent before the POST, the id before the first poll,
done after the rename (spark_batch/README.md, "States of an attempt"). A transition from a state
that does not allow it raises CheckpointError and writes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from decimal import Decimal
from itertools import chain
from pathlib import Path

from spark_batch.checkpoint.attempt_rows import renumber
from spark_batch.checkpoint.lines import COLUMNS, cells, current_lines
from spark_batch.checkpoint.queries import CheckpointReader
from spark_batch.checkpoint.rows import parameters_text
from spark_batch.checkpoint.schema import NAME_TAKEN, TAKEN_UP
from spark_batch.checkpoint.store import Clock, Store, utc_now
from spark_batch.errors import CheckpointError
from spark_batch.jobs import NO_USAGE, Job, Picture, Result, State, Usage
from spark_batch.jobs.checks import CheckResult, results_text

_SUBMITTING = (State.SUBMITTING,)
_ENDS = (State.FAILED, State.UNCERTAIN)  # another attempt may now decide the job's status
_INTERRUPTED = "the run ended after it sent the request and before it recorded the answer"


class Checkpoint(CheckpointReader):
    """A checkpoint that can be written. Its methods raise OutputError when the disk refuses."""

    @staticmethod
    def open(path: Path, *, clock: Clock = utc_now) -> Checkpoint:
        """Open `path`, or create it, and hold its lock. Raises as `Store.open` does."""
        return Checkpoint(Store.open(path, clock=clock))

    @staticmethod
    def copy_to_memory(path: Path) -> Checkpoint:
        """Copy `path` into memory, to read for long or to write without touching the file.

        Raises CheckpointDamaged and CheckpointError as `CheckpointReader.open_readonly` does.
        """
        return Checkpoint(Store.copy_to_memory(path))

    @staticmethod
    def blank(*, clock: Clock = utc_now) -> Checkpoint:
        """An empty checkpoint in memory, without a file."""
        return Checkpoint(Store.blank(clock=clock))

    def transaction(self) -> AbstractContextManager[None]:
        """Commit the block's writes together; see `Store.transaction`."""
        return self.store.transaction()

    def sync_jobs(self, jobs: Iterable[Job]) -> None:
        """Update the placements to the recipe's jobs; those of other jobs are left over.

        A placement whose key changed forgets its file: the picture there belongs to the old key,
        whose history gets the event NAME_TAKEN. Writes from the first placement on that differs, so
        that the file stays the same when nothing has changed.
        """
        numbered = enumerate(jobs)
        with self.transaction():
            last, changed = (-1, ""), list[tuple[int, Job]]()
            lines = current_lines(self)
            for position, job in numbered:
                if next(lines, None) != (*cells(position, job), 1):
                    changed.append((position, job))
                    break
                last = position, job.output
            lines.close()
            self.store.execute(
                "UPDATE placement SET current = 0"
                " WHERE current = 1 AND (position, output) > (?, ?)",
                last,
            )
            for position, job in chain(changed, numbered):
                self._sync_job(position, job)

    def _sync_job(self, position: int, job: Job) -> None:
        picture = job.input.picture
        self.store.execute(
            "INSERT INTO request VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
            # A request that was adopted from a manifest does not have its picture.
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
                parameters_text(job.request.parameters),
            ),
        )
        self.store.execute(
            "INSERT INTO event SELECT a.id, ?, ?, p.output"
            " FROM placement p JOIN attempt a ON a.key = p.key"
            " WHERE p.output = ? AND p.key <> ? AND p.file IS NOT NULL AND a.sha256 IS NOT NULL"
            " ORDER BY a.number DESC LIMIT 1",
            (self.store.now(), NAME_TAKEN, job.output, job.key),
        )
        self.store.execute(
            f"INSERT INTO placement ({', '.join(COLUMNS)}, current)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 1)"
            " ON CONFLICT (output) DO UPDATE SET"
            " file = CASE WHEN key = excluded.key THEN file END,"
            " replaced = CASE WHEN key = excluded.key THEN replaced END, key = excluded.key,"
            " position = excluded.position, recipe = excluded.recipe, input = excluded.input,"
            " prompt_id = excluded.prompt_id, variables = excluded.variables,"
            " image = excluded.image, source = excluded.source, current = 1",
            cells(position, job),
        )

    def placed(self, key: str, files: Mapping[str, str]) -> None:
        """Record the files of a job's picture: paths with extension, by output name."""
        with self.transaction():
            self.store.executemany(
                "UPDATE placement SET file = ?, replaced = NULL WHERE output = ? AND key = ?",
                [(file, output, key) for output, file in files.items()],
            )

    def stand_in(self, key: str, files: Mapping[str, int]) -> None:
        """Record files of other bytes that stay at a job's names: their sizes, by output name.

        The picture itself is lost, and those files are somebody's work.
        """
        with self.transaction():
            self.store.executemany(
                "UPDATE placement SET replaced = ? WHERE output = ? AND key = ?",
                [(size, output, key) for output, size in files.items()],
            )

    def adopt_line(self, line: Mapping[str, object]) -> None:
        """Insert a line from another file, by the columns of its placement.

        A line that has the same name and key already stays as it is.
        """
        with self.transaction():
            query = "DELETE FROM placement WHERE output = ? AND key <> ?"
            self.store.execute(query, (line["output"], line["key"]))
            self.store.insert("INSERT OR IGNORE", "placement", line)

    def begin_attempt(
        self,
        key: str,
        *,
        number: int,
        reserved: Decimal | None,
        api: str,
        commit: str | None = None,
    ) -> int:
        """Insert an attempt that is about to be sent; call it before the POST. Returns its id.

        `commit` is the recipe's commit in git.
        """
        cells = {
            "key": key,
            "number": number,
            "state": State.SUBMITTING.value,
            "reserved": _text(reserved),
            "api": api,
            "submitted_at": self.store.now(),
            "recipe_commit": commit,
        }
        with self.transaction():
            attempt = self.store.insert("INSERT", "attempt", cells)
            self._note(attempt, "submitting", None)
        return attempt

    def not_accepted(self, attempt: int, reason: str) -> None:
        """Record that the API cannot have received the request, or did not accept it."""
        self._move(attempt, State.SUBMITTING, _SUBMITTING, reason, what="unsent", unsent=1)

    def resend(self, attempt: int, *, reserved: Decimal | None) -> None:
        """Record that an attempt that was not accepted is about to be sent again."""
        self._move(
            attempt,
            State.SUBMITTING,
            _SUBMITTING,
            unsent=0,
            reserved=_text(reserved),
            submitted_at=self.store.now(),
        )

    def submitted(self, attempt: int, task_id: str) -> None:
        """Record the task that the API created; call it before the first poll."""
        self._move(attempt, State.RUNNING, _SUBMITTING, task_id, task_id=task_id)

    def uncertain(self, attempt: int, reason: str) -> None:
        """Record that it is unknown whether there is a task, or that the API does not know it."""
        allowed = (State.SUBMITTING, State.RUNNING)
        self._move(attempt, State.UNCERTAIN, allowed, reason, error_message=reason)

    def fail(
        self, attempt: int, *, code: str | None, message: str, again: str, usage: Usage = NO_USAGE
    ) -> None:
        """Record that the API refused the request, or the task failed.

        `again` is as in `ErrorCode.again`; `usage` is the cost of the failed task, if any. Without
        one, a recorded cost stays. A task may fail that was completed and has named no picture.
        """
        reason = f"{code}: {message}" if code else message
        paid = _cost_text(usage)
        self._move(
            attempt,
            State.FAILED,
            (State.SUBMITTING, State.RUNNING, State.FETCHING),
            f"{reason}; {paid}" if paid else reason,
            error_code=code,
            error_message=message,
            again=again,
            completed_at=self.store.now(),
            columns=_reported(usage),
            condition="(state <> 'fetching' OR url = '')",
        )

    def fetching(self, attempt: int, result: Result) -> None:
        """Record the result of a completed task: the URL of its picture, and the cost.

        Also for a fresh URL of an attempt that is fetching already: an answer without the cost does
        not remove the recorded one.
        """
        self._move(
            attempt,
            State.FETCHING,
            (State.RUNNING, State.FETCHING),
            _cost_text(result.usage),
            url=result.url,
            told_bytes=result.bytes,
            remote_job_id=result.remote_job_id,
            columns=_reported(result.usage),
        )

    def done(
        self,
        attempt: int,
        picture: Picture,
        files: dict[str, str],
        *,
        suspect: str | None = None,
        checks: Sequence[CheckResult] = (),
        received: str | None = None,
    ) -> None:
        """Record that the picture is on disk under its final names: `files` by output name.

        `suspect` is what is odd about it, `checks` are the results of the recipe's checks; a
        flagged picture is never paid for again by itself. `received` is the SHA-256 of the download
        if metadata have changed it.
        """
        with self.transaction():
            self._move(
                attempt,
                State.DONE,
                (State.FETCHING,),
                picture.sha256,
                url=None,
                suspect=suspect,
                checks=results_text(checks),
                received_sha256=received,
                completed_at=self.store.now(),
                columns=_picture_columns(picture),
            )
            self.placed(self._key(attempt), files)

    def refetched(
        self, attempt: int, picture: Picture, files: dict[str, str], *, received: str | None = None
    ) -> None:
        """Record that a missing or lost picture of a paid attempt has been fetched or found.

        `received` is as in `done`, also for a picture that was found.
        """
        with self.transaction():
            self._move(
                attempt,
                State.DONE,
                (State.DONE, State.FETCHING),
                picture.sha256,
                what="refetched",
                lost=0,
                pruned=0,
                error_message=None,
                received_sha256=received,
                columns=_picture_columns(picture),
            )
            self.store.execute(  # an attempt that was lost before its picture arrived has no time
                "UPDATE attempt SET completed_at = ? WHERE id = ? AND completed_at IS NULL",
                (self.store.now(), attempt),
            )
            self.placed(self._key(attempt), files)

    def checked(self, attempt: int, checks: Sequence[CheckResult]) -> None:
        """Record new results of the recipe's checks on a finished picture."""
        failed = [result.check for result in checks if not result.passed]
        summary = f"failed: {', '.join(failed)}" if failed else "passed"
        found = results_text(checks)
        self._move(attempt, None, (State.DONE,), summary, what="checked", checks=found)

    def note_resumed(self, attempt: int) -> None:
        """Record that a run resumed a task, so that its duration is not used for estimates."""
        with self.transaction():
            self._note(attempt, TAKEN_UP, None)

    def use_plan(self, plan: str) -> None:
        """Record that a saved plan is used; call it before anything is sent."""
        with self.transaction():
            self.store.execute("INSERT INTO used_plan VALUES (?, ?)", (plan, self.store.now()))

    def expire(self, attempt: int, reason: str) -> None:
        """Record that a paid picture is not on disk, and the API no longer has it."""
        self._move(
            attempt,
            None,
            (State.DONE, State.FETCHING),
            reason,
            what="lost",
            lost=1,
            error_message=reason,
        )

    def prune(self, attempt: int) -> None:
        """Record that a picture is deleted on purpose: no run fetches it; its cost still counts."""
        with self.transaction():
            self._move(attempt, None, (State.DONE,), what="pruned", pruned=1)
            self.store.execute(
                "UPDATE placement SET file = NULL, replaced = NULL WHERE key = ?",
                (self._key(attempt),),
            )

    def unprune(self, attempt: int) -> None:
        """Undo `prune`: the next run fetches the picture."""
        self._move(attempt, None, (State.DONE,), what="no longer pruned", pruned=0)

    def forget_file(self, key: str, output: str) -> None:
        """Record that a job's file under one name was deleted; another name has the picture."""
        with self.transaction():
            query = "UPDATE placement SET file = NULL, replaced = NULL WHERE key = ? AND output = ?"
            self.store.execute(query, (key, output))

    def found_task(self, attempt: int, task_id: str) -> None:
        """Record the task of an uncertain attempt, which the user or a manifest names."""
        self._move(
            attempt,
            State.RUNNING,
            (State.UNCERTAIN,),
            task_id,
            what="task found",
            task_id=task_id,
            error_message=None,
        )

    def settle_not_charged(self, attempt: int) -> None:
        """Record the user's word that an uncertain attempt made no task: it may be sent again."""
        self._move(
            attempt,
            State.FAILED,
            (State.UNCERTAIN,),
            "the user says that it was not charged",
            settled="not-charged",
            again="create",
            completed_at=self.store.now(),
        )

    def settle_resubmit(self, attempt: int) -> None:
        """Record that the user wants the job again; the uncertain attempt counts as spent."""
        self._move(
            attempt,
            None,
            (State.UNCERTAIN,),
            "the user asks for the job again, though it may be paid for",
            what="settled",
            settled="resubmit",
        )

    def adopt(self, request: Mapping[str, object], attempt: Mapping[str, object]) -> None:
        """Insert an attempt from another file, and its request, by their columns.

        A request that is there already stays as it is.
        """
        with self.transaction():
            self.store.insert("INSERT OR IGNORE", "request", request)
            taken = self.store.insert("INSERT", "attempt", attempt)
            self._note(taken, "adopted", "from the manifest")

    def mark_interrupted(self) -> int:
        """At start: mark attempts that were being sent as uncertain. Returns how many."""
        query = "SELECT id FROM attempt WHERE state = ? AND unsent = 0"
        with self.transaction():
            rows = self.store.execute(query, (State.SUBMITTING.value,)).fetchall()
            for row in rows:
                self.uncertain(row["id"], _INTERRUPTED)
        return len(rows)

    def poll_unknown_again(self) -> None:
        """At start: poll tasks again that the API did not know, which costs nothing."""
        query = (
            "SELECT id, task_id FROM attempt"
            " WHERE state = ? AND task_id IS NOT NULL AND settled IS NULL"
        )
        with self.transaction():
            for row in self.store.execute(query, (State.UNCERTAIN.value,)).fetchall():
                self.found_task(row["id"], row["task_id"])

    def _key(self, attempt: int) -> str:
        (key,) = self.store.execute("SELECT key FROM attempt WHERE id = ?", (attempt,)).fetchone()
        return str(key)

    def _note(self, attempt: int, what: str, detail: str | None) -> None:
        values = (attempt, self.store.now(), what, detail)
        self.store.execute("INSERT INTO event VALUES (?, ?, ?, ?)", values)

    def _move(
        self,
        attempt: int,
        to: State | None,
        allowed: tuple[State, ...],
        detail: str | None = None,
        *,
        what: str | None = None,
        columns: Mapping[str, object] | None = None,
        condition: str = "1",
        **further: object,
    ) -> None:
        """Move an attempt from one of the `allowed` states to `to`, or only set its columns.

        `condition` is a further one, in SQL.
        """
        columns = {**(columns or {}), **further}
        if to is not None:
            columns["state"] = to.value
        sets = ", ".join(f"{name} = ?" for name in columns)
        states = ", ".join("?" for _ in allowed)
        with self.transaction():
            cursor = self.store.execute(
                f"UPDATE attempt SET {sets} WHERE id = ? AND state IN ({states}) AND {condition}",
                (*columns.values(), attempt, *(state.value for state in allowed)),
            )
            if cursor.rowcount != 1:
                raise CheckpointError(
                    f"attempt {attempt} cannot become {what or (to and to.value)} from its state"
                )
            self._note(attempt, what or (to.value if to else "changed"), detail)
            if to in _ENDS or what == "lost":
                renumber(self, self._key(attempt))


def _reported(usage: Usage) -> dict[str, object]:
    """The columns of what the API reported; it does not remove what it reported before."""
    columns = {
        "cost": _text(usage.cost),
        "discount": _text(usage.discount),
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
        "generated_images": usage.generated_images,
    }
    return {name: value for name, value in columns.items() if value is not None}


def _picture_columns(picture: Picture) -> dict[str, object]:
    return {
        "format": picture.format,
        "width": picture.width,
        "height": picture.height,
        "bytes": picture.bytes,
        "sha256": picture.sha256,
    }


def _cost_text(usage: Usage) -> str | None:
    """A cost as the history shows it."""
    return usage.other if usage.cost is None else f"{usage.cost} USD"


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else format(amount, "f")
