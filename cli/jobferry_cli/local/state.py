"""What is running on this machine: `.jobferry/local.json`."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

HOME_VARIABLE = "JOBFERRY_HOME"
FOLDER = ".jobferry"
FILE = "local.json"

# Any key works as the emulator's root; these are the ones its documentation uses.
ACCESS_KEY_ID = "test"
SECRET_ACCESS_KEY = "test"  # noqa: S105
REGION = "us-east-1"
STACK = "jobferry-local"


@dataclass(frozen=True, slots=True)
class ProcessHandle:
    """A process of ours. Its start time tells it from a later one with the same number."""

    pid: int
    born: float


@dataclass(frozen=True, slots=True)
class LocalState:
    """A local stack that is up. `scratch` is the emulator's own folder, removed with it."""

    endpoint_url: str
    simulator_url: str | None
    scratch: str
    processes: dict[str, ProcessHandle] = field(default_factory=dict)
    stack: str = STACK
    region: str = REGION
    access_key_id: str = ACCESS_KEY_ID
    secret_access_key: str = SECRET_ACCESS_KEY

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / FILE).write_text(json.dumps(asdict(self), indent=2) + "\n")

    def environment(self) -> dict[str, str]:
        """Variables that point every AWS tool at this stack."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_ACCESS_KEY_ID": self.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.secret_access_key,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_REGION": self.region,
        }


def state_folder() -> Path:
    """Where the state is kept: `JOBFERRY_HOME`, or `.jobferry` here or in a folder above."""
    if HOME_VARIABLE in os.environ:
        return Path(os.environ[HOME_VARIABLE]).absolute()
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / FOLDER / FILE).exists():
            return folder / FOLDER
    return here / FOLDER


def load_state(folder: Path) -> LocalState | None:
    """The stack that was started last, if any was noted."""
    path = folder / FILE
    if not path.exists():
        return None
    document = json.loads(path.read_text())
    handles = {name: ProcessHandle(**handle) for name, handle in document["processes"].items()}
    return LocalState(**{**document, "processes": handles})


def forget_state(folder: Path) -> None:
    (folder / FILE).unlink(missing_ok=True)
