"""A process that owns a container, to be killed: it tells where that is, and waits; so does one forked from it."""

from __future__ import annotations

import json
import os
import signal
import sys

from agentgym_desktop.container import ContainerSandbox

if __name__ == "__main__":
    sandbox = ContainerSandbox.start()
    sandbox.spawn(["sh", "-c", "setsid sleep 600 & sleep 600"])
    forked = os.fork()
    if forked:
        told = {"container": sandbox.name, "process": sandbox.host_pid, "forked": forked}
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()
    signal.pause()
