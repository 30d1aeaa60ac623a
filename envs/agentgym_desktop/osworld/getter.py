"""The getters of a judge, as a task file has them: what of the desktop is looked at."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import Discriminator, Field, Tag, model_validator

from agentgym_desktop.osworld.browser import GETTERS as PROFILE_GETTERS
from agentgym_desktop.osworld.part import Command, Part, tag_by


class _Files(Part):
    path: str | list[str]
    dest: str | list[str]
    multi: bool = False
    gives: list[Annotated[int, Field(ge=0)]] = Field(default_factory=lambda: [0])

    @model_validator(mode="after")
    def _check(self) -> Self:
        kind = list if self.multi else str
        if not (isinstance(self.path, kind) and isinstance(self.dest, kind)):
            raise ValueError(f"`path` and `dest` must be {'lists' if self.multi else 'texts'}: `multi` is {self.multi}")  # noqa: TRY004 (pydantic turns only a ValueError into its own)
        if self.multi and len(self.path) != len(self.dest):
            raise ValueError(f"`path` has {len(self.path)} entries and `dest` {len(self.dest)}")
        if any(number >= len(self.pairs) for number in self.gives):
            raise ValueError(f"`gives` names {max(self.gives)}, but there are {len(self.pairs)} files")
        return self

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Where each file comes from, and the name that it gets."""
        if isinstance(self.path, str):
            assert isinstance(self.dest, str)
            return [(self.path, self.dest)]
        return list(zip(self.path, self.dest, strict=True))


class VmFile(_Files):
    """Files inside."""

    type: Literal["vm_file"]
    time_suffix: bool = False


class CloudFile(_Files):
    """Files that were made for the judge, by their address."""

    type: Literal["cloud_file"]


class CacheFile(Part):
    """What a command of the judge's own wrote, or a file that was fetched already."""

    type: Literal["cache_file"]
    path: str


class Rule(Part):
    """What the task file itself says."""

    type: Literal["rule"]
    rules: dict[str, Any] | list[Any]


class CommandOutput(Part):
    """What a command writes inside."""

    type: Literal["vm_command_line", "vm_command_error"]
    command: Command = Field(min_length=1)
    shell: bool = False


class ListDirectory(Part):
    """Names below a folder."""

    type: Literal["list_directory"]
    path: str


class ContentFromVmFile(Part):
    """A part of a document inside."""

    type: Literal["content_from_vm_file"]
    path: str
    file_type: str
    file_content: str


class WindowSize(Part):
    """Width and height of an app's window."""

    type: Literal["vm_window_size"]
    app_class_name: str


class PlainGetter(Part):
    """A getter without parameters."""

    type: Literal["vm_screen_size", "vm_terminal_output"]


class ProfileGetter(Part):
    """A setting of the browser, or its bookmarks; see `browser`."""

    type: str


class OtherGetter(Part):
    """A getter of a kind that is not known here."""

    type: str = Field(min_length=1)


_TAGS = {
    **{kind: kind for kind in ("vm_file", "cloud_file", "cache_file", "rule", "list_directory", "vm_window_size")},
    **dict.fromkeys(("vm_command_line", "vm_command_error"), "command"),
    **dict.fromkeys(("vm_screen_size", "vm_terminal_output"), "plain"),
    **dict.fromkeys(PROFILE_GETTERS, "profile"),
    "content_from_vm_file": "content",
}
Getter: TypeAlias = Annotated[
    Annotated[VmFile, Tag("vm_file")]
    | Annotated[CloudFile, Tag("cloud_file")]
    | Annotated[CacheFile, Tag("cache_file")]
    | Annotated[Rule, Tag("rule")]
    | Annotated[CommandOutput, Tag("command")]
    | Annotated[ListDirectory, Tag("list_directory")]
    | Annotated[ContentFromVmFile, Tag("content")]
    | Annotated[WindowSize, Tag("vm_window_size")]
    | Annotated[PlainGetter, Tag("plain")]
    | Annotated[ProfileGetter, Tag("profile")]
    | Annotated[OtherGetter, Tag("other")],
    Discriminator(tag_by(_TAGS)),
]
