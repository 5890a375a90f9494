"""Deploys in a loop through the Service until its standard input ends; then prints what became of every request.

`deploy_load.py URL TOKEN-FILE new|keep PREFIX [CA-FILE]` is a program of its own: it runs in the network of a node.
`new` makes a connection for each request, `keep` keeps connections alive. Several threads change fifteen
bindings each: more than five changes a second of ONE binding would only meet the documented back-pressure.
"""

import http.client
import json
import os
import ssl
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

_THREADS = 3
_BINDINGS = 15
#: Seconds between two requests of one thread, so that the documented limit of requests is not met.
_PACE = 0.15
_DEPLOY = "/v1/orgs/acme/workspaces/shop/environments/development/deploy"


@dataclass(slots=True)
class Outcome:
    """What became of the requests of one thread: ids of answered changes, and what failed, with its time."""

    answered: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


class Caller:
    """One thread of requests.

    Args:
        url: where the facade is.
        token: of who deploys.
        keep: whether connections are kept alive.
        ca: file with the certificates to trust.
    """

    def __init__(self, url: str, token: str, *, keep: bool, ca: str | None) -> None:
        self._address = urlsplit(url)
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self._keep = keep
        self._tls = ssl.create_default_context(cafile=ca) if self._address.scheme == "https" else None
        self._connection: http.client.HTTPConnection | None = None
        self.outcome = Outcome()

    def loop(self, prefix: str, stop: threading.Event) -> None:
        """Deploy until `stop`; each binding gets another release each time, also when the program is run again."""
        count = 0
        while not stop.wait(_PACE):
            self._once({"app_id": f"{prefix}-{count % _BINDINGS}", "release_id": f"r{os.getpid()}-{count}"})
            count += 1

    def _once(self, body: dict[str, str]) -> None:
        try:
            connection = self._connection or self._connect()
            connection.request("POST", _DEPLOY, json.dumps(body), self._headers)
            answer = connection.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException) as error:
            self._fail(f"{type(error).__name__}: {error}")
            self._close()
            return
        if answer.status == 200:
            self.outcome.answered.append(json.loads(text)["deployment_id"])
        else:
            self._fail(f"{answer.status} {text[:200].decode(errors='replace')}")
        if not self._keep or answer.will_close:
            self._close()

    def _connect(self) -> http.client.HTTPConnection:
        host, options = str(self._address.hostname), {"port": self._address.port, "timeout": 30}
        made: Any = (
            http.client.HTTPSConnection(host, context=self._tls, **options)
            if self._tls
            else http.client.HTTPConnection(host, **options)
        )
        self._connection = made
        return self._connection  # type: ignore[return-value]

    def _fail(self, why: str) -> None:
        self.outcome.failed.append(f"{time.strftime('%T')} {why}")

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def main(url: str, token_file: str, mode: str, prefix: str, ca: str | None = None) -> None:
    """Run all threads until standard input ends."""
    token = Path(token_file).read_text(encoding="utf-8").strip()
    stop = threading.Event()
    callers = [Caller(url, token, keep=mode == "keep", ca=ca) for _ in range(_THREADS)]
    threads = [
        threading.Thread(target=caller.loop, args=(f"{prefix}{number}", stop)) for number, caller in enumerate(callers)
    ]
    for thread in threads:
        thread.start()
    sys.stdin.read()
    stop.set()
    for thread in threads:
        thread.join()
    answered = [change for caller in callers for change in caller.outcome.answered]
    failed = [failure for caller in callers for failure in caller.outcome.failed]
    sys.stdout.write(json.dumps({"answered": answered, "failed": failed}))


if __name__ == "__main__":
    main(*sys.argv[1:])
