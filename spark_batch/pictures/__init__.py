"""Pictures: read, fit, inspect, mark and write them. The only room with Pillow."""

from spark_batch.pictures.disk import copy, make_folder, place, reason, sha256, write
from spark_batch.pictures.fitting import fitted, probe
from spark_batch.pictures.inspect import Before, Inspection, before_of, inspect
from spark_batch.pictures.metadata import Marks, Unmarked, facts_in, mark, marks_in
from spark_batch.pictures.reading import EXTENSIONS, accept, extension
from spark_batch.pictures.sheet import SheetCell, contact_sheet
from spark_batch.pictures.thumbnails import Thumbnail, cached, distance, keep, thumbnail

__all__ = [
    "EXTENSIONS",
    "Before",
    "Inspection",
    "Marks",
    "SheetCell",
    "Thumbnail",
    "Unmarked",
    "accept",
    "before_of",
    "cached",
    "contact_sheet",
    "copy",
    "distance",
    "extension",
    "facts_in",
    "fitted",
    "inspect",
    "keep",
    "make_folder",
    "mark",
    "marks_in",
    "place",
    "probe",
    "reason",
    "sha256",
    "thumbnail",
    "write",
]
