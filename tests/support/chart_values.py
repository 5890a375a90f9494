"""Thirty-one combinations of values of the chart, each a cluster that somebody could have."""

from typing import Any

_PEER = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress"}}}
_MONITORING = {
    "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}, "interval": "15s"},
    "prometheusRule": {"enabled": True, "labels": {"release": "prometheus"}},
    "dashboard": {"enabled": True, "labels": {"grafana": "moorage"}},
}
_CERT_MANAGER = {"enabled": True, "issuerRef": {"name": "internal"}, "dnsNames": ["moorage.example.com"]}
_OWN_ISSUER = {
    "enabled": True,
    "issuerRef": {"name": "own", "kind": "Issuer", "group": "issuers.example.com"},
    "duration": "24h",
    "renewBefore": "8h",
}
_TAINT = {"key": "dedicated", "operator": "Equal", "value": "infra", "effect": "NoSchedule"}
_RACKS = {"maxSkew": 1, "topologyKey": "rack", "whenUnsatisfiable": "DoNotSchedule"}
_MARKED = {
    "podLabels": {"team": "platform"},
    "podAnnotations": {"note": "1"},
    "podDisruptionBudget": {"enabled": False},
}
_HARD = {"antiAffinity": "hard"}

COMBINATIONS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "one-replica-each": {"operator": {"replicas": 1}, "api": {"replicas": 1}},
    "many-replicas": {"operator": {"replicas": 3}, "api": {"replicas": 8}},
    "image-by-digest": {"image": {"repository": "registry.example.com/tools/moorage", "digest": "sha256:" + "a" * 64}},
    "image-by-tag": {"image": {"tag": "1.2.3-rc.1", "pullPolicy": "Always"}, "imagePullSecrets": [{"name": "pull"}]},
    "names-replaced": {"fullnameOverride": "deployments-of-record"},
    "names-of-the-chart-replaced": {"nameOverride": "deployhistory"},
    "longest-names": {"fullnameOverride": "a" * 63},
    "without-crds": {"crds": {"install": False}},
    "crds-go-with-the-release": {"crds": {"keep": False}},
    "without-policies": {"policies": {"install": False}},
    "without-roles": {
        "rbac": {
            "create": False,
            "aggregate": False,
            "deployerRole": "",
            "workspaceAdminRole": "",
            "approverRole": "",
            "releaseManagerRole": "",
        }
    },
    "accounts-made-elsewhere": {
        "operator": {"serviceAccount": {"create": False, "name": "operator-account"}},
        "api": {"serviceAccount": {"create": False, "name": "api-account"}},
    },
    "accounts-with-names": {
        "operator": {"serviceAccount": {"name": "recorder", "annotations": {"team": "platform"}}},
        "api": {"serviceAccount": {"name": "front", "annotations": {"team": "platform"}}},
    },
    "user-id-of-the-platform": {"runAsUser": None},
    "own-user-id": {"runAsUser": 65532},
    "priority-class-made": {"priorityClass": {"create": True, "value": 500000}},
    "priority-class-given": {
        "operator": {"priorityClassName": "system-cluster-critical"},
        "api": {"priorityClassName": "system-cluster-critical"},
    },
    "hard-spreading": {"operator": _HARD, "api": _HARD},
    "own-placement": {
        "operator": {
            "antiAffinity": "none",
            "nodeSelector": {"kubernetes.io/os": "linux"},
            "tolerations": [_TAINT],
            "affinity": {"podAntiAffinity": {}},
            "topologySpreadConstraints": [{**_RACKS, "labelSelector": {"matchLabels": {"app": "moorage"}}}],
        },
        "api": {
            "nodeSelector": {"kubernetes.io/os": "linux"},
            "tolerations": [_TAINT],
            "affinity": {
                "nodeAffinity": {
                    "requiredDuringSchedulingIgnoredDuringExecution": {
                        "nodeSelectorTerms": [{"matchExpressions": [{"key": "arch", "operator": "Exists"}]}]
                    }
                }
            },
            "topologySpreadConstraints": [_RACKS],
        },
    },
    "tls-by-secret": {"tls": {"enabled": True, "secretName": "moorage-tls"}},
    "tls-by-cert-manager": {"tls": {"enabled": True, "certManager": _CERT_MANAGER}},
    "load-balancer-with-tls": {
        "tls": {"enabled": True, "secretName": "moorage-tls"},
        "api": {"service": {"type": "LoadBalancer", "port": 8443, "annotations": {"internal": "true"}}},
    },
    "ingress-with-tls": {
        "ingress": {
            "enabled": True,
            "className": "nginx",
            "host": "moorage.example.com",
            "tlsSecretName": "moorage-example-com",
            "annotations": {"nginx.ingress.kubernetes.io/ssl-redirect": "true"},
        }
    },
    "gateway": {
        "httpRoute": {
            "enabled": True,
            "parentRefs": [{"name": "public", "namespace": "gateways", "sectionName": "https"}],
            "hostnames": ["moorage.example.com"],
            "annotations": {"team": "platform"},
            "backendTLS": {
                "caCertificateRefs": [{"name": "authority"}, {"name": "moorage-api-tls", "kind": "Secret"}],
                "hostname": "moorage.example.com",
            },
        },
        "tls": {"enabled": True, "certManager": _OWN_ISSUER},
    },
    "closed-network": {
        "networkPolicy": {
            "facadeFrom": [_PEER],
            "metricsFrom": [_PEER, {"podSelector": {"matchLabels": {"app": "prometheus"}}}],
            "apiServer": {"cidrs": ["10.0.0.1/32", "fd00::1/128"], "ports": [6443]},
        }
    },
    "open-network": {"networkPolicy": {"enabled": False}},
    "api-server-by-name": {"networkPolicy": {"dns": True, "metricsFrom": []}},
    "monitoring": {"metrics": {"port": 9100, **_MONITORING}},
    "limits-of-a-large-site": {
        "logLevel": "WARNING",
        "delivery": {
            "kinds": ["deployments.apps", "helmreleases.helm.toolkit.fluxcd.io"],
            "writes": ["deployments.apps"],
            "configMaps": ["default", "*"],
            "refreshes": ["applicationsets.argoproj.io", "helmreleases.helm.toolkit.fluxcd.io"],
        },
        "events": {"enabled": True, "allowedCidrs": ["10.0.0.0/8", "fd00::/8"], "ports": [443, 8443]},
        "retention": {"records": 1000, "days": 730, "maxRecords": 50000},
        "operator": {
            "sweepIntervalSeconds": 600,
            "kubernetesEvents": False,
            "resources": {"limits": {"memory": "2Gi"}},
            "terminationGracePeriodSeconds": 60,
        },
        "api": {
            "resources": {"requests": {"cpu": 2, "memory": "1Gi"}, "limits": {"memory": "2Gi"}},
            "rateLimit": {"perSecond": 0.5, "burst": 1000000, "failedPerSecond": 1, "failedBurst": 5},
            "maxConnections": 20000,
            "maxConnectionsPerClient": 2000,
            "trustedProxies": ["10.0.0.0/8", "fd00::/8"],
            "sessionKeySecretName": "page-sessions",
            "maxStalenessSeconds": 60,
            "maxInputStalenessSeconds": 10,
            "stopDelaySeconds": 20,
            "terminationGracePeriodSeconds": 90,
            "gitopsManagers": ["argocd-controller", "our-tool"],
        },
    },
    "everything": {
        "commonLabels": {"team": "platform", "cost-center": "42"},
        "priorityClass": {"create": True},
        "tls": {"enabled": True, "certManager": _CERT_MANAGER},
        "ingress": {"enabled": True, "host": "moorage.example.com", "path": "/deployments"},
        "httpRoute": {"enabled": True, "parentRefs": [{"name": "public"}]},
        "metrics": _MONITORING,
        "operator": {
            "podLabels": {"team": "platform"},
            "podAnnotations": {"note": "1"},
            "podDisruptionBudget": {"enabled": False},
        },
        "api": {
            "podLabels": {"team": "platform"},
            "podAnnotations": {"note": "1"},
            "podDisruptionBudget": {"enabled": False},
        },
    },
}
