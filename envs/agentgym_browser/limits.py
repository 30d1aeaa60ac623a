"""How much memory a page may take.

A page's scripts get a heap of `SCRIPT_HEAP_MB`, and each renderer process `RENDERER_DATA_MB` of writable memory of its
own. What a page asks for beyond that throws in the page or ends its renderer, which fails that session alone. Not
limited: what pages make the browser process hold (blobs, up to 2 GB a session), and the processor. Where the machine
itself runs out of memory, the kernel ends renderers first: Chromium marks them so.
"""

from __future__ import annotations

import contextlib

import psutil

SCRIPT_HEAP_MB = 512
RENDERER_DATA_MB = 1536  # of which an empty page has 600: thread stacks and tables that are mostly never touched
HEAP_FLAG = f"--js-flags=--max-old-space-size={SCRIPT_HEAP_MB}"


def limit_renderers(keeper_pid: int) -> list[psutil.Process]:
    """Limit the renderers that a browser will start: they inherit it from the process that they are forked from.

    Args:
        keeper_pid: process id of the browser's keeper.

    Returns:
        The processes that renderers are forked from; without them a browser opens no page any more.
    """
    limit = RENDERER_DATA_MB * 2**20
    limited = []
    with contextlib.suppress(psutil.NoSuchProcess):  # the browser has ended meanwhile, which others will notice
        for process in psutil.Process(keeper_pid).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):  # some live for a moment only
                command = " ".join(process.cmdline())  # Chromium's children write theirs as one word
                if "--type=zygote" in command and "--no-zygote-sandbox" not in command:
                    process.rlimit(psutil.RLIMIT_DATA, (limit, limit))
                    limited.append(process)
    return limited


def alive(process: psutil.Process) -> bool:
    """Whether a process runs, or will."""
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
