"""The Ray cluster that rollout workers live on: one started on this machine, or one that is joined.

A Ray that this process is connected to already is used as it is, and left as it is.
"""

from __future__ import annotations

import os
import socket
from importlib.util import find_spec

from agentgym.errors import ConfigError, MissingDependencyError
from agentgym.versions import installation

CONNECT_S = 5.0  # Ray itself tries an address that nobody listens on for minutes
SETTINGS = {
    "RAY_worker_niceness": "0",  # at Ray's default of 15, workers starve on a busy machine
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing is reported to anybody
    "RAY_kill_child_processes_on_worker_exit": "false",  # a world ends its own, and removes their folders
}


def connect(address: str | None) -> bool:
    """Connect this process to Ray; return whether that was done here, so that `ray.shutdown` is ours to call.

    Args:
        address: ``auto`` or ``host:port`` of a cluster that runs; None starts Ray on this machine.

    Raises:
        ConfigError: there is no cluster at the address, or Ray cannot be started.
        MissingDependencyError: Ray is not installed.
    """
    if find_spec("ray") is None:
        raise MissingDependencyError(f"Rollout workers need Ray: {installation('train')}.")
    if address == "auto":
        address = os.environ.get("RAY_ADDRESS", address)
    if address not in {None, "auto"}:
        _check_address(address)
    import ray

    if ray.is_initialized():
        return False
    if address is None:
        for name, value in SETTINGS.items():
            os.environ.setdefault(name, value)  # read by the processes that Ray starts
    local = {"include_dashboard": False} if address is None else {}
    try:
        ray.init(address=address or "local", log_to_driver=False, logging_level="WARNING", **local)
    except Exception as error:  # Ray raises a plain one where it does not start within its 30 s
        if address is None:
            raise ConfigError(
                f"Ray does not start on this machine: {error} It may be too busy: end other work, or play without Ray."
            ) from error
        raise _unreachable(address, error) from error
    return True


def _check_address(address: str) -> None:
    """Check that something listens at an address."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        raise ConfigError(f"ray.address={address!r} is not an address; write auto or host:port, such as 10.0.0.1:6379.")
    try:
        socket.create_connection((host, int(port)), timeout=CONNECT_S).close()
    except OSError as error:
        raise _unreachable(address, error) from error


def _unreachable(address: str, error: Exception) -> ConfigError:
    return ConfigError(
        f"No Ray cluster answers at ray.address={address!r}: {error} Start one with `ray start --head`, or leave "
        "the address out to start Ray on this machine."
    )
