"""Faults that are put into the program on purpose, to see that the campaign finds them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import local
from types import MappingProxyType
from typing import IO, Any

from spark_batch import pictures
from spark_batch.checkpoint import Checkpoint
from spark_batch.checkpoint.store import Store
from spark_batch.client.outcomes import SubmitOutcome
from spark_batch.engine import Driver, fetching
from spark_batch.engine.effects import Call, Effect, Submit
from spark_batch.engine.events import Event
from spark_batch.engine.fetching import FetchWork
from spark_batch.jobs import State
from tests.campaign.wrapping import wrap


def take_as_not_sent(self: Checkpoint) -> int:
    """In place of `Checkpoint.mark_interrupted`: nothing that was being sent has been sent."""
    found = [
        attempt
        for attempt in self.open_attempts()
        if attempt.state is State.SUBMITTING and not attempt.not_accepted
    ]
    for attempt in found:
        self.not_accepted(attempt.id, "planted")
    return len(found)


def _resubmit_on_resume() -> None:
    """An interrupted attempt is treated as if it had never been sent."""
    wrap(Checkpoint, "mark_interrupted", lambda original: take_as_not_sent)


def _intent_after_post() -> None:
    """The intents are committed only when their POSTs have come back."""

    def around(original: Callable[..., Any]) -> Callable[..., Any]:
        def commit(self: Any, triggers: Any) -> tuple[list[Effect], list[Event]]:
            with self._checkpoint.transaction():
                effects, events = original(self, triggers)
                for effect in effects:
                    if isinstance(effect, Submit):
                        outcomes[effect.job.key] = self._send(effect.job)
            return effects, events

        return commit

    def answered(original: Callable[..., Any]) -> Callable[..., Any]:
        def start(self: Any, call: Call) -> None:
            if isinstance(call, Submit):
                self._calls.start(call, self._network, outcomes.pop, call.job.key)
            else:
                original(self, call)

        return start

    outcomes: dict[str, SubmitOutcome] = {}
    wrap(Driver, "_commit", around)
    wrap(Driver, "_start_call", answered)


def _straight_to_final_name() -> None:
    """A picture is downloaded to where it is to stand: not into memory, a part file after that."""
    of_thread = local()

    def arrived(original: Callable[..., Any]) -> Callable[..., Any]:
        def arrive(work: FetchWork, folder: Path | None, download: fetching.Download) -> Any:
            of_thread.target = work.layout.output_dir / f"{work.names.outputs[0]}.jpg"
            return original(work, folder, download)

        return arrive

    @contextmanager
    def straight(_: Path | None) -> Iterator[IO[bytes]]:
        of_thread.target.parent.mkdir(parents=True, exist_ok=True)
        with of_thread.target.open("w+b", buffering=0) as file:
            yield file

    wrap(fetching, "_arrived", arrived)
    wrap(fetching, "_waiting_room", lambda original: straight)


def _done_before_rename() -> None:
    """A picture gets its name only after the commit that says it is done."""
    waiting: list[tuple[Path, Path]] = []
    place = pictures.place

    def postpone(part: Path, target: Path) -> None:
        if target.suffix == ".jpg":
            waiting.append((part, target))
        else:
            place(part, target)

    def and_then(original: Callable[..., Any]) -> Callable[..., Any]:
        @contextmanager
        def transaction(self: Store) -> Iterator[None]:
            outermost = not self._depth
            with original(self):
                yield
            while outermost and waiting:
                place(*waiting.pop())

        return transaction

    wrap(pictures, "place", lambda original: postpone)
    wrap(Store, "transaction", and_then)


PLANTS: Mapping[str, Callable[[], None]] = MappingProxyType(
    {
        "resubmit-on-resume": _resubmit_on_resume,
        "intent-after-post": _intent_after_post,
        "straight-to-final-name": _straight_to_final_name,
        "done-before-rename": _done_before_rename,
    }
)
