"""How much memory a run uses: all its processes together, browsers and workers included."""

from __future__ import annotations

import contextlib

import psutil


class MemoryWatch:
    """Keeps the highest memory seen; it sees only what is there when `look` is called."""

    def __init__(self) -> None:
        self.peak_mb = 0.0

    def look(self) -> None:
        """Add up the proportional set sizes of this process and all that descend from it (some 10 ms each)."""
        own = psutil.Process()
        total = 0.0
        for process in [own, *own.children(recursive=True)]:
            with contextlib.suppress(psutil.Error):  # it has ended since, or is another user's
                total += process.memory_full_info().pss / 1e6
        self.peak_mb = max(self.peak_mb, total)
