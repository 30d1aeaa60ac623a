"""Versions of what a result depends on."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

PACKAGES = (
    "agentgym-cua", "gymnasium", "miniwob", "numpy", "pyarrow", "torch", "transformers", "trl", "accelerate",
    "datasets", "ray", "plotly",
)  # fmt: skip


def versions() -> dict[str, str]:
    """Return the version of Python and of each package that is installed."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def installation(extra: str) -> str:
    """Return how the packages of an extra are installed; agentgym is on no index."""
    return f"`pip install -e '.[{extra}]'` in agentgym's checkout"
