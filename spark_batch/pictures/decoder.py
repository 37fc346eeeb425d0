"""The process that decodes a HEIC file (`heic`); a program, which imports nothing of spark-batch.

It reads the file from standard input. To standard output it writes a line of JSON, then the colour
profile and the pixels; nothing where it cannot decode the file.
"""

from __future__ import annotations

import json
import os
import sys
from importlib import import_module


def main() -> None:
    """Decode standard input; the arguments are the folders of modules."""
    sys.path[:] = sys.argv[1:]
    answer = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    # What a library prints must not get into the answer.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    data = sys.stdin.buffer.read()
    try:
        pi_heif = import_module("pi_heif")
    except ImportError:
        answer.write(b'{"missing": true}\n')
        return
    options = pi_heif.options
    options.DEPTH_IMAGES = options.THUMBNAILS = options.AUX_IMAGES = False
    found = pi_heif.open_heif(data, convert_hdr_to_8bit=True)
    main = found[found.primary_index]
    pixels = main.data
    width, height = main.size
    icc = main.info.get("icc_profile") or b""
    head = {
        "mode": main.mode,
        "width": width,
        "height": height,
        "several": len(found) > 1,
        "icc": len(icc),
    }
    answer.write(json.dumps(head).encode() + b"\n" + icc)
    answer.write(pixels)
    answer.flush()


if __name__ == "__main__":
    main()
