"""Open a page in the user's browser, which gets none of our secrets."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence

from spark_batch import children

# What a browser needs of a desktop; BROWSER is the user's own choice of one.
_DESKTOP = (
    *("BROWSER", "DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY", "DBUS_SESSION_BUS_ADDRESS"),
    *("DESKTOP_SESSION", "XDG_CURRENT_DESKTOP", "XDG_DATA_DIRS", "XDG_RUNTIME_DIR"),
    "XDG_SESSION_TYPE",
)
_OPEN = "import sys, webbrowser; sys.exit(not webbrowser.open(sys.argv[1]))"


def browse(
    address: str,
    *,
    variables: Mapping[str, str] = os.environ,
    platform: str = sys.platform,
    start: Callable[[Sequence[str], dict[str, str]], bool] = children.left_running,
) -> bool:
    """Open an address in the browser; False where there is none to open it in.

    That is a system without a display, where a browser of the terminal could take the place of the
    command's own output.
    """
    has_display = "DISPLAY" in variables or "WAYLAND_DISPLAY" in variables
    if platform not in ("win32", "darwin") and not has_display:
        return False
    desktop = {name: variables[name] for name in _DESKTOP if name in variables}
    return start([sys.executable, "-I", "-c", _OPEN, address], children.environment(**desktop))
