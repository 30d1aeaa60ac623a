"""Sandboxes of other users than the one that runs the tests: on copies of the packages that they can read."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pyseccomp
import pytest

import agentgym
import agentgym_desktop
from tests.desktop_walls import NOBODY, host_folder, on_host

if TYPE_CHECKING:
    from collections.abc import Iterator

START = """
import sys
sys.path.insert(0, sys.argv[1])
from agentgym_desktop.sandbox import Sandbox
with Sandbox.start() as sandbox:
    print(sandbox.run(["id", "-u"]).stdout.decode().strip(), sandbox.applied.own_user, sandbox.uid)
    print(*sandbox.applied.shortfalls, sep=chr(10))
"""
AS_ROOT_OF_A_NAMESPACE = """
import subprocess, sys
shell = sys.argv[3] + 'exec "$@"'
python = [sys.executable, "-c", sys.argv[2], sys.argv[1]]
command = ["unshare", "--user", "--map-root-user", "sh", "-c", shell, "sh", *python]
done = subprocess.run(command, capture_output=True, text=True)
print(done.stdout + (done.stderr.strip().splitlines() or [""])[-1])
"""
FORBID = "echo 0 >/proc/sys/user/max_user_namespaces; "


@pytest.fixture(scope="module")
def packages() -> Iterator[str]:
    """A folder to import from, that every user can read."""
    with host_folder() as folder:
        for package in (agentgym, agentgym_desktop):
            source = Path(str(package.__file__)).parent
            shutil.copytree(source, folder / source.name, ignore=shutil.ignore_patterns("nano", "__pycache__"))
        (folder / "agentgym_desktop" / "__init__.py").write_text(
            ""
        )  # what it offers needs more than the standard library
        shutil.copy(str(pyseccomp.__file__), folder)
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
        yield str(folder)


def test_an_ordinary_user_has_sandboxes_and_is_told_what_they_lack(packages: str) -> None:
    first, *shortfalls = on_host(START, packages).splitlines()
    assert first.split() == ["1000", "False", str(NOBODY if os.geteuid() == 0 else os.geteuid())]
    assert any("memory limit" in shortfall and "AGENTGYM_CGROUP" in shortfall for shortfall in shortfalls)


def test_root_of_a_user_namespace_with_one_user_has_sandboxes_as_that_user(packages: str) -> None:
    first, *_ = on_host(AS_ROOT_OF_A_NAMESPACE, packages, START, "").splitlines()
    assert first.split() == ["1000", "False", "0"]


def test_a_kernel_that_forbids_user_namespaces_is_told_with_the_switch(packages: str) -> None:
    told = on_host(AS_ROOT_OF_A_NAMESPACE, packages, START, FORBID)
    assert told.startswith("agentgym.errors.MissingDependencyError: A desktop needs user namespaces")
    assert "`sudo sysctl -w user.max_user_namespaces=65536`" in told
