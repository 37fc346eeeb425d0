"""The command line: the group, and the only place where an error becomes a message and a code.

A command's module is imported when it is called, so that `--help` does not pay for all of them.
"""

from __future__ import annotations

import gc
import os
import sys
from importlib import import_module

import click

from spark_batch import __version__
from spark_batch.errors import ExitCode, RecipeError, SparkBatchError

# In the order of a day's work, each with the line that `--help` shows.
COMMANDS = {
    "init": "Make a folder to start from: recipe, photo, .gitignore, CI workflow.",
    "validate": "Check recipes: all that can be known without the network or a key.",
    "plan": "Show what run would do and why, job by job, and what it would cost.",
    "run": "Make what is missing. Started again it goes on where it was.",
    "retry": "Make only the jobs that failed.",
    "rescue": "Poll and download what is paid for; cannot create a task.",
    "merge": "Join the checkpoints of shards, machines or branches.",
    "resolve": "Settle an uncertain job.",
    "status": "Show where everything stands.",
    "why": "Show the whole history of one job.",
    "trace": "Tell from a picture what made it: line, job, attempts, cost.",
    "verify": "Check every finished file against its recorded SHA-256.",
    "report": "Write manifest, JUnit XML, Markdown and JSON from the checkpoint alone.",
    "sandbox": "Serve the Spark API on this machine, for nothing.",
    "schema": "Print a JSON Schema.",
    "explain": "Tell what an error code of the API means.",
}


_ALLOCATIONS = 100_000  # between two looks for garbage; Python has 700


class _LazyGroup(click.Group):
    """A group whose commands are modules of this package."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"spark_batch.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="spark-batch")
@click.option("--debug", is_flag=True, help="Show the traceback of an unexpected error.")
def cli(debug: bool) -> None:
    """Terraform for AI picture edits: recipes in YAML, pictures and a manifest out.

    The key comes from SPARK_API_KEY; SPARK_BASE_URL moves the endpoint.
    """


def main() -> None:
    """Run the command line and end the process."""
    # A big recipe is a million objects that stay to the end: looking for garbage among them takes
    # longer than planning it (tests/benchmarks/tables.py: 12 s against 7 s).
    gc.set_threshold(_ALLOCATIONS, 50, 50)
    sys.exit(dispatch(sys.argv[1:]))


def dispatch(arguments: list[str]) -> int:
    """Run the command line; gives the exit code. Raises nothing but what `--debug` lets through."""
    try:
        return _expecting(arguments)
    except BrokenPipeError:
        # Whoever read our output has gone, as `head` does; Python would complain at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.FAILED
    except Exception as error:
        if "--debug" in arguments:
            raise
        kind = type(error).__name__
        text = f"unexpected {kind}: this is a bug; `spark-batch --debug …` shows where"
        return _say(text, ExitCode.FAILED)


def _expecting(arguments: list[str]) -> int:
    """Run the command line; what it raises on purpose becomes a message and a code."""
    try:
        return _invoke(arguments)
    except SparkBatchError as error:
        if isinstance(error, RecipeError):
            for diagnostic in error.diagnostics:
                click.echo(diagnostic.render(), err=True)
        return _say(str(error), error.exit_code)
    except click.ClickException as error:
        error.show()
        return ExitCode.WRONG
    except (KeyboardInterrupt, click.Abort):
        return _say("interrupted", ExitCode.INTERRUPTED)


def _invoke(arguments: list[str]) -> int:
    result = cli.main(arguments, prog_name="spark-batch", standalone_mode=False)
    return int(result or 0)


def _say(text: str, code: ExitCode) -> int:
    click.echo(f"spark-batch: {text}", err=True)
    return code
