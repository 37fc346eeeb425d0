"""`python -m spark_batch`, the same as the `spark-batch` command."""

import sys


def main() -> None:
    """Run the command line and end the process; Ctrl-C while it is imported shows no traceback."""
    try:
        from spark_batch.cli import main as run
    except KeyboardInterrupt:
        sys.exit(130)  # ExitCode.INTERRUPTED, which is not imported yet
    run()


if __name__ == "__main__":
    main()
