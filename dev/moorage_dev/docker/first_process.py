"""The first process in an engine's namespaces: it sets up mounts, says so, and then only reaps orphans.

`python -m moorage_dev.docker.first_process FOLDER`, started by `unshare`. Nobody outside sees what it changes.
When it ends, the kernel ends everything else in its process id namespace, containers too.
"""

import signal
import subprocess
import sys
from pathlib import Path

#: Made in the engine's folder when everything is there.
READY = "namespaces-ready"

#: The engine raises these at its start, and they belong to the whole machine: files lie over them.
_KEYS = {"root_maxkeys": "1000000", "root_maxbytes": "25000000"}
#: kind has the engine mount it into nodes, and the engine makes what it is to mount.
_MODULES = Path("/lib/modules")


def main(folder: Path) -> None:
    """Set up, then stay until killed."""
    _run("mount", "--make-rprivate", "/")
    _run("mount", "-t", "tmpfs", "-o", "mode=755", "run", "/run")
    libraries = folder / "var-lib"
    libraries.mkdir()
    _run("mount", "--bind", str(libraries), "/var/lib")
    if not _MODULES.exists():
        _lend_modules(folder)
    for name, value in _KEYS.items():
        (folder / name).write_text(f"{value}\n", encoding="ascii")
        _run("mount", "--bind", str(folder / name), f"/proc/sys/kernel/keys/{name}")
    _run("ip", "link", "set", "lo", "up")
    (folder / READY).touch()
    # Remains of processes whose parent has ended are taken away by the kernel.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        signal.pause()


def _lend_modules(folder: Path) -> None:
    """Whatever is made beside the libraries lies in the engine's folder, and the machine does not get it."""
    upper, work = folder / "made-in-lib", folder / "work-of-lib"
    for one in (upper, work):
        one.mkdir()
    place = _MODULES.parent.resolve()
    _run("mount", "-t", "overlay", "-o", f"lowerdir={place},upperdir={upper},workdir={work}", "lib", str(place))


def _run(*command: str) -> None:
    subprocess.run(command, check=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
