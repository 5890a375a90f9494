"""Guards against deletion hold for people and not for the garbage collector, which would try again for ever."""

from cluster import LiveCluster, Workspaces


def test_the_garbage_collector_passes_every_guard(workspace: Workspaces, cluster: LiveCluster) -> None:
    shop = workspace("production", labels={"moorage.dev/attributed-deletes": "true"})
    shop.create_deployment("production", "web", "v1", user="alice")
    shop.create_environment("staging", isDefault=True)
    lock = {"apiVersion": "moorage.dev/v1", "kind": "EnvironmentLock", "metadata": {"name": "production"}}
    assert cluster.raw("POST", shop.path("environmentlocks"), body=lock | {"spec": {"reason": "audit"}}).status == 201
    guarded = [
        shop.path("deployments", "production.web"),  # deployed, unrecorded, in a locked environment
        shop.path("environments", "production"),  # locked
        shop.path("environments", "staging"),  # default
    ]
    assert {cluster.raw("DELETE", path).status for path in guarded} == {403}
    token = cluster.service_account_token("kube-system", "generic-garbage-collector")
    for path in guarded:
        answer = cluster.raw("DELETE", path, token=token)
        assert answer.status == 200, answer.body
