"""The registry of kinds: what follows from it for paths, rights and roles, for the kinds of today and the next one."""

from dataclasses import replace
from typing import Any

import pytest
import yaml

from moorage_api.cache.catalog import Catalog
from moorage_crds import names, patterns, schema
from moorage_crds.identifiers import ClusterObjectName, Identifier, NamespaceName
from moorage_crds.kinds import lock
from moorage_crds.kinds.kind import READ, Kind, Role, Scope
from moorage_crds.kinds.registry import KINDS, RESOURCES, WORKED_ON, kind_of
from moorage_crds.kube import paths
from moorage_crds.objects import RawObject
from moorage_crds.reading import readable
from moorage_crds.rights import Process, needs
from moorage_dev import roles

SHOP = NamespaceName.parse("shop")
#: A kind of the whole cluster that does not exist: what the registry must be able to say of one.
CLUSTER_KIND = replace(lock.KIND, plural="clusterpauses", kind="ClusterPause", scope=Scope.CLUSTER)


def sample(kind: Kind[Any]) -> Identifier:
    examples = {
        "EnvironmentSlug": "production",
        "BindingName": "production.web",
        "RecordId": "0f1e2d3c-0000-4000-8000-000000000001-00000001",
    }
    return kind.identifier.parse(examples[kind.identifier.__name__])


def _namespace(kind: Kind[Any]) -> NamespaceName | None:
    return None if kind.scope is Scope.CLUSTER else SHOP


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_the_paths_of_a_kind_follow_from_its_group_and_plural(kind: Kind[Any]) -> None:
    name = sample(kind)
    place = "" if kind.scope is Scope.CLUSTER else "namespaces/shop/"
    assert paths.item(kind.plural, _namespace(kind), name).text == f"/apis/moorage.dev/v1/{place}{kind.plural}/{name}"
    assert kind_of(kind.plural) is kind


def test_plurals_and_short_names_are_one_kinds_each() -> None:
    words = [word for kind in KINDS for word in (kind.plural, kind.kind.lower(), *kind.short_names)]
    assert len(set(words)) == len(words)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_a_process_may_send_what_its_account_has_the_right_to(kind: Kind[Any]) -> None:
    name = sample(kind)
    methods = {"get": "GET", "patch": "PATCH", "delete": "DELETE"}
    for calls, allowed in (
        (paths.OPERATOR_CALLS, kind.operator.verbs),
        (paths.FACADE_CALLS, (*kind.facade.verbs, *kind.callers)),
    ):
        for verb, method in methods.items():
            assert ((method, paths.item(kind.plural, _namespace(kind), name).template) in calls) is (verb in allowed), (
                verb
            )
        assert (("POST", paths.collection(kind.plural, _namespace(kind)).template) in calls) is ("create" in allowed)


def test_a_kind_of_the_whole_cluster_has_paths_without_a_namespace_and_says_so_in_its_crd() -> None:
    name = ClusterObjectName.parse("holidays")
    assert schema.crd(CLUSTER_KIND)["spec"]["scope"] == "Cluster"
    policies = names.VALIDATING_ADMISSION_POLICIES
    assert RESOURCES[policies].scope is Scope.CLUSTER
    assert paths.item(policies, None, name).text.endswith("/validatingadmissionpolicies/holidays")


@pytest.mark.parametrize("role", Role)
def test_every_role_for_people_reads_every_kind_and_none_writes_records(role: Role) -> None:
    rules = yaml.safe_load(roles.files()[f"{role}.yaml"])
    reads = {resource for rule in rules if set(READ) <= set(rule["verbs"]) for resource in rule["resources"]}
    writes = {resource for rule in rules if not set(rule["verbs"]) <= set(READ) for resource in rule["resources"]}
    assert reads == {kind.plural for kind in KINDS}
    assert names.RECORDS not in writes


def test_roles_of_our_accounts_say_each_right_once_and_nothing_else() -> None:
    for process, files in (
        (Process.OPERATOR, ("operator-cluster", "operator-namespace")),
        (Process.API, ("api-cluster", "api-namespace")),
    ):
        said = [
            (group, resource, verb, name)
            for file in files
            for rule in yaml.safe_load(roles.files()[f"{file}.yaml"])
            for group in rule["apiGroups"]
            for resource in rule["resources"]
            for verb in rule["verbs"]
            for name in rule.get("resourceNames", [""])
        ]
        wanted = {
            (right.group, right.resource, right.verb, right.name)
            for need in needs(process, "moorage-system")
            for right in need.rights
        }
        assert sorted(said) == sorted(wanted)


def test_a_kind_that_the_facade_watches_is_cached_whatever_its_view_without_a_word_about_it_in_the_facade() -> None:
    def reason(raw: RawObject) -> str:
        return str(raw["spec"]["reason"])

    kind = replace(CLUSTER_KIND, read=reason)
    catalog = Catalog((), kinds=(*KINDS, kind))
    feed = next(feed for feed in catalog.feeds if feed.plural == kind.plural)
    raw = {"metadata": {"name": "holidays", "uid": "u", "resourceVersion": "7"}, "spec": {"reason": "quiet"}}

    feed.sink.replace([readable(feed.read, raw, kind.plural)], "8")

    found = catalog.plain(kind).get("", "holidays")
    assert found is not None
    assert found.view == "quiet"
    assert catalog.versions()[kind.plural].current == "8"


def test_facade_feeds_its_cache_with_all_that_it_may_watch_and_nothing_else() -> None:
    watched = {one.plural for one in WORKED_ON if "watch" in one.facade.verbs}
    assert {feed.plural for feed in Catalog(()).feeds} == watched


def test_patterns_are_composed_of_each_other() -> None:
    assert patterns.whole(patterns.RECORD) == (
        "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}-[0-9]{8}$"
    )
