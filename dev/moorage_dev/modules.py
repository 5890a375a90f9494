"""The Go modules under dev/ that pin programs: which programs, in which version, linked how."""

import hashlib
import re
from dataclasses import dataclass, field
from pathlib import Path

from moorage_dev.layout import DEV

_CONTAINERD = "github.com/containerd/containerd/v2"
_ARGOCD = "github.com/argoproj/argo-cd/v3"
_FLUX = "github.com/fluxcd"
_FLUX_OPERATOR = "github.com/controlplaneio-fluxcd/flux-operator"
_ROLLOUTS = "github.com/argoproj/argo-rollouts"
_CERT_MANAGER = "github.com/cert-manager/cert-manager"
_KIND = "sigs.k8s.io/kind"
_PROMETHEUS = "github.com/prometheus/prometheus"
_TRAEFIK = "github.com/traefik/traefik/v3"


@dataclass(frozen=True, slots=True)
class Module:
    """A Go module that pins programs.

    Attributes:
        name: folder under dev/, and prefix of the folder in the cache.
        title: what a person reads while it is built.
        programs: file name of each program → its Go package.
        files: name of each further file that is kept beside the programs → the module that has it, and its path there.
        blanks: module → a file of its, which its authors build and do not publish; an empty one stands in for it.
        exchanged: module → a file of its, and the file under `folder` that is built in its place.
        tags: build tags, by which its authors let one leave something out.
        toolchain: the Go that builds it, fetched by Go itself, such as `go1.27.0`; `local` is the one that is found.
    """

    name: str
    title: str
    programs: dict[str, str]
    files: dict[str, tuple[str, str]] = field(default_factory=dict)
    blanks: dict[str, str] = field(default_factory=dict)
    exchanged: dict[str, tuple[str, str]] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    toolchain: str = "local"

    @property
    def folder(self) -> Path:
        """Where go.mod and go.sum are."""
        return DEV / self.name

    @property
    def oldest_go(self) -> tuple[int, int, int]:
        """The oldest Go that builds it: the `go` line of go.mod, or the first Go that fetches a toolchain."""
        if self.toolchain != "local":
            return 1, 21, 0
        text = (self.folder / "go.mod").read_text(encoding="utf-8")
        found = re.search(r"^go (\d+)\.(\d+)(?:\.(\d+))?$", text, re.MULTILINE)
        assert found, f"dev/{self.name}/go.mod has no go line"
        return int(found[1]), int(found[2]), int(found[3] or 0)

    @property
    def versions(self) -> dict[str, str]:
        """Module path → version, such as `v1.37.2`, of everything that go.mod names."""
        text = (self.folder / "go.mod").read_text(encoding="utf-8")
        return dict(re.findall(r"^\s*(\S+) (v\S+)", text, re.MULTILINE))

    @property
    def link_flags(self) -> str:
        """Stripped programs that know their version: `/version` and `kubectl version` cannot be parsed without it."""
        flags = ["-s", "-w"]
        versions = self.versions
        if kubernetes := versions.get("k8s.io/kubernetes"):
            major, minor, _ = kubernetes.removeprefix("v").split(".", 2)
            values = {"gitVersion": kubernetes, "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
            packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
            flags += [f"-X {package}.{name}={value}" for package in packages for name, value in values.items()]
        if helm := versions.get("helm.sh/helm/v4"):
            flags.append(f"-X helm.sh/helm/v4/internal/version.version={helm}")
        if containerd := versions.get(_CONTAINERD):
            flags.append(f"-X {_CONTAINERD}/version.Version={containerd}")
        return " ".join(flags)

    @property
    def fingerprint(self) -> str:
        """A hash of everything that decides what the programs are; part of the name of their folder in the cache."""
        digest = hashlib.sha256()
        for part in (self.folder / "go.mod", self.folder / "go.sum", *sorted(self.folder.glob("*/*.go"))):
            digest.update(part.read_bytes())
        digest.update(repr((sorted(self.programs.items()), self.link_flags)).encode())
        if self.files:
            digest.update(repr(sorted(self.files.items())).encode())
        if self.blanks or self.toolchain != "local":
            digest.update(repr((sorted(self.blanks.items()), self.toolchain)).encode())
        if self.exchanged:
            digest.update(repr(sorted(self.exchanged.items())).encode())
        if self.tags:
            digest.update(repr(self.tags).encode())
        return digest.hexdigest()[:16]


def kept_name(path: str) -> str:
    """The file name under which a file with this path is kept beside programs."""
    return path.replace("/", "+")


_CONTROL_PLANE = {
    "etcd": "go.etcd.io/etcd/server/v3",
    "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
    "kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager",
    "kubectl": "k8s.io/kubernetes/cmd/kubectl",
}
CONTROL_PLANE = Module(
    "controlplane", "building the control plane (once; about 8 minutes on two cores)", _CONTROL_PLANE
)
#: The oldest Kubernetes with everything that Moorage needs (docs/compatibility.md).
OLDEST_CONTROL_PLANE = Module(
    "controlplane-oldest",
    "building the oldest control plane that has everything (once; about 8 minutes on two cores)",
    _CONTROL_PLANE,
)
CLI = Module(
    "cli",
    "building helm and kubeconform (once; about 3 minutes on two cores)",
    {"helm": "helm.sh/helm/v4/cmd/helm", "kubeconform": "github.com/yannh/kubeconform/cmd/kubeconform"},
)
NODE = Module(
    "node",
    "building what a node runs (once; about 3 minutes on two cores after the control plane)",
    {
        "kubelet": "k8s.io/kubernetes/cmd/kubelet",
        "kube-proxy": "k8s.io/kubernetes/cmd/kube-proxy",
        "kube-scheduler": "k8s.io/kubernetes/cmd/kube-scheduler",
        "bridge": "github.com/containernetworking/plugins/plugins/main/bridge",
        "host-local": "github.com/containernetworking/plugins/plugins/ipam/host-local",
        **{name: f"./{name}" for name in ("coredns", "gate", "netpol", "pause")},
    },
)
CONTAINERD = Module(
    "containerd",
    "building containerd (once; about 3 minutes on two cores)",
    {name: f"{_CONTAINERD}/cmd/{name}" for name in ("containerd", "containerd-shim-runc-v2", "ctr")},
)
ARGOCD = Module(
    "argocd",
    "building Argo CD (once; about 6 minutes on two cores)",
    {name: f"./{name}" for name in ("argocd", "cache")},
    {
        f"{name}.yaml": (_ARGOCD, f"manifests/crds/{name}-crd.yaml")
        for name in ("application", "applicationset", "appproject")
    },
)
FLUX = Module(
    "flux",
    "building Flux (once; about 6 minutes on two cores)",
    {f"{name}-controller": f"{_FLUX}/{name}-controller" for name in ("source", "kustomize", "helm")},
    {
        f"{kinds}.yaml": (f"{_FLUX}/{group}-controller", f"config/crd/bases/{group}.toolkit.fluxcd.io_{kinds}.yaml")
        for group, kinds in (
            ("source", "buckets"),
            ("source", "externalartifacts"),
            ("source", "gitrepositories"),
            ("source", "helmcharts"),
            ("source", "helmrepositories"),
            ("source", "ocirepositories"),
            ("kustomize", "kustomizations"),
            ("helm", "helmreleases"),
        )
    },
)
#: A tool of the tests, under the AGPL: nothing of it is part of this project, and nothing of this project of it.
FLUX_OPERATOR = Module(
    "fluxoperator",
    "building flux-operator (once; about 5 minutes on two cores)",
    {"flux-operator": f"{_FLUX_OPERATOR}/cmd/operator"},
    {
        f"{kinds}.yaml": (_FLUX_OPERATOR, f"config/crd/bases/fluxcd.controlplane.io_{kinds}.yaml")
        for kinds in ("resourcesets", "resourcesetinputproviders", "fluxinstances", "fluxreports")
    },
    # Its page, which these tests leave alone.
    {_FLUX_OPERATOR: "web/dist/index.html"},
    toolchain="go1.27.0",
)
ROLLOUTS = Module(
    "rollouts",
    "building Argo Rollouts (once; about 5 minutes on two cores)",
    {"rollouts-controller": f"{_ROLLOUTS}/cmd/rollouts-controller"},
    {
        f"{kind}.yaml": (_ROLLOUTS, f"manifests/crds/{kind}-crd.yaml")
        for kind in ("rollout", "experiment", "analysis-run", "analysis-template", "cluster-analysis-template")
    },
    toolchain="go1.27.0",
)
CERT_MANAGER = Module(
    "certmanager",
    "building cert-manager (once; about 4 minutes on two cores)",
    {"certmanager": "./certmanager"},
    {
        f"{kinds}.yaml": (_CERT_MANAGER, f"deploy/crds/cert-manager.io_{kinds}.yaml")
        for kinds in ("certificaterequests", "certificates", "clusterissuers", "issuers")
    },
)
#: Files of kind's own node image, by their paths in it; its module has them below images/base/files.
KIND_FILES = (
    "etc/containerd/config.toml",
    "etc/default/kubelet",
    "etc/sysctl.d/10-network-magic.conf",
    "etc/systemd/system/containerd.service",
    "etc/systemd/system/kubelet.service",
    "etc/systemd/system/kubelet.service.d/10-kubeadm.conf",
    "etc/systemd/system/kubelet.service.d/11-kind.conf",
    "etc/systemd/system/kubelet.slice",
    "etc/systemd/system/undo-mount-hacks.service",
    "kind/bin/create-kubelet-cgroup-v2.sh",
    "kind/bin/mount-product-files.sh",
    "kind/bin/undo-mount-hacks.sh",
    "usr/local/bin/entrypoint",
)
KIND = Module(
    "kind",
    "building kind and what its node runs (once; takes minutes)",
    {
        "kind": _KIND,
        "kubeadm": "k8s.io/kubernetes/cmd/kubeadm",
        "loopback": "github.com/containernetworking/plugins/plugins/main/loopback",
        "coredns": "./coredns",
    },
    {kept_name(path): (_KIND, f"images/base/files/{path}") for path in KIND_FILES},
)
#: Without the clients of some 180 providers of DNS, which it needs only for certificates by an ACME authority.
TRAEFIK = Module(
    "traefik",
    "building Traefik (once; takes minutes)",
    {"traefik": f"{_TRAEFIK}/cmd/traefik"},
    {
        **{
            f"{kinds}.yaml": ("sigs.k8s.io/gateway-api", f"config/crd/standard/gateway.networking.k8s.io_{kinds}.yaml")
            for kinds in (
                "backendtlspolicies",
                "gatewayclasses",
                "gateways",
                "grpcroutes",
                "httproutes",
                "referencegrants",
                "tlsroutes",
            )
        },
        **{
            f"{kinds}.yaml": (_TRAEFIK, f"docs/content/reference/dynamic-configuration/traefik.io_{kinds}.yaml")
            for kinds in (
                "ingressroutes",
                "ingressroutetcps",
                "ingressrouteudps",
                "middlewares",
                "middlewaretcps",
                "serverstransports",
                "serverstransporttcps",
                "tlsoptions",
                "tlsstores",
                "traefikservices",
            )
        },
    },
    exchanged={"github.com/go-acme/lego/v5": ("providers/dns/zz_gen_dns_providers.go", "dns/providers.go")},
)
#: Without the clients of some 25 clouds and registries that it can ask for targets: tests name theirs.
PROMETHEUS = Module(
    "prometheus",
    "building Prometheus (once; about 3 minutes on two cores)",
    {name: f"{_PROMETHEUS}/cmd/{name}" for name in ("prometheus", "promtool")},
    tags=("remove_all_sd",),
    toolchain="go1.27.0",
)
