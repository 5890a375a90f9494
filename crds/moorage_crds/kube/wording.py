"""The API server's own phrases. It marks some things by nothing else, so this file, and no other, reads its texts.

    phrase                                                              package of k8s.io/apiserver
    ValidatingAdmissionPolicy 'P' [with binding 'B'] denied request: …  admission/plugin/policy/validating
        failed to configure policy: …                                   admission/plugin/policy/validating
        failed to configure binding: … not yet synced to use …          admission/plugin/policy/generic
    admission webhook "W" denied the request[: …]                       admission/plugin/webhook/errors
    Internal error occurred: failed calling webhook "W": …              util/webhook
    R "N" is forbidden: User "U" cannot V resource "R" …                endpoints/handlers/responsewriters

Read in the source of Kubernetes 1.37.2; the cluster tests meet those of policies and rights on its API server. Where a
version words one of them otherwise, a refusal is answered less precisely, and still is one.

A policy or a webhook chooses the status of its refusal itself (a policy without a reason says 422, a webhook without
a code 400), and the authorizer shares 403 with quotas and with policies: that is why status and reason do not do. Every
phrase is looked for at the beginning of the message, because what follows may quote what a client sent.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

#: How every `NewForbidden` begins; a list has no name.
_FORBIDDEN: Final = r'\S+(?: "[^"]*")? is forbidden: '
_POLICY: Final = re.compile(
    rf"(?:{_FORBIDDEN})?ValidatingAdmissionPolicy '(?P<policy>[^']*)'(?: with binding '[^']*')? denied request: "
    r"(?P<message>.*)",
    re.DOTALL,
)
_WEBHOOK: Final = re.compile(r'admission webhook "[^"]*" denied the request')
_UNREACHABLE: Final = re.compile(r'(?:Internal error occurred: )?failed calling webhook "(?P<webhook>[^"]+)"')
_UNDECIDED: Final = re.compile(
    r"failed to configure (?:policy: |binding: .* not yet synced to use for admission$)", re.DOTALL
)
_AUTHORIZER: Final = re.compile(rf'{_FORBIDDEN}User ".*" cannot ', re.DOTALL)


class Refuser(StrEnum):
    """Who said no."""

    POLICY = "policy"
    """A ValidatingAdmissionPolicy."""
    WEBHOOK = "webhook"
    """An admission webhook."""
    AUTHORIZER = "authorizer"
    """RBAC: the right is missing."""


@dataclass(frozen=True, slots=True)
class Wording:
    """What a message says.

    Attributes:
        refuser: who refused; None: nobody of them, or the message does not say so.
        policy: name of the refusing policy.
        message: without the API server's own words about the policy.
    """

    refuser: Refuser | None
    policy: str | None
    message: str


def unreachable_webhook(message: str) -> str | None:
    """Name of the admission webhook that the API server must ask and could not reach; None if it was nothing such."""
    found = _UNREACHABLE.match(message)
    return found["webhook"] if found else None


def is_undecided(said: Wording) -> bool:
    """Whether a policy said no because the API server does not know its parameters yet, as after a start.

    It does not know their kind, or has not read them. Parameters that are missing for good are a no.
    """
    return said.refuser is Refuser.POLICY and _UNDECIDED.match(said.message) is not None


def read(message: str) -> Wording:
    """Read the message of a `Status` of the API server."""
    refused = _POLICY.match(message)
    if refused is not None:
        return Wording(Refuser.POLICY, refused["policy"], refused["message"])
    if _WEBHOOK.match(message):
        return Wording(Refuser.WEBHOOK, None, message)
    return Wording(Refuser.AUTHORIZER if _AUTHORIZER.match(message) else None, None, message)
