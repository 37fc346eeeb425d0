"""Runs against a real sandbox over real HTTP: what is made, what is paid, what is left."""

from __future__ import annotations

import hashlib
import shutil
import threading
from dataclasses import replace
from decimal import Decimal

import pytest

from spark_batch.checkpoint import Checkpoint
from spark_batch.client.outcomes import Made, SubmitOutcome
from spark_batch.engine import Driver, waits
from spark_batch.engine.events import Done, Event, Failed, Halted, Submitted
from spark_batch.errors import ExitCode, OutputError
from spark_batch.jobs import Job, matrix
from tests.engine.conftest import MakeWorld, World, a_photo


def pictures_of(world: World) -> list[str]:
    """The pictures on disk, below the output folder."""
    found = [p for p in world.out.rglob("*.jpg") if ".spark-batch" not in p.parts]
    return sorted(str(path.relative_to(world.out)) for path in found)


def kept(world: World) -> list[str]:
    """What made room for something else."""
    return [path.name for path in (world.out / ".spark-batch" / "kept").glob("*")]


def test_a_recipe_becomes_pictures(make_world: MakeWorld) -> None:
    """Each job is one task, one picture with its recorded hash, one price."""
    world = make_world()
    tally = world.run()
    assert (tally.done, tally.created, tally.spent) == (2, 2, Decimal("0.06"))
    assert tally.exit_code() is ExitCode.DONE
    for record in world.records():
        content = (world.out / record.file).read_bytes()
        assert hashlib.sha256(content).hexdigest() == record.attempt.picture.sha256
        assert (record.attempt.picture.width, record.attempt.picture.height) == (512, 512)
    assert not list((world.out / ".spark-batch" / "parts").iterdir())
    world.check_books()


def test_a_second_run_asks_nothing(make_world: MakeWorld) -> None:
    """Nothing is to be done, and the server hears nothing."""
    world = make_world()
    world.run()
    before = pictures_of(world)
    tally = world.run()
    assert (tally.done, tally.created, world.events) == (0, 0, [])
    assert pictures_of(world) == before
    assert len(world.fingerprints()) == 2


def test_a_changed_prompt_makes_just_its_jobs_and_keeps_the_old_picture(
    make_world: MakeWorld,
) -> None:
    """The other jobs stand; the picture that is replaced under its name is not lost."""
    world = make_world()
    world.run()
    (block,) = world.recipe.blocks
    before = {name: (world.out / name).read_bytes() for name in pictures_of(world)}
    changed = replace(block.prompts[0], text="Beach at night")
    old = replace(block, prompts=(changed, block.prompts[1]))
    first = world.recipe
    world.recipe = replace(world.recipe, blocks=(old,))
    assert world.run().created == 1
    assert len(kept(world)) == 1
    assert {name: (world.out / name).read_bytes() for name in pictures_of(world)} != before
    world.recipe = first
    tally = world.run()
    assert (tally.created, tally.done) == (0, 1)
    assert {name: (world.out / name).read_bytes() for name in pictures_of(world)} == before
    assert len(kept(world)) == 2
    assert len(world.fingerprints()) == 3


def test_a_deleted_picture_is_fetched_again_without_a_new_task(make_world: MakeWorld) -> None:
    """While the result is to be had the task is asked again, and the same bytes come back."""
    world = make_world()
    world.run()
    name = pictures_of(world)[0]
    before = (world.out / name).read_bytes()
    (world.out / name).unlink()
    tally = world.run()
    assert (tally.done, tally.created) == (1, 0)
    assert (world.out / name).read_bytes() == before
    assert len(world.fingerprints()) == 2


