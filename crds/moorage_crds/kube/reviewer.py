"""The reviewer over the API server: who somebody is, and what they may."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from moorage_crds.kube import paths
from moorage_crds.kube.connection import Connection
from moorage_crds.kube.paths import UrlPath
from moorage_crds.objects import RawObject
from moorage_crds.store import Identity, Right, UnavailableError

#: How long a review may take, in seconds. It is a small question that callers wait for: an API server that has not
#: answered it by then is frozen or cut off, and this is how soon it is noticed.
REVIEW_SECONDS: Final = 3.0


class KubernetesReviewer:
    """`Reviewer` over the API server, with the process's own account."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def authenticate(self, token: str) -> Identity | None:
        """TokenReview without audiences: the API server's own, which works with every issuer."""
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}}
        answer = await self._ask(paths.TOKEN_REVIEWS, body)
        status: Mapping[str, Any] = answer.get("status") or {}
        user: Mapping[str, Any] = status.get("user") or {}
        username = user.get("username")
        if status.get("authenticated") is not True or not isinstance(username, str) or not username.strip():
            return None
        return Identity(
            username=username,
            uid=user.get("uid") or "",
            groups=tuple(user.get("groups") or ()),
            extra={key: tuple(values) for key, values in (user.get("extra") or {}).items()},
        )

    async def signing_keys(self) -> RawObject:
        """The keys with which the cluster signs tokens of service accounts, as a JSON Web Key Set.

        Every service account may read them, unless somebody took away the ClusterRoleBinding
        `system:service-account-issuer-discovery`.
        """
        return await self._connection.call(
            "GET", paths.SIGNING_KEYS, accept="application/jwk-set+json, application/json"
        )

    async def allowed(self, identity: Identity, right: Right) -> bool:
        """SubjectAccessReview with all that is known of the identity."""
        spec = {
            "user": identity.username,
            "uid": identity.uid,
            "groups": list(identity.groups),
            "extra": {key: list(values) for key, values in identity.extra.items()},
            "resourceAttributes": attributes_of(right),
        }
        body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
        answer = await self._ask(paths.ACCESS_REVIEWS, body)
        status = answer.get("status") or {}
        # Both at once make no sense as an answer; they must not become a yes.
        return status.get("allowed") is True and not status.get("denied")

    async def _ask(self, path: UrlPath, body: RawObject) -> RawObject:
        """The answer of a review. Raises UnavailableError if it takes too long."""
        try:
            async with asyncio.timeout(REVIEW_SECONDS):
                return await self._connection.call("POST", path, body=body)
        except TimeoutError as error:
            raise UnavailableError(f"POST {path.template}: no answer in {REVIEW_SECONDS} s") from error


def attributes_of(right: Right) -> dict[str, str]:
    """`resourceAttributes` of an access review; what is empty is left out."""
    wanted = {
        "verb": right.verb,
        "group": right.group,
        "resource": right.resource,
        "namespace": right.namespace,
        "name": right.name,
    }
    return {key: value for key, value in wanted.items() if value}
