"""A server that speaks the Spark API on this machine: previews instead of paid pictures.

It knows the API from `schemas/` alone (through `models`) and shares no code with the client but
that. Its answers have the shapes that the vendor's own clients read; `faults` lists the other
shapes, errors and broken files that it gives on demand. What it does not imitate: what the model
makes of a picture, how long it really takes, rate limits (unless injected) and any rule that the
vendor's page does not name.
"""

from spark_batch.sandbox.faults import Dice, Fault, Faults, read_script
from spark_batch.sandbox.ledger import Entry, Ledger, Note
from spark_batch.sandbox.server import Served, Settings, serve

__all__ = [
    "Dice",
    "Entry",
    "Fault",
    "Faults",
    "Ledger",
    "Note",
    "Served",
    "Settings",
    "read_script",
    "serve",
]
