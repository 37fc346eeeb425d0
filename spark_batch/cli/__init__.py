"""The command line: the group, and the only place where an error becomes a message and a code.

A command's module is imported when it is called, so that `--help` does not pay for all of them.
"""

from __future__ import annotations

import errno
import gc
import os
import re
import signal
import sys
import threading
from importlib import import_module
from importlib.resources import files
from pathlib import Path

import click

from spark_batch.cli import colours, stopping, streams
from spark_batch.errors import ExitCode, RecipeError, SparkBatchError, UsageError
from spark_batch.text import closest, printable_lines
from spark_batch.version import __version__

# In the order of a day's work; each is a module of this package.
COMMANDS = (
    *("init", "validate", "plan", "run", "retry", "rescue", "merge", "resolve"),
    *("status", "why", "trace", "verify", "check", "report", "review", "export", "prune"),
    *("sandbox", "schema", "explain"),
)
# The first sentence of a command's docstring.
_FIRST_SENTENCE = re.compile(
    r'^def command\(.*?\n    """(.*?\.)(?:\s|""")', re.DOTALL | re.MULTILINE
)

# Their results are on disk: a failure to print does not change their exit code.
_ACTING = {"init", "run", "retry", "rescue", "merge", "resolve", "check", "export", "prune"}

# What a disk and its permissions refuse.
_DISK = {
    *(errno.EACCES, errno.EPERM, errno.EROFS),
    *(errno.ENOSPC, errno.EDQUOT, errno.ENAMETOOLONG),
}

_ALLOCATIONS = 100_000  # between two garbage collections; Python's default is 700


class _LazyGroup(click.Group):
    """A group whose commands are modules of this package."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"spark_batch.cli.{cmd_name}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Resolve a command as click does, and suggest one for a mistyped name."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            close = closest(args[0], tuple(COMMANDS))
            hint = f" Did you mean {close!r}?" if close else ""
            raise click.UsageError(f"{error.message}{hint}", ctx) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, _short_help(name)) for name in COMMANDS])


def _short_help(name: str) -> str:
    """The first sentence of a command's help, read from its module's text.

    To import all commands for it would make `--help` take several times as long.
    """
    text = (files(__package__) / f"{name}.py").read_text(encoding="utf-8")
    found = _FIRST_SENTENCE.search(text)
    return " ".join(found[1].split()) if found else ""


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="spark-batch")
@click.option("--debug", is_flag=True, help="Print the log of an unexpected error, too.")
def cli(debug: bool) -> None:
    """Terraform for AI picture edits: recipes in YAML, pictures and a manifest out.

    To begin, `spark-batch init DIR` makes a folder with a recipe that runs at once in the sandbox.
    The API key comes from the environment variable SPARK_API_KEY.
    """


def main() -> None:
    if os.environ.get("_SPARK_BATCH_COMPLETE"):  # a shell asks
        from spark_batch.cli import completing

        completing.serve(cli)
    # A big recipe is a million objects that live to the end: collecting garbage among them takes
    # longer than planning it (tests/benchmarks/tables.py: 12 s against 7 s).
    gc.set_threshold(_ALLOCATIONS, 50, 50)
    for number in stopping.signals():
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, signal.default_int_handler)  # as Ctrl-C
    try:
        code = _process(sys.argv[1:])
    except KeyboardInterrupt:  # while an error was being shown
        code = ExitCode.INTERRUPTED
    for number in stopping.signals():
        if signal.getsignal(number) is signal.default_int_handler:
            # Nothing is left to do: from here on a signal ends the process without a traceback.
            signal.signal(number, signal.SIG_DFL)
    sys.exit(code)


def _process(arguments: list[str]) -> int:
    """Run the command line with streams that never fail; gives the exit code."""
    output = streams.prepare()
    threading.excepthook = lambda crash: _thread_crashed(crash, arguments)
    code = dispatch(arguments)
    acts = _command_name(arguments) in _ACTING
    out, err = output.finish()
    if out is not None:
        remedy = "`spark-batch status` shows it" if acts else "make room, and run it again"
        _say(f"cannot write to standard output: {out}; what was printed is incomplete: {remedy}")
        code = code or (ExitCode.DONE if acts else ExitCode.FAILED)
    if err is not None and acts:  # what other commands print may be JSON
        click.echo(f"spark-batch: cannot write to standard error: {err}; messages are missing")
    output.finish()
    return code


def dispatch(arguments: list[str]) -> int:
    """Run the command line; gives the exit code. Raises nothing but KeyboardInterrupt."""
    try:
        return _with_expected_errors(arguments)
    except Exception as error:  # noqa: BLE001 (reported, and written to a log)
        if _is_of_the_disk(error) and "--debug" not in arguments:
            from spark_batch.cli import errorlog

            _say(f"{errorlog.headline(error)}{_advice(arguments)}")
        else:
            _report(error, arguments)
        return ExitCode.FAILED


def _is_of_the_disk(error: Exception) -> bool:
    """Whether a permission or a full disk stopped the command: a log would say no more."""
    return isinstance(error, OSError) and error.errno in _DISK and error.filename is not None


def _with_expected_errors(arguments: list[str]) -> int:
    """Run the command line; an error that it raises on purpose becomes a message and a code."""
    try:
        return _invoke(arguments)
    except SparkBatchError as error:
        if isinstance(error, RecipeError):
            for diagnostic in error.diagnostics:
                colours.print_diagnostic(diagnostic.render())
        _say(str(error))
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return ExitCode.WRONG
    except (KeyboardInterrupt, click.Abort) as error:
        _say(str(error) or "interrupted")
        return ExitCode.INTERRUPTED


def _invoke(arguments: list[str]) -> int:
    try:
        Path.cwd()
    except FileNotFoundError:
        raise UsageError("the current folder was deleted: change to another one") from None
    result = cli.main(arguments, prog_name="spark-batch", standalone_mode=False)
    return int(result or 0)


def _command_name(arguments: list[str]) -> str | None:
    return next((argument for argument in arguments if not argument.startswith("-")), None)


def _thread_crashed(crash: threading.ExceptHookArgs, arguments: list[str]) -> None:
    """Report an exception that ended a background thread; the command goes on."""
    if crash.exc_value is not None:
        _report(crash.exc_value, arguments)


def _report(error: BaseException, arguments: list[str]) -> None:
    """Report an unexpected error in one line, and write a log about it.

    The log is also printed with `--debug`, and in CI, where the file is lost with the machine.
    """
    from spark_batch.cli import errorlog

    content = errorlog.text(error, arguments)
    path = errorlog.write(content)
    if path is None or "--debug" in arguments or errorlog.is_in_ci():
        click.echo(content, err=True)
    where = "is above; no log could be written" if path is None else f"is in {path}"
    _say(f"{errorlog.headline(error)}; the traceback {where}{_advice(arguments)}")


def _advice(arguments: list[str]) -> str:
    """What to do after an error that stopped a command which may have paid for something."""
    if _command_name(arguments) not in _ACTING:
        return ""
    return "; nothing that is paid for is lost: run the command again, or `spark-batch rescue`"


def _say(text: str) -> None:
    colours.print_err(printable_lines(f"spark-batch: {text}"))
