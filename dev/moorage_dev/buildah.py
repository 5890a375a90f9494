"""Builds and runs the image without a Docker engine: buildah with chroot isolation, on a base made by debootstrap.

The base stands in for the image that BASE_IMAGE names, which nothing here can pull; a part of it without a shell can be
RUNTIME_IMAGE. It needs root, because debootstrap, mounts and chroot do.
"""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from moorage_dev import debian, packages, page, progress, runtime_root
from moorage_dev.failures import DevError
from moorage_dev.layout import ROOT, cache_dir

_PACKAGES = ("buildah", "debootstrap")
_BASE = "localhost/moorage-base:latest"
#: Another one for each way to cut it out.
_RUNTIME = f"localhost/moorage-runtime:{hashlib.sha256(Path(runtime_root.__file__).read_bytes()).hexdigest()[:12]}"
_DEPENDENCIES = "localhost/moorage-dependencies:latest"
#: What pip needs of the host while the image is built: the certificates it trusts and how it reaches the index.
_HOST_FILES = ("/etc/ssl/certs", "/etc/pip.conf", "/etc/resolv.conf")


def why_not() -> str | None:
    """One sentence that says why images cannot be built here; None when they can. Installs the tools where it may."""
    if os.geteuid() != 0:
        return "the image is built with buildah, debootstrap and chroot, which need root"
    return packages.why_not({name: name for name in _PACKAGES})


