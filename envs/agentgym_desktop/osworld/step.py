"""The steps of set-up, as a task file has them."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Discriminator, Field, Tag

from agentgym_desktop.osworld.part import Command, Part, tag_by


class RemoteFile(Part):
    """A file that OSWorld downloads into its machine."""

    url: str = Field(min_length=1)
    path: str = Field(min_length=1)

    @property
    def address(self) -> str:
        """Where it comes from."""
        return self.url


class LocalFile(Part):
    """A file that OSWorld copies into its machine."""

    local_path: str = Field(min_length=1)
    path: str = Field(min_length=1)

    @property
    def address(self) -> str:
        """Where it comes from."""
        return self.local_path


class DownloadParameters(Part):
    """See `Download`."""

    files: list[RemoteFile]


class UploadParameters(Part):
    """See `Upload`."""

    files: list[LocalFile]


class OpenParameters(Part):
    """See `Open`."""

    path: str = Field(min_length=1)


class LaunchParameters(Part):
    """See `Launch`."""

    command: Command = Field(min_length=1)
    shell: bool = False


class Until(Part):
    """What a repeated command has to bring about; any of it is enough."""

    returncode: int | None = None
    stdout: str | None = None
    stderr: str | None = None


class ExecuteParameters(Part):
    """See `Execute`."""

    command: Command = Field(min_length=1)
    shell: bool = False
    stdout: str = ""
    """Name under which `CacheFile` finds what the command wrote."""
    stderr: str = ""
    until: Until | None = None


class WindowParameters(Part):
    """Which window: by its title, or by its app's class; a part of it, or the whole of it where it is strict."""

    window_name: str = Field(min_length=1)
    strict: bool = False
    by_class: bool = False


class SleepParameters(Part):
    """See `Sleep`."""

    seconds: float = Field(ge=0, allow_inf_nan=False)


class TabsParameters(Part):
    """See `Tabs`."""

    urls_to_open: list[str]


class Download(Part):
    """Puts files there, which are taken from the folder of files at hand, never from the network."""

    type: Literal["download"]
    parameters: DownloadParameters


class Upload(Part):
    """Puts files of the benchmark's own there."""

    type: Literal["upload_file"]
    parameters: UploadParameters


class Open(Part):
    """Opens a file or folder with the app that is meant for it."""

    type: Literal["open"]
    parameters: OpenParameters


class Launch(Part):
    """Starts a program, and does not wait for its end."""

    type: Literal["launch"]
    parameters: LaunchParameters


class Execute(Part):
    """Runs a command to its end."""

    type: Literal["execute", "command"]
    parameters: ExecuteParameters


class ActivateWindow(Part):
    """Brings a window to the front."""

    type: Literal["activate_window"]
    parameters: WindowParameters


class CloseWindow(Part):
    """Asks a window to close."""

    type: Literal["close_window"]
    parameters: WindowParameters


class Sleep(Part):
    """Gives the apps time."""

    type: Literal["sleep"]
    parameters: SleepParameters


class Tabs(Part):
    """Opens pages in the browser."""

    type: Literal["chrome_open_tabs"]
    parameters: TabsParameters


class OtherStep(Part):
    """A step of a kind that is not known here."""

    type: str = Field(min_length=1)
    parameters: dict[str, Any] = Field(default_factory=dict)


_TAGS = {
    "download": "download",
    "upload_file": "upload_file",
    "open": "open",
    "launch": "launch",
    "execute": "execute",
    "command": "execute",
    "activate_window": "activate_window",
    "close_window": "close_window",
    "sleep": "sleep",
    "chrome_open_tabs": "chrome_open_tabs",
}
Step: TypeAlias = Annotated[
    Annotated[Download, Tag("download")]
    | Annotated[Upload, Tag("upload_file")]
    | Annotated[Open, Tag("open")]
    | Annotated[Launch, Tag("launch")]
    | Annotated[Execute, Tag("execute")]
    | Annotated[ActivateWindow, Tag("activate_window")]
    | Annotated[CloseWindow, Tag("close_window")]
    | Annotated[Sleep, Tag("sleep")]
    | Annotated[Tabs, Tag("chrome_open_tabs")]
    | Annotated[OtherStep, Tag("other")],
    Discriminator(tag_by(_TAGS)),
]
