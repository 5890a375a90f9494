"""A root file system that runs Python and has no shell: what RUNTIME_IMAGE of the Dockerfile may be.

It is cut out of the base of the image, package by package, as distroless images are made of Debian's packages.
"""

import io
import re
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

#: What a process of the image needs, with all that these depend on.
_WANTED = ("python3", "tzdata", "base-files")
#: What packages want for their own installation, or for people: with them come shells, Perl and the package manager.
_LEFT_OUT = frozenset({"dpkg", "debconf", "debconf-2.0", "cdebconf", "mailcap"})
#: Files that no package owns: they are made when packages are installed.
_MADE = ("etc/ld.so.cache", "etc/ssl/certs/ca-certificates.crt")
#: Folders that are links into /usr, while packages may still name their files without it.
_LINKS = frozenset({"bin", "sbin", "lib", "lib32", "lib64", "libx32"})
_STATUS, _LISTS = "var/lib/dpkg/status", "var/lib/dpkg/info"


def write(base: Path, target: Path, *, of: Iterable[str] = _WANTED) -> None:
    """Write the archive `target` with those files of the archive `base` that some packages need, else Python.

    Args:
        base: a Debian with these packages, as debootstrap makes it.
        target: replaced if it is there.
        of: names of the packages.
    """
    with tarfile.open(base) as archive, tarfile.open(target, "w") as kept:
        members = {str(PurePosixPath(member.name)): member for member in archive}
        wanted = _wanted(archive, members, of)
        for name, member in members.items():
            if name in wanted or name in _LINKS:
                content = archive.extractfile(member) if member.isfile() else None
                kept.addfile(member, content or io.BytesIO())


def packages(status: str, of: Iterable[str] = _WANTED) -> set[str]:
    """Names of the packages that those in `of` need, by the list of installed packages."""
    needs = {found: _needs(paragraph) for paragraph in status.split("\n\n") if (found := _field(paragraph, "Package"))}
    seen: set[str] = set()
    waiting = list(of)
    while waiting:
        name = waiting.pop()
        if name in needs and name not in seen and name not in _LEFT_OUT:
            seen.add(name)
            waiting += needs[name]
    return seen


def _wanted(archive: tarfile.TarFile, members: Mapping[str, tarfile.TarInfo], of: Iterable[str]) -> set[str]:
    found = set(_MADE)
    for package in packages(_text(archive, members[_STATUS]), of):
        lists = [name for name in members if re.fullmatch(rf"{_LISTS}/{re.escape(package)}(:\w+)?\.list", name)]
        for listed in lists:
            found |= _merged(_text(archive, members[listed]).splitlines())
    # Bytecode of modules is made when packages are installed, too; without it every start compiles them.
    folders = {str(PurePosixPath(name).parent) for name in found if name.endswith(".py")}
    found |= {name for name in members if "__pycache__" in name and name.partition("/__pycache__")[0] in folders}
    return found | {str(parent) for name in found for parent in PurePosixPath(name).parents}


def _merged(paths: Iterable[str]) -> set[str]:
    """Paths as they are in an archive, where the old folders are links into /usr."""
    relative = (path.lstrip("/") for path in paths)
    return {f"usr/{path}" if path.partition("/")[0] in _LINKS and "/" in path else path for path in relative}


def _needs(paragraph: str) -> list[str]:
    listed = ",".join(_field(paragraph, name) for name in ("Depends", "Pre-Depends"))
    # Of alternatives, those are taken that are there.
    return [re.split(r"[\s:(]", part.strip())[0] for part in re.split(r"[,|]", listed)]


def _field(paragraph: str, name: str) -> str:
    found = re.search(rf"^{name}: (.*)$", paragraph, re.MULTILINE)
    return found[1] if found else ""


def _text(archive: tarfile.TarFile, member: tarfile.TarInfo) -> str:
    content = archive.extractfile(member)
    assert content is not None, member.name
    return content.read().decode()
