"""A prepared root file system: what builds it, and what a sandbox makes of it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from agentgym_desktop import rootfs
from agentgym_desktop.sandbox import Sandbox
from agentgym_desktop.walls import SandboxSpec
from tests.desktop_walls import host_folder

SCRIPT = Path(__file__).parent.parent / "scripts" / "build_rootfs"


def build(*arguments: str, path: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run the script that builds one."""
    environment = dict(os.environ) if path is None else {"PATH": path}
    command = ["/bin/bash", str(SCRIPT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def test_a_prepared_root_stands_in_place_of_the_hosts_files() -> None:
    with host_folder() as root:
        for name in ("usr", *rootfs.TOP):  # the host's programs, as if they had been installed there
            if name == "usr":
                (root / name).symlink_to("/usr")
            elif Path("/", name).is_symlink():
                (root / name).symlink_to(Path("/", name).readlink())
        (root / "etc").mkdir()
        (root / "etc" / "passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
        (root / "etc" / "release").write_text("ours 1\n")
        (root / "var").mkdir()
        with Sandbox.start(SandboxSpec(root=root)) as sandbox:
            assert sandbox.list("/etc") == ["passwd", "release"]
            assert sandbox.read("/etc/release", max_bytes=100) == b"ours 1\n"
            assert sandbox.read("/etc/passwd", max_bytes=1000) == rootfs.SETTINGS["/etc/passwd"]
            assert b"Read-only" in sandbox.run(["touch", "/etc/mine", "/var/mine", "/usr/mine"]).stderr
        assert sorted(path.name for path in (root / "etc").iterdir()) == ["passwd", "release"]


def test_the_script_that_builds_a_root_says_how_it_is_used_and_what_is_missing(tmp_path: Path) -> None:
    assert build().returncode == 2
    assert "scripts/build_rootfs FOLDER" in build("--help").stderr
    (tmp_path / "bin").mkdir()
    for name in ("sed", "ls"):
        (tmp_path / "bin" / name).symlink_to(f"/usr/bin/{name}")
    missing = build(str(tmp_path / "new"), path=str(tmp_path / "bin"))
    assert missing.returncode == 1
    assert "sudo apt-get install mmdebstrap" in missing.stderr
    (tmp_path / "bin" / "mmdebstrap").write_text("#!/bin/sh\nexit 9\n")
    (tmp_path / "bin" / "mmdebstrap").chmod(0o755)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    full = build(str(tmp_path / "full"), path=str(tmp_path / "bin"))
    assert full.returncode == 1
    assert "is not empty" in full.stderr
