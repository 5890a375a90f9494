"""Which release was where, from when to when: the history of the environments that a promotion looks at.

Read from the records once, then followed change by change. What does not fit together is forgotten and read again.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from moorage_crds.kinds.record import Record
from moorage_operator.facts import Progress, Stay

EnvironmentKey = tuple[str, str]

#: Stays of an app that are kept: older ones prove nothing that newer ones do not.
MAX_STAYS: Final = 40


@dataclass(frozen=True, slots=True)
class AppStays:
    """The stays of one app, oldest first, up to the change `sequence` of its Deployment.

    Attributes:
        changed_at: when that change was made; empty without one.
        since: when the first change was made that is known; empty without one.
    """

    uid: str
    sequence: int
    stays: tuple[Stay, ...]
    changed_at: str = ""
    since: str = ""

    def after(self, uid: str, sequence: int, release: str | None, at: str) -> "AppStays":
        """One change more."""
        stays = self.stays
        if stays and stays[-1].until is None:
            stays = (*stays[:-1], replace(stays[-1], until=at))
        if release is not None:
            stays = (*stays, Stay(release, at))
        return AppStays(uid, sequence, stays[-MAX_STAYS:], at, self.since or at)


_NONE: Final = AppStays("", 0, ())


@dataclass(slots=True)
class Stays:
    """What is known, by environment and app."""

    _known: dict[EnvironmentKey, dict[str, AppStays]] = field(default_factory=dict)

    def __contains__(self, key: EnvironmentKey) -> bool:
        """Whether the history of an environment is known."""
        return key in self._known

    def of(self, key: EnvironmentKey) -> Mapping[str, tuple[Stay, ...]]:
        """App → its stays, oldest first; nothing if the history is not known."""
        return {app: known.stays for app, known in self._known.get(key, {}).items()}

    def apps(self, key: EnvironmentKey) -> Mapping[str, AppStays]:
        """App → all that is known of it there, also while it has no Deployment; nothing if the history is not known."""
        return self._known.get(key, {})

    def load(self, key: EnvironmentKey, records: Iterable[Record]) -> None:
        """All records of an environment, those of one Deployment in their order."""
        by_uid: dict[str, list[Record]] = {}
        for record in records:
            by_uid.setdefault(record.binding.uid, []).append(record)
        apps: dict[str, AppStays] = {}
        # Of several Deployments of an app, one after the other was there.
        for chain in sorted(by_uid.values(), key=lambda chain: chain[0].change.at or ""):
            for record in sorted(chain, key=lambda one: one.change.sequence):
                app, change = record.binding.app, record.change
                known = apps.get(app, _NONE)
                apps[app] = known.after(record.binding.uid, change.sequence, change.release, change.at or "")
        self._known[key] = apps

    def follow(self, key: EnvironmentKey, app: str, uid: str, progress: Progress) -> None:
        """Take the history of a Deployment up to this change."""
        apps = self._known.get(key)
        if apps is None or progress.sequence == 0:
            return
        known = apps.get(app, _NONE)
        is_same = known.uid == uid
        if is_same and progress.sequence <= known.sequence:
            return
        last = progress.last
        expected = known.sequence + 1 if is_same else 1
        if last is None or last.at is None or progress.sequence != expected:
            self.forget(key)
            return
        apps[app] = known.after(uid, last.sequence, last.release, last.at)

    def forget(self, key: EnvironmentKey) -> None:
        """What is known of an environment may be wrong, or is not needed any more."""
        self._known.pop(key, None)