def test_a_deleted_picture_whose_result_is_gone_is_lost_and_made_anew_by_retry(
    make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told, never paid again by itself, and `retry` makes it."""
    world = make_world(script={"poll": [None, None, "404"]})
    monkeypatch.setattr(waits, "UNKNOWN_AFTER", 0.0)
    world.run()
    (world.out / pictures_of(world)[0]).unlink()
    tally = world.run()
    assert (tally.expired, tally.exit_code()) == (1, ExitCode.FAILED)
    assert sorted(world.statuses()) == ["done", "expired"]
    assert world.run().created == 0
    assert world.run(retry=True).created == 1
    assert world.statuses() == ["done", "done"]
    assert [record.cost for record in world.records()].count(Decimal("0.06")) == 1


def test_two_lines_with_one_request_are_made_once_and_written_twice(
    make_world: MakeWorld,
) -> None:
    """The same picture under two names is paid for once."""
    world = make_world()
    (block,) = world.recipe.blocks
    twin = replace(block.inputs[0], id="twin")
    world.recipe = replace(world.recipe, blocks=(replace(block, inputs=(*block.inputs, twin)),))
    tally = world.run()
    assert tally.created == 2
    assert len(pictures_of(world)) == 4
    assert world.statuses() == ["done"] * 4
    assert world.run().done == 0


def test_renaming_and_the_template_cost_nothing(make_world: MakeWorld) -> None:
    """Another name is a copy of what is on this disk, without asking the server."""
    world = make_world()
    world.run()
    world.recipe = replace(world.recipe, output_name="flat-${prompt}")
    tally = world.run()
    assert (tally.done, tally.created) == (2, 0)
    assert {"flat-beach.jpg", "flat-snow.jpg"} <= set(pictures_of(world))


@pytest.mark.parametrize(
    "fault", ["429", "create-code:003003099", "create-code:003003095", "task-code:003003097"]
)
def test_what_may_be_sent_again_is(make_world: MakeWorld, fault: str) -> None:
    """After a fault that made nothing, or a task that failed by the vendor's fault, it is done."""
    world = make_world(script={"create": [fault]})
    tally = world.run()
    assert (tally.done, tally.failed, tally.exit_code()) == (2, 0, ExitCode.DONE)
    assert world.served.ledger.billed() == Decimal("0.06")
    world.check_books()


def test_attempts_are_bounded_and_retry_gives_further_ones(make_world: MakeWorld) -> None:
    """Three tasks fail, a run leaves the job, and `retry` makes it."""
    world = make_world(script={"create": ["task-code:003003095"] * 3})
    world.prompts("Beach")
    tally = world.run()
    assert (tally.failed, tally.created, tally.exit_code()) == (1, 3, ExitCode.FAILED)
    retrying = [event.retrying for event in world.events if isinstance(event, Failed)]
    assert retrying == [True, True, False]
    assert world.run().created == 0
    assert world.run(retry=True).done == 1
    (record,) = world.records()
    assert (record.attempts, record.cost) == (4, Decimal("0.03"))


def test_a_wrong_request_is_never_sent_again(make_world: MakeWorld) -> None:
    """A refusal for what the request says ends the job at once."""
    world = make_world(script={"create": ["create-code:003003002"]})
    tally = world.run()
    assert (tally.failed, tally.done) == (1, 1)
    (bad,) = [s for s in world.records() if s.status.value == "failed"]
    assert (bad.attempt.error_code, bad.attempts) == ("003003002", 1)


@pytest.mark.parametrize("fault", ["cut-after", "no-id", "not-json", "502", "500"])
def test_an_answer_that_tells_nothing_is_uncertain(make_world: MakeWorld, fault: str) -> None:
    """It is counted, shown and never sent again by itself, whether a task was made or not."""
    world = make_world(script={"create": [fault]})
    tally = world.run()
    assert (tally.uncertain, tally.done) == (1, 1)
    assert tally.exit_code() is ExitCode.UNCERTAIN
    assert world.run().exit_code() is ExitCode.UNCERTAIN
    assert len(world.fingerprints()) == (2 if fault in ("cut-after", "not-json") else 1)
    world.check_books()


def test_too_many_uncertain_ones_stop_the_run(make_world: MakeWorld) -> None:
    """After more than max_uncertain nothing further is sent."""
    world = make_world(script={"create": ["cut-after"] * 9}, max_uncertain=2, concurrency=1)
    world.prompts(*[f"Beach {n}" for n in range(9)])
    tally = world.run()
    assert (tally.uncertain, tally.exit_code()) == (3, ExitCode.UNCERTAIN)
    assert len(world.fingerprints()) == 3
    world.check_books()


@pytest.mark.parametrize("fault", ["401", "403"])
def test_a_refused_key_stops_the_run_and_nothing_is_lost(make_world: MakeWorld, fault: str) -> None:
    """Exit 5, and the next run makes the job that was refused as if nothing had been."""
    world = make_world(script={"create": [fault]}, concurrency=1)
    tally = world.run()
    assert (tally.exit_code(), tally.created) == (ExitCode.REFUSED, 0)
    assert world.statuses() == ["pending", "pending"]
    assert world.run().done == 2
    assert [record.attempts for record in world.records()] == [1, 1]


@pytest.mark.parametrize(
    "fault",
    ["429", "500", "502", "cut", "404", "not-json", "unknown-status", "poll-code:003003098"],
)
def test_polling_goes_on_whatever_it_is_told(make_world: MakeWorld, fault: str) -> None:
    """No answer to a poll makes a further task."""
    world = make_world(script={"poll": [fault, fault]})
    tally = world.run()
    assert (tally.done, tally.created) == (2, 2)
    assert len(world.fingerprints()) == 2


@pytest.mark.parametrize(
    "fault", ["500", "truncated", "short", "html", "cut", "expired", "wrong-size"]
)
def test_a_broken_download_is_fetched_again(make_world: MakeWorld, fault: str) -> None:
    """No fault of a result leaves a broken picture, and none makes a further task."""
    world = make_world(script={"result": [fault, fault]})
    tally = world.run()
    assert (tally.done, tally.created) == (2, 2)
    assert len(pictures_of(world)) == 2
    world.check_books()


def test_the_limit_holds_and_the_rest_is_made_when_it_is_raised(make_world: MakeWorld) -> None:
    """0.07 USD is enough for two of three."""
    world = make_world(max_cost=Decimal("0.07"))
    world.prompts("Beach", "Snow", "Rain")
    tally = world.run()
    assert (tally.done, tally.exit_code()) == (2, ExitCode.OVER_BUDGET)
    assert world.served.ledger.billed() == Decimal("0.06")
    world.recipe = replace(world.recipe, run=replace(world.recipe.run, max_cost=Decimal("0.09")))
    assert world.run().exit_code() is ExitCode.DONE


def test_a_cost_that_a_later_poll_reports_counts_against_the_limit(make_world: MakeWorld) -> None:
    """The first poll of the task has none; it is polled again since its URL has expired."""
    script = {"poll": ["no-usage"], "result": ["404"]}
    world = make_world(max_cost=Decimal("0.05"), concurrency=1, script=script)
    tally = world.run()
    assert (tally.done, tally.created, tally.spent) == (1, 1, Decimal("0.03"))
    assert tally.exit_code() is ExitCode.OVER_BUDGET
    assert world.served.ledger.billed() == Decimal("0.03")
    world.check_books()


def test_a_completed_task_without_a_picture_may_fail_in_the_end(make_world: MakeWorld) -> None:
    """The run and those after it go on: the last word of the API is what counts."""
    script = {"create": ["task-status:failed"], "poll": ["status:completed"]}
    world = make_world(concurrency=1, script=script)
    assert world.run().exit_code() is ExitCode.FAILED
    assert sorted(world.statuses()) == ["done", "failed"]
    world.run()
    assert sorted(world.statuses()) == ["done", "failed"]
    world.check_books()


@pytest.mark.parametrize("retry", [False, True])
def test_a_limit_of_tasks_counts_those_of_retries(make_world: MakeWorld, retry: bool) -> None:
    """A task that failed is one of them: it may have been paid for."""
    world = make_world(script={"create": ["task-code:003003097"] * 9})
    if retry:
        world.run()
    before = len(world.fingerprints())
    world.settings["limit"] = 2
    assert world.run(retry=retry).created == 2
    assert len(world.fingerprints()) == before + 2


def test_a_request_that_created_no_task_is_sent_again_within_the_limit(
    make_world: MakeWorld,
) -> None:
    world = make_world(script={"create": ["create-code:003003095"]}, concurrency=1)
    world.prompts("Beach", "Snow", "Rain")
    world.settings["limit"] = 2
    tally = world.run()
    assert (tally.created, tally.done) == (2, 2)


def test_a_retry_does_not_take_the_place_of_a_job_that_waits_for_its_turn(
    make_world: MakeWorld,
) -> None:
    """The second job waits for the price that the first one was to show, which fails."""
    world = make_world(
        script={"create": ["task-code:003003097"]}, max_cost=Decimal(5), concurrency=4
    )
    world.prompts("Beach", "Snow", "Rain")
    world.recipe = replace(world.recipe, prices={})
    world.settings["limit"] = 2
    assert world.run().created == 2


def test_a_task_whose_cost_never_comes_is_no_reason_to_resolve(make_world: MakeWorld) -> None:
    """It is left for a later run; what helps is a price."""
    script = {"poll": ["no-usage"] * 50, "result": ["404"] * 50}
    world = make_world(script=script, max_cost=Decimal(5), fetch_tries=2)
    world.recipe = replace(world.recipe, prices={})
    tally = world.run()
    assert tally.exit_code() is ExitCode.OVER_BUDGET
    assert tally.halted
    assert "the API reports no price" in tally.halted.reason


def test_a_picture_whose_price_is_not_told_is_the_only_one_of_all_runs(
    make_world: MakeWorld,
) -> None:
    """With a limit, the second run knows that the first one has learned nothing."""
    world = make_world(script={"poll": ["no-usage"] * 50}, max_cost=Decimal(5))
    world.recipe = replace(world.recipe, prices={})
    assert [world.run().created for _ in range(3)] == [1, 0, 0]


def test_a_limit_bounds_the_jobs_that_are_sent_as_well(make_world: MakeWorld) -> None:
    """Of two that fail for good, none is replaced by a third."""
    world = make_world(script={"create": ["create-code:003003002"] * 9}, concurrency=1)
    world.prompts("Beach", "Snow", "Rain")
    world.settings["limit"] = 2
    assert world.run().failed == 2
    assert sorted(record.attempts for record in world.records()) == [0, 1, 1]


def test_a_picture_that_changed_after_it_was_planned_is_not_sent(make_world: MakeWorld) -> None:
    """The bytes that would be sent are no longer those that the key was made of."""
    world = make_world()
    a_photo(world.root / "photo.jpg", (1, 2, 3))
    tally = world.run()
    assert (tally.failed, tally.created) == (2, 0)
    assert world.fingerprints() == []
    assert "nothing was sent" in world.records()[0].attempt.error_message


def test_one_stop_lets_paid_work_finish(make_world: MakeWorld) -> None:
    """After the first submission nothing more is sent; its picture comes."""
    world = make_world(seconds=0.2, concurrency=1)

    def stop(run: Driver, event: Event) -> None:
        if isinstance(event, Submitted):
            run.stop()

    tally = world.run(on_event=stop)
    assert (tally.created, tally.done) == (1, 1)
    assert tally.exit_code() is ExitCode.INTERRUPTED
    assert world.run().done == 1
    assert len(world.fingerprints()) == 2


def test_two_stops_leave_at_once_and_the_next_run_goes_on(make_world: MakeWorld) -> None:
    """The task stays paid for on disk, and is fetched later without a further one."""
    world = make_world(seconds=0.3)
    world.prompts("Beach")

    def stop(run: Driver, event: Event) -> None:
        run.stop()
        run.stop()

    tally = world.run(on_event=stop)
    assert (tally.created, tally.done) == (1, 0)
    assert tally.exit_code() is ExitCode.INTERRUPTED
    assert world.statuses() == ["running"]
    assert world.run().done == 1
    assert len(world.fingerprints()) == 1


def test_a_task_that_takes_too_long_is_left_for_the_next_run(make_world: MakeWorld) -> None:
    """It is unfinished, paid for, and fetched when it is done."""
    world = make_world(seconds=1.0, task_timeout=0.1)
    world.prompts("Beach")
    tally = world.run()
    assert (tally.unfinished, tally.exit_code()) == (1, ExitCode.FAILED)
    world.recipe = replace(world.recipe, run=replace(world.recipe.run, task_timeout=20.0))
    assert world.run().done == 1
    assert len(world.fingerprints()) == 1


def test_a_paid_picture_whose_line_left_the_recipe_is_kept(make_world: MakeWorld) -> None:
    """A prompt edited while its task ran: the old picture comes into the folder of kept ones."""
    world = make_world(seconds=0.3)
    world.prompts("Beach")

    def stop(run: Driver, event: Event) -> None:
        run.stop()
        run.stop()

    world.run(on_event=stop)
    (block,) = world.recipe.blocks
    prompt = replace(block.prompts[0], text="Another beach")
    world.recipe = replace(world.recipe, blocks=(replace(block, prompts=(prompt,)),))
    world.run()
    assert len(kept(world)) == 1
    assert len(pictures_of(world)) == 1
    assert len(world.fingerprints()) == 2


def test_more_tasks_in_flight_than_threads(make_world: MakeWorld) -> None:
    """Concurrency counts tasks, not threads."""
    world = make_world(seconds=1.0, concurrency=40)
    world.prompts(*[f"Beach {n}" for n in range(40)])
    most = 0

    def watch(run: Driver, event: Event) -> None:
        nonlocal most
        most = max(most, run.tally.in_flight)

    tally = world.run(on_event=watch)
    assert tally.done == 40
    assert most > 4
    assert all(isinstance(event, (Submitted, Done)) for event in world.events)


def test_a_picture_made_elsewhere_is_not_called_lost(make_world: MakeWorld) -> None:
    """Another endpoint would not know the task: the picture stays to be had where it was made."""
    world = make_world()
    world.run()
    world.api = "https://elsewhere.example"
    (world.out / pictures_of(world)[0]).unlink()
    tally = world.run()
    assert (tally.unfinished, tally.expired, tally.created) == (1, 0, 0)
    world.api = "sandbox"
    assert world.run().done == 1


def test_a_link_out_of_the_output_folder_is_not_followed(make_world: MakeWorld) -> None:
    """The picture is paid for and stays to be fetched; nothing is written elsewhere."""
    world = make_world()
    elsewhere = world.root / "elsewhere"
    elsewhere.mkdir()
    world.out.mkdir()
    (world.out / "photo").symlink_to(elsewhere)
    tally = world.run()
    assert tally.done == 0
    assert list(elsewhere.iterdir()) == []
    (world.out / "photo").unlink()
    assert world.run().done >= 1
    world.check_books()


def test_one_id_for_two_requests_is_uncertain(make_world: MakeWorld) -> None:
    """An API that answers two creates with one id has made nobody knows what."""
    world = make_world(concurrency=1)
    world.prompts("Beach")
    world.run()
    (task,) = [entry.id for entry in world.served.ledger.accepted()]
    world.send = lambda job: Made(task_id=task)
    world.prompts("Beach", "Snow")
    tally = world.run()
    assert (tally.uncertain, tally.done) == (1, 0)
    assert world.statuses() == ["done", "uncertain"]


def test_a_resumed_task_that_fails_is_made_again_once(make_world: MakeWorld) -> None:
    """The run that took it up makes the further attempt, and the plan does not make it too."""
    world = make_world(seconds=0.3, concurrency=1, script={"create": ["task-code:003003095"]})
    world.prompts("Beach")

    def stop(run: Driver, event: Event) -> None:
        run.stop()
        run.stop()

    world.run(on_event=stop)
    assert world.statuses() == ["running"]
    tally = world.run()
    assert (tally.done, tally.created) == (1, 1)
    assert [record.attempts for record in world.records()] == [2]
    world.check_books()


def test_too_many_uncertain_ones_of_earlier_runs_stop_a_run_at_once(make_world: MakeWorld) -> None:
    """Nothing is sent until they are settled; what is paid for is still fetched."""
    world = make_world(script={"create": ["cut-after"] * 2}, max_uncertain=1, concurrency=1)
    world.prompts("Beach", "Snow", "Rain", "Fog")
    world.run()
    sent = len(world.fingerprints())
    assert sent == 2
    tally = world.run()
    assert (tally.created, tally.exit_code()) == (0, ExitCode.UNCERTAIN)
    assert len(world.fingerprints()) == sent


def test_an_error_in_the_middle_writes_down_what_still_comes_in(make_world: MakeWorld) -> None:
    """A defect of ours ends the run; the ids of requests that were under way are kept."""
    world = make_world(concurrency=4)
    world.prompts("Beach", "Snow", "Rain", "Fog")
    real = world.real_send()
    under_way, failed = threading.Event(), threading.Event()

    def send(job: Job) -> SubmitOutcome:
        if job.prompt.text == "Beach":
            under_way.wait(10)
            failed.set()
            raise RuntimeError("a defect")
        under_way.set()
        failed.wait(10)
        return real(job)

    world.send = send
    with pytest.raises(RuntimeError, match="a defect"):
        world.run()
    world.send = None
    known = [s.attempt.task_id for s in world.records() if s.attempt and s.attempt.task_id]
    assert sorted(known) == sorted(entry.id for entry in world.served.ledger.accepted())
    assert len(known) >= 1
    tally = world.run()
    assert tally.exit_code() is ExitCode.UNCERTAIN
    assert world.statuses().count("done") == 3


def test_a_disk_that_refuses_a_picture_stops_sending(make_world: MakeWorld) -> None:
    """What is paid for waits for room; nothing further is sent; then all of it is made once."""
    world = make_world(concurrency=2)
    world.prompts(*[f"Beach {n}" for n in range(8)])
    in_the_way = world.out / ".spark-batch" / "parts"

    def refuse(run: Driver, event: Event) -> None:
        if isinstance(event, Submitted) and in_the_way.is_dir():
            shutil.rmtree(in_the_way)
            in_the_way.write_text("not a folder")

    tally = world.run(on_event=refuse)
    assert tally.halted is not None
    assert tally.exit_code() is ExitCode.FAILED
    assert len(world.fingerprints()) <= 2
    in_the_way.unlink()
    assert world.run().done == 8
    assert len(set(world.fingerprints())) == len(world.fingerprints()) == 8


def test_nothing_is_sent_where_no_picture_can_be_written(make_world: MakeWorld) -> None:
    """The folder for downloads is made first; what a killed run left there is removed."""
    world = make_world()
    parts = world.out / ".spark-batch" / "parts"
    parts.parent.mkdir(parents=True)
    parts.write_text("not a folder")
    with pytest.raises(OutputError, match="parts: cannot be made"):
        world.run()
    assert world.fingerprints() == []
    parts.unlink()
    (parts / "").mkdir()
    (parts / "1.12345678.part").write_text("half a picture")
    assert world.run().done == 2
    assert list(parts.rglob("*.*")) == []


def test_an_uncertain_attempt_counts_against_the_limit(make_world: MakeWorld) -> None:
    """0.06 USD: one that may be paid for, one that is, and no third."""
    world = make_world(script={"create": ["cut-after"]}, max_cost=Decimal("0.06"), concurrency=1)
    world.prompts("Beach", "Snow", "Rain")
    tally = world.run()
    assert (tally.uncertain, tally.done) == (1, 1)
    assert tally.halted is not None
    assert tally.halted.code is ExitCode.OVER_BUDGET
    assert len(world.fingerprints()) == 2


@pytest.mark.parametrize("failing", [0, 1])
def test_of_two_tasks_of_one_job_one_may_fail(make_world: MakeWorld, failing: int) -> None:
    """After a merge a job may have two tasks at work: no third one is made for the one that fails.

    The picture of the other one says where the job stands.
    """
    script: list[str | None] = [None, None]
    script[failing] = "task-code:003003095"
    world = make_world(script={"create": script})
    world.prompts("Beach")
    world.run_nothing()
    send = world.real_send()
    (job,) = matrix.jobs(world.recipe)
    with Checkpoint.open(world.checkpoint) as checkpoint:
        for number in (1, 2):
            attempt = checkpoint.begin_attempt(job.key, number=number, reserved=None, api="sandbox")
            outcome = send(job)
            assert isinstance(outcome, Made)
            checkpoint.submitted(attempt, outcome.task_id)
    world.run()
    assert world.statuses() == ["done"]
    assert world.run().created == 0
    assert len(world.fingerprints()) == 2


def test_requests_that_wait_for_a_thread_are_not_sent_after_a_stop(make_world: MakeWorld) -> None:
    """The only thread is sending the second job at the signal; three jobs wait behind it."""
    world = make_world(seconds=0.3)
    world.prompts(*[f"Beach {n}" for n in range(5)])
    world.threads = 1
    send, going = world.real_send(), threading.Event()
    sent: list[str] = []

    def second_waits(job: Job) -> SubmitOutcome:
        sent.append(job.key)
        assert len(sent) == 1 or going.wait(10.0)
        return send(job)

    def stop(run: Driver, event: Event) -> None:
        if isinstance(event, Submitted) and not run.tally.interrupted:
            run.stop()
        elif isinstance(event, Halted):
            going.set()

    world.send = second_waits
    tally = world.run(on_event=stop)
    assert tally.created == len(sent) == tally.done <= 2
    assert world.statuses().count("pending") == 5 - tally.created
    assert world.run().done == 5 - tally.created
    assert len(world.fingerprints()) == 5
