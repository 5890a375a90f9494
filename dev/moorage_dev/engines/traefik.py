"""Traefik in the network of a node: it serves Ingresses and HTTPRoutes, and reaches pods as a load balancer does."""

from pathlib import Path
from typing import Any

from moorage_dev import modules, patience
from moorage_dev.engines.parts import START_SECONDS, Parts
from moorage_dev.kubeconfigs import Endpoint
from moorage_dev.node import addresses
from moorage_dev.node.cluster import NodeCluster

NAMESPACE = "traefik"
#: Its class of Ingresses, and its class of Gateways.
CLASS = "traefik"
#: Where it listens, on all addresses of the node. An Ingress is served at the first two, a Gateway where it says.
PORTS = {"web": 8000, "websecure": 8443, "gateway": 9000, "gatewaysecure": 9443}


class Traefik:
    """Traefik with the providers that its own chart switches on, and that of the Gateway API.

    Args:
        cluster: where it works, with a node.
        folder: gets logs and files.
    """

    def __init__(self, cluster: NodeCluster, folder: Path) -> None:
        self._parts = Parts(cluster, folder, NAMESPACE)
        self._cluster = cluster

    def start(self) -> None:
        """Install its kinds and those of the Gateway API, start it, and wait until it has accepted its class.

        Raises:
            DevError: it does not start.
        """
        programs = self._parts.prepare(modules.TRAEFIK)
        kubectl = self._cluster.admin()
        kubectl.apply(*_classes())
        endpoint = Endpoint(addresses.API_SERVER, self._cluster.endpoint.ca)
        kubeconfig = self._parts.account("traefik", endpoint=endpoint)
        command = self._cluster.node.in_network(
            programs / "traefik",
            *(f"--entrypoints.{name}.address=:{port}" for name, port in PORTS.items()),
            "--entrypoints.websecure.http.tls=true",
            "--entrypoints.web.asdefault=true",
            "--entrypoints.websecure.asdefault=true",
            "--providers.kubernetesingress=true",
            "--providers.kubernetescrd=true",
            "--providers.kubernetesgateway=true",
            "--global.checknewversion=false",
            "--global.sendanonymoususage=false",
            "--log.level=INFO",
            "--accesslog=true",
        )
        self._parts.spawn("traefik", command, env={"KUBECONFIG": str(kubeconfig)})
        kubectl.ok("wait", "--for=condition=Accepted", f"gatewayclass/{CLASS}", patience.flag(START_SECONDS))

    def stop(self) -> None:
        """End it."""
        self._parts.stop()

    def logs(self) -> list[Path]:
        """Its log, with a line for each request."""
        return self._parts.logs()


def _classes() -> list[dict[str, Any]]:
    return [
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "IngressClass",
            "metadata": {"name": CLASS},
            "spec": {"controller": "traefik.io/ingress-controller"},
        },
        {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "GatewayClass",
            "metadata": {"name": CLASS},
            "spec": {"controllerName": "traefik.io/gateway-controller"},
        },
    ]
