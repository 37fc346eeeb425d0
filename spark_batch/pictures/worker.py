"""A worker process: inspects the pictures that its parent names, until its input is closed.

It reads picture files and nothing else, and writes no file: whatever happens to it, its work can be
repeated for nothing. It is started with an environment of its own, without the API key.
"""

from __future__ import annotations

import os
import pickle
import sys

from spark_batch.errors import PictureError
from spark_batch.pictures.inspect import inspect


def main() -> None:
    """Answer each request of standard input, the named arguments of `inspect`, with its result.

    The answer is an `Inspection`, or the text of a PictureError.
    """
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a library prints is no answer
    while True:
        try:
            request = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        try:
            answer: object = inspect(**request)
        except PictureError as error:
            answer = str(error)
        pickle.dump(answer, answers)
        answers.flush()
