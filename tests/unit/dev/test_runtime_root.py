"""What is cut out of the base of the image, so that Python runs and no shell does."""

import io
import tarfile
from pathlib import Path

from moorage_dev import runtime_root

STATUS = """\
Package: python3
Depends: python3.11 (>= 3.11), media-types | mime-support:any
Pre-Depends: dpkg

Package: python3.11
Depends: libc6

Package: libc6

Package: media-types

Package: dpkg
Depends: tar

Package: tar

Package: base-files

Package: bash
"""
FILES = {
    "./var/lib/dpkg/status": STATUS,
    "./var/lib/dpkg/info/libc6:amd64.list": "/lib\n/lib/libc.so.6\n",
    "./var/lib/dpkg/info/python3.11.list": "/usr/bin/python3.11\n/usr/lib/python3.11/os.py\n",
    "./var/lib/dpkg/info/bash.list": "/bin/bash\n",
    "./var/lib/dpkg/info/tar.list": "/bin/tar\n",
    "./usr/lib/libc.so.6": "libc",
    "./usr/bin/python3.11": "python",
    "./usr/bin/bash": "bash",
    "./usr/bin/tar": "tar",
    "./usr/lib/python3.11/os.py": "os",
    "./usr/lib/python3.11/__pycache__/os.cpython-311.pyc": "compiled",
    "./usr/share/other/__pycache__/x.cpython-311.pyc": "compiled",
    "./etc/ld.so.cache": "cache",
    "./etc/shadow": "secret",
}


def _base(folder: Path) -> Path:
    path = folder / "base.tar"
    with tarfile.open(path, "w") as archive:
        for name in (".", "./usr", "./usr/bin", "./usr/lib"):
            member = tarfile.TarInfo(name)
            member.type = tarfile.DIRTYPE
            archive.addfile(member)
        for name, target in {"./bin": "usr/bin", "./lib": "usr/lib"}.items():
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.SYMTYPE, target
            archive.addfile(member)
        for name, text in FILES.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    return path


def test_packages_are_those_that_python_needs_and_not_what_installs_them() -> None:
    assert runtime_root.packages(STATUS) == {"python3", "python3.11", "libc6", "media-types", "base-files"}


def test_files_of_these_packages_are_kept_with_what_was_made_of_them(tmp_path: Path) -> None:
    runtime_root.write(_base(tmp_path), tmp_path / "root.tar")
    with tarfile.open(tmp_path / "root.tar") as archive:
        names = {member.name for member in archive}
        libc = archive.extractfile("./usr/lib/libc.so.6")
        assert libc is not None
        assert libc.read() == b"libc"
        assert archive.getmember("./bin").linkname == "usr/bin"
    assert names == {
        ".",
        "./usr",
        "./usr/bin",
        "./usr/lib",
        "./bin",
        "./lib",
        "./usr/lib/libc.so.6",
        "./usr/bin/python3.11",
        "./usr/lib/python3.11/os.py",
        "./usr/lib/python3.11/__pycache__/os.cpython-311.pyc",
        "./etc/ld.so.cache",
    }
