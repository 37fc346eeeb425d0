"""Open a page in the user's browser, which does not get the API key."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence

from spark_batch import children

# The variables of a desktop that a browser needs; BROWSER names the user's own choice.
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
    """Open an address in the browser; returns False when it cannot be opened.

    That is so without a display: a browser for terminals could cover the command's own output.
    """
    has_display = "DISPLAY" in variables or "WAYLAND_DISPLAY" in variables
    if platform not in ("win32", "darwin") and not has_display:
        return False
    desktop = {name: variables[name] for name in _DESKTOP if name in variables}
    return start([sys.executable, "-I", "-c", _OPEN, address], children.environment(**desktop))
