"""Where the cluster is and how to log in: kubeconfig or service account, read by the official client's loaders.

The loaders of `kubernetes.aio` understand every form of kubeconfig (tokens, files, client certificates, exec plugins)
and the pod's service account; requests themselves go over plain aiohttp sessions made here.
"""

import asyncio
import os
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import yaml

from moorage_crds.kube.libraries import (
    ConfigException,
    Configuration,
    aiohttp,
    load_incluster_config,
    load_kube_config,
)

#: Connect and total limits of one request, in seconds: the client's own default is to wait without limit.
TIMEOUT: Final = aiohttp.ClientTimeout(total=10, connect=3, sock_connect=3)
#: The same of a request whose answer nobody waits for, such as one of many thousand: an API server that is only slow
#: shall not get it again, over a new connection, beside the one that it still works on.
PATIENT: Final = aiohttp.ClientTimeout(total=60, connect=30, sock_connect=30)
#: How long credentials of a kubeconfig are used before the file is read again, in seconds.
RELOAD_SECONDS: Final = 60.0


class ClusterConfigError(Exception):
    """The way to the cluster is not known. The text is one sentence for the person who configured it."""


class Cluster:
    """Address, trust and credentials of one cluster. Made by `connect`.

    Attributes:
        server: its address.
        ssl: whom we trust to be it.
        namespace: the one that its context names, else `default`, as kubectl has it.
    """

    def __init__(
        self, configuration: Configuration, namespace: str, kubeconfig: Path | None, context: str | None = None
    ) -> None:
        self._configuration = configuration
        self.namespace = namespace
        self._kubeconfig = kubeconfig
        self._context = context
        self._loaded_at = time.monotonic()
        self._lock = asyncio.Lock()
        self.server: str = configuration.host.rstrip("/")
        self.ssl = _trust(configuration)

    async def authorization(self, *, renew: bool = False) -> str | None:
        """Value of the `Authorization` header, read again when it is old or `renew` (after a 401) asks for it.

        None when the cluster knows us by client certificate.
        """
        if self._kubeconfig is not None and (renew or time.monotonic() - self._loaded_at > RELOAD_SECONDS):
            async with self._lock:
                self._configuration, _ = await _load(self._kubeconfig, self._context)
                self._loaded_at = time.monotonic()
        value = await self._configuration.get_api_key_with_prefix("BearerToken")
        if not value:
            return None
        # The in-cluster loader writes the scheme in lower case and keeps the file's line end.
        return "Bearer " + str(value).split(" ", 1)[-1].strip()

    async def token(self) -> str | None:
        """The bearer token alone; None when the cluster knows us by client certificate."""
        header = await self.authorization()
        return header.removeprefix("Bearer ") if header else None

    def new_session(self, *, limit: int = 32, timeout: aiohttp.ClientTimeout = TIMEOUT) -> aiohttp.ClientSession:
        """A session with at most `limit` connections; the caller closes it. It carries no credentials."""
        connector = aiohttp.TCPConnector(limit=limit, ssl=self.ssl, keepalive_timeout=60)
        # Asked for compression, the API server compresses every single event of a watch: that costs it (and us) more
        # than the network does.
        headers = {"Accept-Encoding": "identity"}
        return aiohttp.ClientSession(connector=connector, timeout=timeout, headers=headers, auto_decompress=True)


@asynccontextmanager
async def connect(kubeconfig: Path | None, *, context: str | None = None) -> AsyncIterator[Cluster]:
    """The cluster of that kubeconfig, or of the pod this runs in. Sends nothing yet.

    Args:
        kubeconfig: None: the service account of the pod.
        context: of the kubeconfig; None: its current one.

    Raises:
        ClusterConfigError: there is no usable configuration.
    """
    configuration, namespace = await _load(kubeconfig, context)
    yield Cluster(configuration, namespace, kubeconfig, context)


async def _load(kubeconfig: Path | None, context: str | None = None) -> tuple[Configuration, str]:
    """What the official loaders read, and the Namespace of the context."""
    configuration, chosen = Configuration(), None
    _require_file(kubeconfig)
    try:
        if kubeconfig is None:
            load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
        else:
            loader = await load_kube_config(  # type: ignore[no-untyped-call]
                str(kubeconfig), context=context or _current(kubeconfig), client_configuration=configuration
            )
            chosen = loader.current_context["context"].get("namespace")
    except (ConfigException, OSError, yaml.YAMLError, TypeError, AttributeError) as error:
        raise ClusterConfigError(_sentence(kubeconfig, error)) from error
    return configuration, str(chosen or "default")


def _current(kubeconfig: Path) -> str | None:
    """The current context of several files: the first that names one wins, as kubectl has it.

    The official loader takes the last. One file it reads well alone, and a long one takes a while.
    """
    files = [Path(one) for one in str(kubeconfig).split(os.pathsep) if one]
    if len(files) < 2:
        return None
    contents = (yaml.safe_load(file.read_text(encoding="utf-8")) or {} for file in files if file.is_file())
    return next((one["current-context"] for one in contents if one.get("current-context")), None)


def _require_file(kubeconfig: Path | None) -> None:
    """Raises ClusterConfigError. The library would write a line of its own into the log of a command, too."""
    if kubeconfig is not None and not any(Path(one).exists() for one in str(kubeconfig).split(os.pathsep)):
        raise ClusterConfigError(f"MOORAGE_KUBECONFIG: there is no file {kubeconfig}")


def _sentence(kubeconfig: Path | None, error: Exception) -> str:
    if kubeconfig is None:
        return f"no cluster: set MOORAGE_KUBECONFIG (or --kubeconfig), or run in a pod with a service account ({error})"
    if isinstance(error, yaml.YAMLError):
        return f"MOORAGE_KUBECONFIG: {kubeconfig} is not YAML"
    if isinstance(error, (TypeError, AttributeError)):
        # The library stumbled over it; what Python says of that helps nobody.
        return f"MOORAGE_KUBECONFIG: {kubeconfig} is not a kubeconfig"
    return f"MOORAGE_KUBECONFIG: {kubeconfig} is not a usable kubeconfig: {error}"


def _trust(configuration: Configuration) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=configuration.ssl_ca_cert)
    # As the official client does: Python 3.13 refuses the certificates that many clusters really have.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if configuration.cert_file:
        context.load_cert_chain(configuration.cert_file, keyfile=configuration.key_file)
    if not configuration.verify_ssl:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
