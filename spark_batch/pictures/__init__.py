"""Pictures: the only place with Pillow. Read, judge, put on the disk, look at."""

from spark_batch.pictures.disk import copy, make_folder, place, sha256
from spark_batch.pictures.fitting import fitted, probe
from spark_batch.pictures.metadata import Unmarked, facts_in, mark
from spark_batch.pictures.reading import EXTENSIONS, MAX_PIXELS, accept, extension
from spark_batch.pictures.suspects import suspicion
from spark_batch.pictures.thumbnails import MEDIA_TYPE, Thumbnail, thumbnail

__all__ = [
    "EXTENSIONS",
    "MAX_PIXELS",
    "MEDIA_TYPE",
    "Thumbnail",
    "Unmarked",
    "accept",
    "copy",
    "extension",
    "facts_in",
    "fitted",
    "make_folder",
    "mark",
    "place",
    "probe",
    "sha256",
    "suspicion",
    "thumbnail",
]
