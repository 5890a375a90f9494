"""The numbers of delivery once more, by SQL: an independent computation, to hold ours against."""

# ruff: noqa: S608 — all words of the queries are our own

import sqlite3
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from moorage_api.reads.numbers import Entry

_SCHEMA = """
create table line (chain text, sequence int, environment text, app text, action text, release text, at real,
                   failed int, healthy real);
create index by_chain on line (chain, sequence);
create index by_release on line (app, release, at, environment);
"""

#: Every deployment of the time, with all that is said of it.
_DEPLOYMENTS = """
create table deployment as
with ordered as (
  select *, action in ('deploy', 'adopt') and release is not null as brings,
         lead(action) over (partition by chain order by sequence) as next_action
  from line where at <= :until
), judged as (
  select *, brings and (failed or coalesce(next_action = 'rollback', 0)) as bad from ordered
)
select one.environment, one.app, one.chain, one.sequence, one.at, one.bad, one.healthy - one.at as healthy,
  (select min(at) from line where app = one.app and release = one.release and at <= :until) as came,
  (select environment from line where app = one.app and release = one.release and at <= :until
     order by at, environment limit 1) as place,
  case when one.bad then (select later.at from judged later
     where later.chain = one.chain and later.sequence > one.sequence and later.release is not null
       and not (later.bad or later.failed) order by later.sequence limit 1) end as restored,
  case when one.bad then (select min(later.sequence) from judged later
     where later.chain = one.chain and later.sequence > one.sequence and later.brings) end as rework
from judged one where one.brings and one.at >= :since
"""


class BySql:
    """Lines in a database in memory, and what it says of them."""

    def __init__(self, entries: Iterable[Entry], since: datetime, until: datetime) -> None:
        self._base = sqlite3.connect(":memory:")
        self._base.executescript(_SCHEMA)
        self._base.executemany("insert into line values (?, ?, ?, ?, ?, ?, ?, ?, ?)", map(_row, entries))
        self._times = {"since": since.timestamp(), "until": until.timestamp()}
        self._days = (until - since).total_seconds() / 86_400
        query = _DEPLOYMENTS
        for name, value in self._times.items():
            # A table cannot be made with parameters.
            query = query.replace(f":{name}", repr(value))
        self._base.execute(query)

    def close(self) -> None:
        """End the database."""
        self._base.close()

    def numbers(self, environment: str, app: str = "%") -> dict[str, Any]:
        """The numbers of an environment, or of one app in it."""
        where = f"environment = '{environment}' and app like '{app}'"
        made = self._one(f"select count(*) from deployment where {where}")
        failures = self._one(f"select count(*) from deployment where {where} and bad")
        rework = self._one(
            f"select count(distinct chain || ' ' || rework) from deployment where {where} and rework > 0"
        )
        in_time = f"{where} and at between :since and :until"
        return {
            "deployments": made,
            "rollbacks": self._one(f"select count(*) from line where {in_time} and action = 'rollback'"),
            "undeploys": self._one(f"select count(*) from line where {in_time} and release is null"),
            "failures": failures,
            "deployments_per_day": round(made / self._days, 4),
            "days_with_deployments": self._one(
                f"select count(distinct cast(at / 86400 as int)) from deployment where {where}"
            ),
            "lead_time": self._spread("at - came", f"{where} and place != environment"),
            "time_to_healthy": self._spread("max(healthy, 0.0)", f"{where} and healthy is not null"),
            "change_failure_rate": round(failures / made, 4) if made else None,
            "time_to_restore": self._spread("max(restored - at, 0.0)", f"{where} and restored is not null"),
            "rework_rate": round(rework / made, 4) if made else None,
        }

    def _one(self, query: str) -> Any:
        return self._base.execute(query, self._times if ":since" in query else {}).fetchone()[0]

    def _spread(self, value: str, where: str) -> dict[str, Any] | None:
        count = self._one(f"select count(*) from deployment where {where}")
        if not count:
            return None

        def at(nth: int) -> int:
            return round(
                self._one(f"select {value} as v from deployment where {where} order by v limit 1 offset {nth}")
            )

        return {"median_seconds": at((count - 1) // 2), "p90_seconds": at((9 * count + 9) // 10 - 1), "count": count}


def _row(entry: Entry) -> tuple[Any, ...]:
    healthy = entry.healthy_at.timestamp() if entry.healthy_at is not None else None
    place = (entry.environment, entry.app, str(entry.action), entry.release, entry.at.timestamp())
    return (entry.chain, entry.sequence, *place, entry.failed, healthy)
