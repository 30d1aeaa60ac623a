"""What containers are made of, and what is said where no engine works: on any machine, with an engine or without."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from agentgym.errors import ConfigError, MissingDependencyError
from agentgym_desktop import contained, engine, owner, rootfs, seccomp, skeleton, walls
from agentgym_desktop.container import ContainerSandbox, command
from agentgym_desktop.engine import VARIABLE
from agentgym_desktop.rootfs import Bind
from agentgym_desktop.walls import SandboxSpec
from agentgym_desktop.world import DesktopWorld
from tests.desktop_walls import host_folder

if TYPE_CHECKING:
    from collections.abc import Iterator

SPEC = SandboxSpec(image="ours", memory_mb=100, processes=20, home_mb=3, tmp_mb=4, shm_mb=5, run_mb=6)
WALLS = """
--detach --rm --pull=never --network=none --ipc=private --hostname=desktop --user=1000:1000 --read-only --cap-drop=ALL
--security-opt=no-new-privileges --security-opt=seccomp=/start/seccomp.json --memory=100m --memory-swap=100m
--pids-limit=20 --shm-size=5m --log-driver=none
""".split()  # noqa: SIM905 (as one writes it)
MOUNT = "--mount=type=bind,source={},target={},readonly"


def options(kind: str, spec: SandboxSpec = SPEC) -> list[str]:
    """Return the command line of an engine, each option in one word with its value."""
    words = command(spec, kind, "its-name", Path("/start"), "ours")
    line = re.sub(r"(--[\w-]+) (?!-)(?!ours)", r"\1=", " ".join(words))
    return line.split(" ")


@pytest.fixture(autouse=True)
def asked_anew() -> Iterator[None]:
    """No engine is known before a test, nor after it."""
    engine.find.cache_clear()
    walls.bubblewrap.cache_clear()
    yield
    engine.find.cache_clear()
    walls.bubblewrap.cache_clear()


class TestCommandLine:
    @pytest.mark.parametrize("kind", engine.NAMES)
    def test_a_container_has_all_walls_and_limits(self, kind: str) -> None:
        made = options(kind)
        assert made[0] == "run"
        assert set(WALLS) <= set(made)
        assert made[made.index("ours") :] == ["ours", "-I", "-S", "/mnt/init.py", "/mnt/socket"]
        assert f"--entrypoint={rootfs.PYTHON}" in made

    @pytest.mark.parametrize("kind", engine.NAMES)
    def test_what_can_be_written_to_has_a_size_and_all_of_the_hosts_is_read_only(self, kind: str) -> None:
        made = options(kind, SandboxSpec(binds=(Bind(Path("/some"), "/given"),)))
        folders = [each for each in made if each.startswith("--tmpfs=")]
        assert {each.split("=", 1)[1].split(":")[0] for each in folders} == {"/home", "/tmp", "/run", "/usr/local"}
        assert all("size=" in each for each in folders)
        assert MOUNT.format("/some", "/given") in made
        assert MOUNT.format("/start/door", "/mnt") in made
        assert MOUNT.format("/usr", "/usr") in made
        assert not [each for each in made if each.startswith(("-v", "--volume", "--privileged", "--device"))]
        assert all(each.endswith(",readonly") for each in made if each.startswith("--mount="))

    def test_each_engine_gets_what_it_alone_understands(self) -> None:
        podman, docker = options("podman"), options("docker")
        assert "--tmpfs=/home:rw,exec,nosuid,nodev,size=3m,mode=1777,notmpcopyup" in podman
        assert "--tmpfs=/home:rw,exec,nosuid,nodev,size=3m,mode=1777,uid=1000,gid=1000" in docker
        assert {"--systemd=false", "--read-only-tmpfs=false"} <= set(podman)
        assert not {"--systemd=false", "--read-only-tmpfs=false"} & set(docker)

    def test_an_image_has_its_own_files_and_a_root_its_folder(self, tmp_path: Path) -> None:
        assert not [each for each in options("podman") if "target=/usr," in each]
        (tmp_path / "usr" / "bin").mkdir(parents=True)
        (tmp_path / "usr" / "bin" / "python3").touch()
        (tmp_path / "etc").mkdir()
        made = options("podman", SandboxSpec(root=tmp_path))
        assert MOUNT.format(tmp_path / "usr", "/usr") in made
        assert MOUNT.format(tmp_path / "etc", "/etc") in made
        assert not [each for each in made if "/usr/local" in each]

    def test_a_path_that_an_engine_would_read_as_options_is_refused(self) -> None:
        with pytest.raises(ConfigError, match="no comma"):
            options("podman", SandboxSpec(image="ours", binds=(Bind(Path("/a,rw=true"), "/given"),)))


class TestParts:
    def test_the_filter_of_containers_is_that_of_sandboxes(self) -> None:
        made = json.loads(seccomp.profile())
        by_name = {name: rule for rule in made["syscalls"] for name in rule["names"]}
        assert made["defaultAction"] == "SCMP_ACT_ERRNO"
        assert set(by_name) == {
            *seccomp.ALLOWED,
            *seccomp.REFUSED,
            "clone",
            "clone3",
            "socket",
            "personality",
            "prlimit64",
        }
        assert {by_name[name]["action"] for name in ("unshare", "mount", "ptrace", "clone3")} == {"SCMP_ACT_ERRNO"}
        assert by_name["clone"]["args"][0]["value"] & 0x10000000  # CLONE_NEWUSER

    def test_the_image_of_the_hosts_programs_has_the_same_bytes_each_time(self) -> None:
        made = skeleton.archive({"/lib": "usr/lib"})
        assert made == skeleton.archive({"/lib": "usr/lib"})
        assert made != skeleton.archive({})

    def test_a_user_inside_is_found_outside(self) -> None:
        assert contained.host_uid("         0          0 4294967295\n") == 1000
        assert contained.host_uid("0 1001 1\n1 100000 65536\n") == 100_999

    def test_a_container_knows_whether_its_owner_lives(self) -> None:
        ours = owner.name("0a1b")
        prefix, pid, began, namespace, boot, token = ours.split("-")
        done = subprocess.Popen([sys.executable, "-c", ""])
        os.waitid(os.P_PID, done.pid, os.WEXITED | os.WNOWAIT)
        ended = Path(f"/proc/{done.pid}/stat").read_text().split()[21]
        assert owner.is_dead("-".join((prefix, str(done.pid), ended, namespace, boot, token)))
        done.wait()
        assert pid == str(os.getpid())
        assert not owner.is_dead(ours)
        assert owner.is_dead("-".join((prefix, str(done.pid), began, namespace, boot, token)))
        assert owner.is_dead("-".join((prefix, pid, str(int(began) + 1), namespace, boot, token)))
        assert owner.is_dead("-".join((prefix, pid, began, namespace, "00000000", token)))
        assert not owner.is_dead("-".join((prefix, pid, "1", "1", boot, token)))  # of others: they may live
        assert not owner.is_dead("agentgym-mine")


class TestNoEngine:
    def test_a_machine_without_an_engine_is_told_what_to_install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv(VARIABLE, raising=False)
        monkeypatch.setenv("PATH", "/nowhere")
        with pytest.raises(MissingDependencyError) as caught:
            ContainerSandbox.start()
        for word in ("podman is not installed.", "docker is not installed.", "sudo apt-get install podman", VARIABLE):
            assert word in str(caught.value)

    def test_an_engine_that_does_not_work_is_quoted(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        (tmp_path / "docker").write_text("#!/bin/sh\necho The service is asleep. >&2\nexit 1\n")
        (tmp_path / "docker").chmod(0o755)
        monkeypatch.delenv(VARIABLE, raising=False)
        monkeypatch.setenv("PATH", str(tmp_path))
        with pytest.raises(MissingDependencyError, match=r"docker does not work \(The service is asleep\.\)\. Install"):
            engine.find()

    def test_the_engine_that_was_asked_for_is_taken_with_its_options(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        (tmp_path / "podman-new").write_text('#!/bin/sh\necho "$2/$3"\n')
        (tmp_path / "podman-new").chmod(0o755)
        monkeypatch.setenv(VARIABLE, f"{tmp_path}/podman-new --runtime runc")
        found = engine.find()
        assert found.name == "podman"
        assert found.version == "runc/info"
        assert found.command == (f"{tmp_path}/podman-new", "--runtime", "runc")

    def test_doctor_says_so_where_neither_sandbox_nor_container_works(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with host_folder() as folder:
            (folder / "bwrap").write_text("#!/bin/sh\necho bubblewrap 0.4.1\n")
            (folder / "bwrap").chmod(0o755)
            monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
            monkeypatch.setenv(VARIABLE, "no-such-engine")
            with pytest.raises(MissingDependencyError) as caught:
                DesktopWorld.check()
        assert "bwrap is version 0.4.1" in str(caught.value)
        assert "Nor does one start in a container" in str(caught.value)
        assert "no-such-engine is not installed" in str(caught.value)


class TestWorldOptions:
    def test_a_backend_that_does_not_exist_is_refused(self) -> None:
        with pytest.raises(ConfigError, match="it has sandbox and container"):
            DesktopWorld(backend="vm")  # type: ignore[arg-type]  # as a user may

    def test_an_image_is_for_containers_alone(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="for backend='container' alone"):
            DesktopWorld(image="ours")
        with pytest.raises(ConfigError, match="without a root"):
            DesktopWorld(backend="container", image="ours", root=tmp_path)
