"""runc for an engine that must leave its machine alone: `python -m moorage_dev.docker.runtime ARGUMENTS-OF-RUNC…`.

A privileged container gets every capability that the kernel knows, which fails where root itself lacks one, and may
write settings of the kernel that belong to the whole machine. Here it gets what root has, and reads those settings.
"""

import json
import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

#: Settings of the whole machine; those of a network belong to the container's own.
_READ_ONLY = ("/proc/sys/fs", "/proc/sys/kernel", "/proc/sys/vm")
#: In the order of their numbers (capabilities(7)).
_NAMES = """
    CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE
    NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN
    SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE
    MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE
"""


def main(arguments: Sequence[str]) -> None:
    """Change what the engine wants, then become runc."""
    held = capabilities(Path("/proc/self/status").read_text(encoding="ascii"))
    if bundle := _value(arguments, "--bundle"):
        _rewrite(Path(bundle) / "config.json", lambda wanted: confined(wanted, held))
    if process := _value(arguments, "--process"):
        _rewrite(Path(process), lambda wanted: limited(wanted, held))
    runc = shutil.which("runc")
    assert runc is not None, "runc is not on PATH"
    os.execv(runc, [runc, *arguments])  # noqa: S606 — runc takes the place of this process, as the engine expects


def capabilities(status: str) -> frozenset[str]:
    """Names of the capabilities that a process may have, by its `/proc/…/status`."""
    line = next(line for line in status.splitlines() if line.startswith("CapBnd:"))
    bits = int(line.split()[1], 16)
    return frozenset(f"CAP_{name}" for number, name in enumerate(_NAMES.split()) if bits >> number & 1)


def confined(container: Mapping[str, Any], held: frozenset[str]) -> dict[str, Any]:
    """A container that reads the machine's settings and has no capability but those in `held`."""
    linux = container.get("linux", {})
    paths = sorted({*linux.get("readonlyPaths", ()), *_READ_ONLY})
    return {
        **container,
        "process": limited(container["process"], held),
        "linux": {**linux, "readonlyPaths": paths},
    }


def limited(process: Mapping[str, Any], held: frozenset[str]) -> dict[str, Any]:
    """A process of a container without the capabilities that are not in `held`."""
    sets = process.get("capabilities") or {}
    kept = {kind: [name for name in names or () if name in held] for kind, names in sets.items()}
    return {**process, "capabilities": kept} if sets else dict(process)


def _value(arguments: Sequence[str], flag: str) -> str | None:
    """What follows a flag, as `--flag value` or `--flag=value`."""
    for number, argument in enumerate(arguments):
        if argument == flag:
            return arguments[number + 1]
        if argument.startswith(f"{flag}="):
            return argument.partition("=")[2]
    return None


def _rewrite(path: Path, changed: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    wanted = changed(json.loads(path.read_text(encoding="utf-8")))
    path.write_text(json.dumps(wanted), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
