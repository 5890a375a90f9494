"""Events as others read them, what signs them, and where they may go."""

import json
from datetime import UTC, datetime
from ipaddress import ip_network
from typing import Any

import builders
import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from moorage_crds.kinds.deployment import Action, Change
from moorage_crds.kinds.record import Binding, Record, from_object, genesis_hash, to_object
from moorage_operator.events import addresses, messages

UID = builders.uid_of("deployment web")
SECRET = "whsec_" + "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
BINDING = Binding("shop", "production.web", UID, "production", "web")


def record(
    action: Action = Action.DEPLOY, release: str | None = "1.4.2", previous: str | None = None, **more: Any
) -> Record:
    change = Change(sequence=3, action=action, previous=previous, release=release, by="alice", at=builders.at(), **more)
    raw = to_object(BINDING, change, previous_hash=genesis_hash(BINDING))
    raw["metadata"]["resourceVersion"] = "1"
    return from_object(raw)


@pytest.mark.parametrize(
    ("one", "kind"),
    [
        (record(), "service.deployed"),
        (record(previous="1.4.1"), "service.upgraded"),
        (record(Action.ROLLBACK, previous="1.4.3"), "service.rolledback"),
        (record(Action.UNDEPLOY, None, "1.4.2"), "service.removed"),
        (record(Action.ADOPT, None, "1.4.2"), "service.removed"),
        (record(Action.ADOPT), "service.deployed"),
    ],
)
def test_each_change_has_its_type(one: Record, kind: str) -> None:
    event = messages.of_record(one)
    assert event["type"] == f"dev.cdevents.{kind}.0.2.0"
    assert messages.short_type(event) == kind
    assert ("artifactId" in event["data"]["subject"]["content"]) is (kind != "service.removed")


def test_an_event_is_a_cdevent_in_a_cloudevent_and_the_same_whenever_it_is_made() -> None:
    event = messages.of_record(record(release="registry/web:1.4@sha256:ab+1", previous="1.4.1", reason="fix"))
    source, kind = "/apis/moorage.dev/v1/namespaces/shop", "dev.cdevents.service.upgraded.0.2.0"
    assert event == messages.of_record(record(release="registry/web:1.4@sha256:ab+1", previous="1.4.1", reason="fix"))
    assert {key: value for key, value in event.items() if key != "data"} == {
        "specversion": "1.0",
        "id": f"{UID}-00000003",
        "source": source,
        "type": kind,
        "subject": "production.web",
        "time": builders.at(),
        "datacontenttype": "application/json",
    }
    assert event["data"]["context"] == {
        "version": "0.4.1",
        "id": f"{UID}-00000003",
        "source": source,
        "type": kind,
        "timestamp": builders.at(),
    }
    assert event["data"]["subject"] == {
        "id": "production.web",
        "source": source,
        "type": "service",
        "content": {
            "environment": {"id": "production", "source": source},
            "artifactId": "pkg:generic/web@registry%2Fweb%3A1.4%40sha256%3Aab%2B1",
        },
    }
    assert event["data"]["customData"]["by"] == "alice"
    assert set(event["data"]) == {"context", "subject", "customData", "customDataContentType"}


def test_slack_gets_a_sentence_in_which_nothing_is_a_command() -> None:
    event = messages.of_record(record(previous="1.4.1", reason="<!channel> & <https://x|y>"))
    body, media_type = messages.body_of(event, "slack")
    assert json.loads(body) == {
        "text": "*web* in *production*: now 1.4.2 (was 1.4.1), by alice: &lt;!channel&gt; &amp; &lt;https://x|y&gt;"
    }
    assert media_type == "application/json"
    gone = messages.of_record(record(Action.UNDEPLOY, None, "1.4.2"))
    assert messages.sentence(gone) == {"text": "*web* in *production*: removed (was 1.4.2), by alice"}
    environment = messages.of_environment("shop", "qa", UID, predicate="deleted", number=1, at=builders.at())
    assert messages.sentence(environment) == {"text": "Environment *qa* deleted"}


def test_the_reference_library_takes_the_signature_and_no_other() -> None:
    old = "whsec_" + "YWJjZGVmZ2hpamFiY2RlZmdoaWphYmNkZWZnaGlq"
    body, _ = messages.body_of(messages.of_record(record(reason="größer – 🚀")), "cdevents")
    headers = messages.signed(messages.signers(f"{SECRET}\n{old}"), "some-id", body, datetime.now(UTC))

    for secret in (SECRET, old):
        assert Webhook(secret).verify(body, headers)["id"] == f"{UID}-00000003"
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(body + b" ", headers)
    with pytest.raises(WebhookVerificationError):
        Webhook("whsec_" + "eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4").verify(body, headers)


@pytest.mark.parametrize(
    "value", ["", "hunter2", "whsec_", "whsec_c2hvcnQ=", f"{SECRET} hunter2", SECRET.removeprefix("whsec_"), "whsec_ä"]
)
def test_no_other_secret_signs_and_none_is_told(value: str) -> None:
    with pytest.raises(messages.SecretError) as raised:
        messages.signers(value)
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize("value", [f"{SECRET} " * 5, f"{SECRET}{' ' * 1024}{SECRET}", "whsec_" * 100_000])
def test_more_than_a_few_secrets_do_not_sign(value: str) -> None:
    with pytest.raises(messages.SecretError, match="4 secrets and 1024 characters at most"):
        messages.signers(value)
    assert len(messages.signers(f"{SECRET} " * 4)) == 4


ALLOWED = (ip_network("10.1.0.0/16"), ip_network("fd00::/64"))


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "::1",
        "0.0.0.0",  # noqa: S104 — refused, not listened on
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "198.18.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "fe80::1%eth0",
        "fc00::1",
        "fec0::1",
        "3fff::1",
        "192.88.99.1",
        "192.0.0.9",
        "::ffff:192.0.0.10",
        "ff02::1",
        "::ffff:10.0.0.1",
        "::ffff:127.0.0.1",
        "64:ff9b::a00:1",
        "64:ff9b:1::a00:1",
        "::7f00:1",
        "::ffff:0:7f00:1",
        "5f00::1",
        "2002:a00:1::",
        "2001:0:1:2:3:4:f5ff:fffe",
        "::",
    ],
)
def test_addresses_that_are_not_public_are_refused_in_every_spelling(address: str) -> None:
    assert addresses.problem(address, ALLOWED, secure=True)


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1::1", "64:ff9b::5db8:d822", "::ffff:8.8.8.8"])
def test_public_addresses_need_https(address: str) -> None:
    assert addresses.problem(address, (), secure=True) is None
    assert "https" in (addresses.problem(address, (), secure=False) or "")


@pytest.mark.parametrize("address", ["10.1.2.3", "::ffff:10.1.2.3", "fd00::7"])
def test_what_the_administrator_allows_passes_also_without_tls(address: str) -> None:
    assert addresses.problem(address, ALLOWED, secure=False) is None
