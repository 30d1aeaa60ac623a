"""Why a sandbox could not be started, in one message that says what to do."""

from __future__ import annotations

from pathlib import Path

from agentgym.errors import AgentGymError, MissingDependencyError, WorldCrashedError

NO_NAMESPACE = ("No permissions to create new namespace", "Creating new namespace failed", "setting up uid map")
USED_UP = ("Resource temporarily unavailable", "Cannot allocate memory", "max_*_namespaces exceeded")
SWITCHES = (  # the kernel's or the distribution's, what it must not be, and what it should be
    ("kernel/unprivileged_userns_clone", "0", "kernel.unprivileged_userns_clone=1"),
    ("kernel/apparmor_restrict_unprivileged_userns", "1", "kernel.apparmor_restrict_unprivileged_userns=0"),
    ("user/max_user_namespaces", "0", "user.max_user_namespaces=65536"),
)
CONTAINER = (
    "In a container, let it make namespaces (Docker: `--security-opt seccomp=unconfined --security-opt "
    "apparmor=unconfined`), or use the container backend of the desktop world (docs/desktop-container.md)."
)


def explain(said: str, waited_s: float, sysctl: Path = Path("/proc/sys")) -> AgentGymError:
    """Make the error for a sandbox that did not start.

    Args:
        said: what bubblewrap, or process 1, wrote.
        waited_s: how long it was waited for.
        sysctl: where the kernel's switches are.
    """
    said = said.strip()
    switches = [
        f"`sudo sysctl -w {remedy}`"
        for name, bad, remedy in SWITCHES
        if (sysctl / name).exists() and (sysctl / name).read_text().strip() == bad
    ]
    busy = any(sign in said for sign in USED_UP) and not switches
    if any(sign in said for sign in NO_NAMESPACE) and not busy:
        todo = f"Run {' and '.join(switches)}." if switches else CONTAINER
        return MissingDependencyError(
            f"A desktop needs user namespaces, and this machine does not permit them. {todo} ({said})"
        )
    if not said:
        return WorldCrashedError(
            f"A sandbox did not start within {waited_s:.1f} s, and its start ended without a word."
        )
    return WorldCrashedError(f"A sandbox did not start: {said}")
