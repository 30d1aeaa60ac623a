"""What runs beneath the apps of a desktop."""

from __future__ import annotations

import pytest

from agentgym.errors import MissingDependencyError, SessionCrashedError
from agentgym_desktop import services
from agentgym_desktop.apps import EDITOR
from agentgym_desktop.desktop import Desktop
from agentgym_desktop.sandbox import Sandbox
from agentgym_desktop.settings import ENVIRONMENT
from agentgym_desktop.walls import SandboxSpec
from tests.desktop_screen import running


def test_the_buses_answer_once_the_services_have_started() -> None:
    with running() as desktop:
        desktop.services.check()
        ask = "org.freedesktop.DBus.NameHasOwner string:org.a11y.atspi.Registry"
        question = ["dbus-send", "--session", "--print-reply", "--dest=org.freedesktop.DBus", "/", *ask.split()]
        told = b""
        while b"boolean true" not in told:  # who reads elements waits for the registry
            done = desktop.sandbox.run(question, env=ENVIRONMENT)
            assert done.status == 0, done.stderr
            told = done.stdout
        resources = desktop.display.connection
        asked = resources.property(resources.ask_property(resources.root, "RESOURCE_MANAGER"))
        assert asked is not None
        assert b"XTerm*utf8: 1" in asked.value


def test_a_registry_that_is_slow_to_start_is_waited_for_and_has_no_rival(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = f"sleep 0.5; exec {services.REGISTRY[0]}"
    monkeypatch.setattr(services, "REGISTRY", ("sh", "-c", slow))
    desktop = Desktop.start(apps=(EDITOR,))
    try:
        assert "textbox" in {element.role for element in desktop.elements}
        assert desktop.alive
    finally:
        desktop.close()


@pytest.mark.parametrize("name", ["message bus", "accessibility registry"])
def test_a_service_that_ended_is_named_with_its_status(name: str) -> None:
    with running() as desktop:
        desktop.services.program(name).kill()
        desktop.services.program(name).wait(5.0)
        with pytest.raises(SessionCrashedError, match=f"desktop's {name} ended with status -9; it wrote"):
            desktop.services.check()


def test_a_missing_program_is_named_with_how_to_install_it() -> None:
    with (
        Sandbox.start(SandboxSpec(environment={"PATH": "/nowhere"})) as sandbox,
        pytest.raises(MissingDependencyError, match=r"'Xvfb', which is not installed.*apt-get install.* xvfb"),
    ):
        services.start(sandbox, (640, 480))


def test_a_server_that_ends_at_once_is_an_error_with_its_log() -> None:
    with Sandbox.start() as sandbox:
        sandbox.write("/tmp/.X0-lock", b"         1\n")  # as of a server that runs
        with pytest.raises(SessionCrashedError, match=r"X server ended with status 1; it wrote .*already active"):
            services.start(sandbox, (640, 480))
