"""Random Freezes with edges near the present minute, in six zones."""

import random
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from identities import Object

from moorage_crds.gates.calendar import DAYS

ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia")


def spec(chance: random.Random, now: datetime) -> Object:
    """The spec of a Freeze of production."""
    zone = chance.choice(ZONES)
    local = now.astimezone(ZoneInfo(zone))
    weekly = [one for _ in range(chance.randint(0, 2)) if (one := _week(chance, local))]
    yearly = [one for _ in range(chance.randint(0, 1)) if (one := _year(chance, local))]
    if not weekly and not yearly:
        return spec(chance, now)
    parts = {"weekly": weekly, "yearly": yearly}
    return {
        "environments": ["production"],
        "mode": chance.choice(["Closed", "OpenOnly"]),
        "timeZone": zone,
        **{key: value for key, value in parts.items() if value},
    }


def _week(chance: random.Random, local: datetime) -> Object | None:
    minute = local.hour * 60 + local.minute
    begins = (minute + chance.choice([-600, -60, -2, 0, 2, 30, 500])) % 1440
    ends = (minute + chance.choice([-500, -30, -1, 1, 40, 600])) % 1440
    if begins == ends:
        return None
    return {"days": chance.sample(DAYS, chance.randint(1, 5)), "from": _clock(begins), "until": _clock(ends)}


def _year(chance: random.Random, local: datetime) -> Object | None:
    begins = local.date() + timedelta(days=chance.choice([-40, -1, 0, 1, 30]))
    ends = local.date() + timedelta(days=chance.choice([-30, 0, 1, 2, 60]))
    if begins == ends:
        return None
    return {"from": begins.strftime("%m-%d"), "until": ends.strftime("%m-%d")}


def _clock(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"