@dataclass(frozen=True, slots=True)
class Buildah:
    """buildah with storage of its own.

    Attributes:
        folder: gets images and containers.
        release: of the Debian that stands in for the image that BASE_IMAGE names; None for the machine's own.
        architecture: Debian's name of the image's, whose programs run here (`foreign`); None for the machine's own.
    """

    folder: Path
    release: str | None = None
    architecture: str | None = None

    def build(
        self, tag: str, *, arguments: Mapping[str, str] | None = None, context: Path = ROOT, shell: bool = True
    ) -> None:
        """Build the Dockerfile of this checkout; the layers with the dependencies are kept for the next time.

        Args:
            tag: its name.
            arguments: of the build.
            context: the sources, with the page in them.
            shell: whether it runs on the base; otherwise on what Python needs of it, as RUNTIME_IMAGE.

        Raises:
            DevError: it does not build; with the last lines of its output.
        """
        page.build()
        if not self._has(_BASE):
            self._load(base_archive(self.release, self.architecture), _BASE)
        if not shell and not self._has(_RUNTIME):
            self._load_runtime()
        given = {"BASE_IMAGE": _BASE, **({} if shell else {"RUNTIME_IMAGE": _RUNTIME}), **(arguments or {})}
        flags = ["--network=host", "--pull-never", "--layers", *self._platform()]
        flags += [f"--build-arg={name}={value}" for name, value in given.items()]
        flags += [f"--volume={path}:{path}:ro" for path in _HOST_FILES if Path(path).exists()]
        with progress.shown("building the image", lambda: "buildah"):
            self.run("bud", *flags, "--target=dependencies", f"--tag={_DEPENDENCIES}", str(context))
            self.run("bud", *flags, f"--tag={tag}", str(context))

    def archive(self, tag: str, path: Path) -> None:
        """Write an image into an OCI archive, under the same name."""
        path.unlink(missing_ok=True)
        self.run("push", tag, f"oci-archive:{path}:{tag}")

    def configuration(self, tag: str) -> dict[str, Any]:
        """The image's configuration: user, entry point, environment, labels."""
        image = json.loads(self.run("inspect", "--type=image", tag))
        return dict(image["OCIv1"]["config"])

    @contextmanager
    def container(self, tag: str) -> Iterator["Container"]:
        """A container of the image, with its file system mounted."""
        name = self.run("from", "--pull-never", tag).strip()
        try:
            yield Container(Path(self.run("mount", name).strip()), self.configuration(tag))
        finally:
            self.run("rm", name)

    def remove(self, tag: str) -> None:
        """Delete an image and what belongs to it alone."""
        self.run("rmi", "--force", tag)

    def run(self, *arguments: str) -> str:
        """Run buildah and return what it prints.

        Raises:
            DevError: it fails.
        """
        done = self._run(_driver(), *arguments)
        if done.returncode != 0:
            tail = "\n  ".join((done.stdout + done.stderr).splitlines()[-20:])
            raise DevError(f"buildah {arguments[0]} failed, its last lines were:\n  {tail}")
        return done.stdout

    def _run(self, driver: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        storage = [
            f"--root={self.folder / 'storage'}",
            f"--runroot={self.folder / 'run'}",
            f"--storage-driver={driver}",
        ]
        environment = {**os.environ, "BUILDAH_ISOLATION": "chroot"}
        command = ["buildah", *storage, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)

    def _has(self, tag: str) -> bool:
        return bool(self._run(_driver(), "images", "--quiet", tag).stdout)

    def _load(self, archive: Path, tag: str) -> None:
        container = self.run("from", *self._platform(), "scratch").strip()
        self.run("add", "--quiet", container, str(archive), "/")
        self.run("commit", "--quiet", container, tag)
        self.run("rm", container)

    def _platform(self) -> list[str]:
        return [f"--platform=linux/{self.architecture}"] if self.architecture else []

    def _load_runtime(self) -> None:
        with tempfile.TemporaryDirectory(prefix="moorage-runtime-") as folder:
            archive = Path(folder) / "root.tar"
            runtime_root.write(base_archive(self.release, self.architecture), archive)
            self._load(archive, _RUNTIME)


@contextmanager
def kept(release: str | None = None, architecture: str | None = None) -> Iterator[Buildah]:
    """buildah with the storage that all checkouts with these locks share; storage of other locks is deleted.

    Args:
        release: see `Buildah`; each has a storage of its own.
        architecture: the same.
    """
    parts = (ROOT / name for name in ("Dockerfile", "requirements.lock", "requirements-build.lock"))
    key = hashlib.sha256(b"".join(part.read_bytes() for part in parts)).hexdigest()[:12]
    storages = "-".join(("image-layers", *filter(None, [architecture]), release or debian.codename()))
    folder = cache_dir() / f"{storages}-{key}"
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        for other in cache_dir().glob(f"{storages}-*.lock"):
            if other != folder.with_suffix(".lock"):
                _delete_unused(other)
        yield Buildah(folder, release, architecture)


def _delete_unused(lock: Path) -> None:
    with lock.open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        shutil.rmtree(lock.with_suffix(""), ignore_errors=True)
        lock.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class Container:
    """The file system of a container, and how its image wants to be started.

    Attributes:
        root: where the file system is mounted, writable.
        configuration: of the image.
    """

    root: Path
    configuration: dict[str, Any]

    @property
    def user(self) -> tuple[int, int]:
        """User and group id."""
        user, group = str(self.configuration["User"]).split(":")
        return int(user), int(group)

    def command(self, *arguments: str, environment: Mapping[str, str], files: Sequence[Path] = ()) -> list[str]:
        """A command line that starts the entry point as a locked-down cluster does.

        The root is read-only, only /tmp can be written, the user is the image's, and no right can be gained. `files` of
        the host are there, read-only, under their own names. The network is the host's.
        """
        variables = [*self.configuration["Env"], *(f"{name}={value}" for name, value in environment.items())]
        user, group = self.user
        # The image need not have `env`; chroot looks for the program on the PATH of its environment, in the new root.
        changed = [str(shutil.which("chroot")), f"--userspec={user}:{group}", "--groups=", str(self.root)]
        locked = ["setpriv", "--no-new-privs", "env", "--ignore-environment", *variables, *changed]
        start = [*self.configuration["Entrypoint"], *arguments]
        return [
            "unshare",
            "--mount",
            "sh",
            "-euc",
            self._mounts(files),
            "sh",
            *locked,
            *start,
        ]

    def _mounts(self, files: Sequence[Path]) -> str:
        root, scratch = self.root, self.root / "tmp"
        lines = [f"mount --bind {root} {root}", f"mount -t tmpfs -o size=16m,mode=1777 tmpfs {scratch}"]
        for path in files:
            target = root / path.relative_to("/")
            lines += [f"mkdir -p {target.parent}", f"touch {target}", f"mount --bind {path} {target}"]
        lines += [f"mount -t proc proc {root}/proc", f"mount -o remount,bind,ro {root}"]
        return "\n".join([*lines, 'exec "$@"'])


@cache
def _driver() -> str:
    """overlay where the kernel lets us, because vfs copies everything for every layer."""
    with tempfile.TemporaryDirectory(prefix="moorage-storage-") as folder:
        probe = Buildah(Path(folder))
        made = probe._run("overlay", "from", "scratch")
        mounted = made.returncode == 0 and probe._run("overlay", "mount", made.stdout.strip()).returncode == 0
        probe._run("overlay", "rm", "--all")
    return "overlay" if mounted else "vfs"


def base_archive(release: str | None = None, architecture: str | None = None) -> Path:
    """A minimal Debian with its Python, which stands in for the image that BASE_IMAGE names.

    Args:
        release: of Debian; by default the one that this machine runs.
        architecture: Debian's name of it; by default the machine's own.
    """
    packages_of_base = ("python3", "python3-venv", "ca-certificates")
    minutes = "minutes, because QEMU translates" if architecture else "about a minute"
    title = f"making the base of the image (once; {minutes})"
    return debian.archive("image-base", title, packages_of_base, release=release, architecture=architecture)
