"""`python -m moorage_dev foreign arm64 COMMAND…`: a command that can run programs of another architecture, by QEMU.

The kernel learns of QEMU in a user namespace of the command's own (Linux 6.7 and later keep one table for each), so the
machine's table stays as it is. All ids stand for themselves there. What the command has started ends with it.
"""

import argparse
import os
import subprocess
import time
from pathlib import Path

from moorage_dev import packages
from moorage_dev.failures import DevError
from moorage_dev.layout import ROOT

#: What the tests of the image read; `buildah` and `debian` make that architecture then.
VARIABLE = "MOORAGE_IMAGE_ARCHITECTURE"
#: Debian's name, which images use too → the kernel's, which is QEMU's, and the number in the header of an ELF file.
_MACHINES = {"arm64": ("aarch64", 183)}
_TABLE = "/proc/sys/fs/binfmt_misc"
_IDS = 65536
#: Seconds until a new process has its namespaces, and until one that was interrupted has ended by itself.
_PATIENCE = 30.0
#: The shell stays: a program that gains rights when it is started, as all do here, no longer dies with its parent.
_BEGIN = f"""
read -r go <&"$1"
mount -t proc proc /proc
if ! mount -t binfmt_misc none {_TABLE}; then
  echo "error: this kernel gives a namespace no table of its own; Linux 6.7 does" >&2
  exit 1
fi
printf '%s' "$2" > {_TABLE}/register
shift 2
"$@" && code=0 || code=$?
exit "$code"
"""


def main(argv: list[str]) -> int:
    """Run the command in the checkout; its exit code.

    Raises:
        DevError: this machine cannot do that; one sentence says why.
    """
    parser = argparse.ArgumentParser(prog="python -m moorage_dev foreign", description=__doc__, allow_abbrev=False)
    parser.add_argument("architecture", choices=sorted(_MACHINES), help="Debian's name of it")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="such as: python -m pytest tests/image/test_image.py")
    given = parser.parse_args(argv)
    if not given.command:
        parser.error("say which command")
    return _run(given.architecture, given.command)


def machine(architecture: str) -> str:
    """What the kernel calls an architecture (`uname --machine`), by Debian's name of it."""
    return _MACHINES[architecture][0]


def registration(architecture: str, interpreter: Path) -> str:
    """The line by which binfmt_misc knows programs of an architecture (the kernel's admin-guide/binfmt-misc.rst).

    `F` opens the interpreter now, so that programs find it also where their root is another one.
    """
    name, number = _MACHINES[architecture]
    # 64 bits, little endian, version 1, any ABI; then executable or shared, and the machine.
    start = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\x00" + number.to_bytes(2, "little")
    mask = b"\xff" * 7 + b"\x00" + bytes(8) + b"\xfe\xff\xff\xff"
    magic, masked = ("".join(f"\\x{byte:02x}" for byte in each) for each in (start, mask))
    return f":qemu-{name}:M::{magic}:{masked}:{interpreter}:F"


def _run(architecture: str, command: list[str]) -> int:
    if os.geteuid() != 0:
        raise DevError("programs of another architecture need a user namespace with all ids, which needs root")
    if machine(architecture) == os.uname().machine:
        raise DevError(f"this machine is {architecture} itself: run the command without `foreign`")
    program = Path(f"/usr/bin/qemu-{machine(architecture)}-static")
    if missing := packages.why_not({str(program): "qemu-user-static"}):
        raise DevError(missing)
    told, tell = os.pipe()
    begun = [*_namespaces(), "sh", "-euc", _BEGIN, "sh", str(told), registration(architecture, program)]
    environment = {**os.environ, VARIABLE: architecture}
    with subprocess.Popen([*begun, *command], cwd=ROOT, pass_fds=[told], env=environment) as process:
        os.close(told)
        try:
            _map_ids(process)
            os.write(tell, b"go\n")
        finally:
            os.close(tell)
        try:
            return process.wait()
        except KeyboardInterrupt:
            # A terminal has told the command, too. What has not ended then dies with `unshare`, which heeds no signal.
            try:
                process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
            raise


def _namespaces() -> list[str]:
    return ["unshare", "--user", "--mount", "--pid", "--fork", "--kill-child"]


def _map_ids(process: subprocess.Popen[bytes]) -> None:
    """Give the new user namespace all ids, under the same numbers, as soon as it is there."""
    place, until = Path(f"/proc/{process.pid}"), time.monotonic() + _PATIENCE
    try:
        while (place / "ns/user").readlink() == Path("/proc/self/ns/user").readlink():
            if process.poll() is not None or time.monotonic() > until:
                raise DevError("no user namespace can be had here: `unshare --user` shows why")
            time.sleep(0.01)
        for name in ("uid_map", "gid_map"):
            (place / name).write_text(f"0 0 {_IDS}", encoding="ascii")
    except OSError as error:
        raise DevError(f"no user namespace with all ids can be had here: {error.strerror}") from error
