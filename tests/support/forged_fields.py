"""Random `managedFields`, as somebody might send them who wants a change to have another time, or none.

A payload is either what is stored with one thing changed, which is what gets farthest, or made up as a whole.
"""

import time
from dataclasses import dataclass
from random import Random
from typing import Any, Final

Object = dict[str, Any]

APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"
MANAGERS: Final = (
    "ancient-changes",
    "before-first-apply",
    "kubectl-patch",
    "kubectl-last-applied",
    "moorage-api",
    "argocd-controller",
    "forger",
    "",
)
_SPEC: Final[tuple[Object, ...]] = (
    {"f:release": {}},
    {"f:release": {"f:x": {}}},
    {"f:release": {".": {}, "f:x": {}}},
    {"f:change": {}},
    {"f:change": {"f:reason": {}}},
    {"f:change": {".": {}, "f:reason": {}}},
    {"f:app": {}},
    {"f:description": {}, "f:displayName": {}, "f:reason": {}},
    {"f:displayName": {"f:x": {}}, "f:reason": {"f:x": {}}},
    {".": {}, "f:release": {}, "f:change": {}, "f:environment": {}},
)


@dataclass(slots=True)
class Forger:
    """Makes payloads from one seed.

    Attributes:
        random: its source of randomness.
    """

    random: Random

    def payload(self, stored: list[Object]) -> object:
        """What to send as `metadata.managedFields` of an object that has `stored`."""
        kind = self.random.random()
        if kind < 0.6:
            return [*stored, self.entry()]
        if kind < 0.75:
            return self._edited(stored)
        if kind < 0.85:
            return [self.entry() for _ in range(self.random.randint(1, 14))]
        if kind < 0.9:
            return [*stored, *(self.entry() for _ in range(self.random.randint(2, 12)))]
        return self.random.choice([[{}], [], None, [{}, {}], [{"manager": "forger"}], [*stored, {}]])

    def entry(self) -> Object:
        """One entry, mostly one that the API server takes."""
        number = self.random.randint(0, 99)
        made: Object = {
            "manager": self.random.choice([*MANAGERS, f"forger-{number}"]),
            "operation": self.random.choice(["Update", "Update", "Apply"]),
            "apiVersion": self.random.choice(["moorage.dev/v1"] * 9 + ["moorage.dev/v0"]),
            "time": self._time(),
            "fieldsType": "FieldsV1",
            "fieldsV1": self._fields(number),
        }
        if self.random.random() < 0.1:
            made["subresource"] = self.random.choice(["status", "scale"])
        if self.random.random() < 0.1:
            del made["time"]
        return made

    def _edited(self, stored: list[Object]) -> list[Object]:
        entries = [dict(entry) for entry in stored]
        for entry in entries:
            if self.random.random() < 0.7:
                entry["time"] = self._time()
            if self.random.random() < 0.2:
                entry["fieldsV1"] = self._fields(0)
            if self.random.random() < 0.2:
                entry["manager"] = self.random.choice(MANAGERS)
        return entries

    def _time(self) -> str:
        near = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + self.random.randint(-9, 9)))
        return self.random.choice(
            [near, near, "0001-01-01T00:00:00Z", "2020-01-02T03:04:05Z", "2099-01-01T00:00:00Z", "9999-12-31T23:59:59Z"]
        )

    def _fields(self, number: int) -> Object:
        made: Object = {}
        if self.random.random() < 0.7:
            made["f:spec"] = self.random.choice(_SPEC)
        if self.random.random() < 0.3:
            made["f:metadata"] = {"f:annotations": {f"f:{APPLIED}": self.random.choice([{}, {"f:x": {}}])}}
        return made or {"f:metadata": {"f:labels": {f"f:phantom-{number}": {}}}}
