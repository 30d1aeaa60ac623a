"""A process that owns sandboxes, to be killed: it tells where they are, and waits."""

from __future__ import annotations

import json
import os
import signal
import sys

from agentgym_desktop.keeping import keeper
from agentgym_desktop.sandbox import Sandbox

if __name__ == "__main__":
    sandboxes = [Sandbox.start() for _ in range(2)]
    for sandbox in sandboxes:
        sandbox.spawn(["sh", "-c", "setsid sleep 600 & sleep 600"])
    told = {"keeper": keeper().pid, "outer": [sandbox.host_pid for sandbox in sandboxes], "owner": os.getpid()}
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()
    signal.pause()
