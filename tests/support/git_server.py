"""A Git repository that is served over HTTP on the loopback address, as a real host does it: by `git http-backend`."""

import os
import shutil
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

_NOBODY = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull, "GIT_TERMINAL_PROMPT": "0"}
_AUTHOR = {f"GIT_{role}_{what}": "dev@example.com" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}


class Repository:
    """One repository with the branch `main`, and a checkout to commit from.

    Args:
        folder: gets both.
        url: where it is served.
    """

    def __init__(self, folder: Path, url: str) -> None:
        self.url = url
        self._bare = folder / "shop.git"
        self._checkout = folder / "checkout"
        _git(folder, "init", "--quiet", "--bare", "--initial-branch=main", str(self._bare))
        _git(folder, "clone", "--quiet", str(self._bare), str(self._checkout))
        _git(self._checkout, "checkout", "--quiet", "-b", "main")

    def commit(self, files: Mapping[str, str | None], *, why: str = "Change") -> str:
        """Write files (None deletes, also a whole folder), commit, push; the commit's id.

        What is there already makes no commit.
        """
        for name, text in files.items():
            path = self._checkout / name
            if text is None:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        _git(self._checkout, "add", "--all")
        if _git(self._checkout, "status", "--porcelain"):
            _git(self._checkout, "commit", "--quiet", "--message", why)
            _git(self._checkout, "push", "--quiet", "origin", "main")
        return self.head()

    def head(self) -> str:
        """Id of the last commit."""
        return _git(self._checkout, "rev-parse", "HEAD").strip()


@contextmanager
def served(folder: Path) -> Iterator[Repository]:
    """A new repository in `folder`, served until the block ends."""

    class Handler(_Backend):
        root = folder

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield Repository(folder, f"http://127.0.0.1:{server.server_address[1]}/shop.git")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Backend(BaseHTTPRequestHandler):
    """Runs git's own CGI program for each request."""

    root: Path

    def do_GET(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers.get("Content-Length", "0"))))

    def log_message(self, *arguments: object) -> None:
        """Stay quiet."""

    def _answer(self, body: bytes) -> None:
        path, _, query = self.path.partition("?")
        variables = {
            "GIT_PROJECT_ROOT": str(self.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "REQUEST_METHOD": self.command,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
        }
        environment = {**os.environ, **_NOBODY, **variables}
        done = subprocess.run(["git", "http-backend"], input=body, capture_output=True, check=True, env=environment)
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode("ascii").split("\r\n"))
        self.send_response(int(headers.pop("Status", "200").split()[0]))
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **_NOBODY, **_AUTHOR},
    )
    assert done.returncode == 0, f"git {arguments[0]}: {done.stderr}"
    return done.stdout
