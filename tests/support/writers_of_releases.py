"""Every way in which somebody changes a release: five kinds of writes of Kubernetes, REST, and with forged fields."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import Any, Final

from cluster import Workspace
from forged_fields import Forger
from identities import EDITOR, Object, change
from services import Facade

from moorage_crds.names import binding_name
from moorage_dev.rest_client import MERGE_PATCH, Answer

FORGED: Final = "forged"
REST: Final = "REST"
CREATE: Final = "create"
WRITERS: Final = (CREATE, "merge patch", "JSON patch", "PUT", "apply", REST, FORGED)
#: How many changes of a binding may be unrecorded; no operator runs here.
_UNRECORDED: Final = 12


@dataclass(slots=True)
class Writers:
    """Writes releases into the places of one workspace; every write is a real one.

    Attributes:
        shop: where.
        facade: by which REST writes.
        random: from which forged fields come.
        annotations: what stands in the objects beside the release.
    """

    shop: Workspace
    facade: Facade
    random: Random
    annotations: Mapping[str, str] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=count)

    def prepare(self, environment: str, app: str) -> None:
        """Make the binding that all ways but `create` change."""
        answer = self._create(environment, app, "before")
        assert answer.status == 201, answer.body

    def write(self, way: str, environment: str, app: str) -> Answer:
        """Ask for a release that is new there; of an app of its own by `create`, else of this one."""
        number = next(self._numbers)
        release, name = f"r{number}", binding_name(environment, app)
        if way == CREATE:
            return self._create(environment, f"{app}-{number}", release)
        if way == REST:
            if self.annotations:
                beside: Object = {"metadata": {"annotations": dict(self.annotations)}}
                assert change(self.shop, "deployments", name, "merge patch", beside, user=EDITOR).status == 200
            body = {"app_id": app, "release_id": release}
            path = f"{self.shop.rest}/{environment}/deploy"
            return self._counted(name, self.facade.call("POST", path, user=EDITOR, body=body))
        wanted: Object = {"spec": {"release": release}}
        if self.annotations:
            wanted["metadata"] = {"annotations": dict(self.annotations)}
        if way == FORGED:
            stored = self.shop.get("deployments", name) or {}
            forged = Forger(self.random).payload(stored["metadata"]["managedFields"])
            wanted["metadata"] = {**wanted.get("metadata", {}), "managedFields": forged}
            way = "merge patch"
        return self._counted(name, change(self.shop, "deployments", name, way, wanted, user=EDITOR))

    def _create(self, environment: str, app: str, release: str) -> Answer:
        body = {
            "apiVersion": "moorage.dev/v1",
            "kind": "Deployment",
            "metadata": {"name": binding_name(environment, app), "annotations": dict(self.annotations)},
            "spec": {"environment": environment, "app": app, "release": release},
        }
        return self.shop.cluster.raw("POST", self.shop.path("deployments"), user=EDITOR, body=body)

    def _counted(self, name: str, answer: Answer) -> Answer:
        """As the operator would, say now and then that everything is recorded."""
        if answer.status < 300:
            stored: Any = self.shop.get("deployments", name)
            sequence = stored["changeLog"]["sequence"]
            if sequence % _UNRECORDED == 0:
                body = {"status": {"recordedSequence": sequence}}
                path = self.shop.path("deployments", name) + "/status"
                assert self.shop.cluster.raw("PATCH", path, body=body, content_type=MERGE_PATCH).status == 200
        return answer
