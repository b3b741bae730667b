"""The system libraries that PyQt6's wheels link to on Linux and do not bring along.

Run as a script it prints the Debian packages that are missing, one a line; it
then needs nothing but Python, so that it can run before anything is installed.
"""

from __future__ import annotations

import ctypes
import sys

# What Qt cannot even be imported without, by the Debian package that holds it.
ALWAYS = {
    "libEGL.so.1": "libegl1",
    "libGL.so.1": "libgl1",
    "libX11.so.6": "libx11-6",
    "libdbus-1.so.3": "libdbus-1-3",
    "libfontconfig.so.1": "libfontconfig1",
    "libfreetype.so.6": "libfreetype6",
    "libglib-2.0.so.0": "libglib2.0-0",
    "libgthread-2.0.so.0": "libglib2.0-0",
    "libxkbcommon.so.0": "libxkbcommon0",
    "libz.so.1": "zlib1g",
    "libzstd.so.1": "libzstd1",
}

# What a window on an X11 screen needs besides.
ON_SCREEN = {
    "libX11-xcb.so.1": "libx11-xcb1",
    "libxcb-cursor.so.0": "libxcb-cursor0",
    "libxcb-icccm.so.4": "libxcb-icccm4",
    "libxcb-image.so.0": "libxcb-image0",
    "libxcb-keysyms.so.1": "libxcb-keysyms1",
    "libxcb-randr.so.0": "libxcb-randr0",
    "libxcb-render-util.so.0": "libxcb-render-util0",
    "libxcb-render.so.0": "libxcb-render0",
    "libxcb-shape.so.0": "libxcb-shape0",
    "libxcb-shm.so.0": "libxcb-shm0",
    "libxcb-sync.so.1": "libxcb-sync1",
    "libxcb-util.so.1": "libxcb-util1",
    "libxcb-xfixes.so.0": "libxcb-xfixes0",
    "libxcb-xkb.so.1": "libxcb-xkb1",
    "libxcb.so.1": "libxcb1",
    "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
}


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def missing(table: dict[str, str]) -> dict[str, str]:
    """Those of a table's libraries that do not load, with their Debian packages.

    Parameters
    ----------
    table : dict of str to str
        ``ALWAYS`` or ``ON_SCREEN``.
    """
    return {library: package for library, package in table.items() if not _loads(library)}


if __name__ == "__main__" and sys.platform == "linux":
    for name in sorted(set(missing(ALWAYS | ON_SCREEN).values())):
        print(name)
