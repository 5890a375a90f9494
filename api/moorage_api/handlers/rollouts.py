"""The outcome of a release: asked for, and waited for."""

import asyncio

from moorage_api.cache.views import BindingView
from moorage_api.contract import errors
from moorage_api.handlers.environments import environment_of
from moorage_api.operation import Answer, Call, Facade
from moorage_api.reads import rights, translate
from moorage_crds import names
from moorage_crds.identifiers import AppId, BindingName, EnvironmentSlug, InvalidIdentifierError


async def state(facade: Facade, call: Call) -> Answer:
    """One app in one environment: its release, the line of history that put it there, and what became of it."""
    environment = environment_of(facade, call)
    app = call.params["app_id"]
    try:
        name = BindingName.of(EnvironmentSlug.parse(environment.name), AppId.parse(app))
    except InvalidIdentifierError:
        raise errors.not_found("deployment", app) from None
    binding = facade.catalog.bindings.get(environment.namespace, name)
    if binding is None or binding.app != app:
        raise errors.not_found("deployment", app)
    chain = facade.catalog.history.chain(binding.uid)
    last = chain.last() if chain is not None else None
    return Answer(
        {
            "environment_id": environment.uid,
            "app_id": binding.app,
            "release_id": binding.release,
            "line": translate.history_line(environment.uid, last, binding) if last is not None else None,
            "rollout": translate.rollout(binding) if binding.release is not None else None,
        }
    )


async def waited(facade: Facade, call: Call, deployment_id: str, answer: Answer) -> Answer:
    """The answer of a change, with what became of it, if the request waits for that.

    The change is made in any case. The wait ends when the release was healthy once or its controller gave it up, when
    another change replaced it, when nothing follows the app, or after the request's time.
    """
    if call.query.wait is None or call.query.dry_run:
        return answer
    shown = await rights.may(facade, call, "get", names.DEPLOYMENTS)
    uid, _, number = deployment_id.rpartition("-")
    binding = await _until_decided(facade, uid, int(number), call.query.timeout) if shown else None
    known = binding is not None and binding.last_sequence == int(number)
    answer.body["rollout"] = translate.rollout(binding) if binding is not None and known else None
    return answer


async def _until_decided(facade: Facade, uid: str, sequence: int, seconds: float) -> BindingView | None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while True:
        chain = facade.catalog.history.chain(uid)
        binding = chain.live if chain is not None else None
        left = deadline - loop.time()
        if left <= 0 or (binding is not None and _decided(binding, sequence)):
            return binding
        await facade.catalog.bindings.versions.wait_for_next(left)


def _decided(binding: BindingView, sequence: int) -> bool:
    if binding.last_sequence > sequence:
        return True
    if binding.recorded < sequence:
        return False
    rollout = binding.rollout
    if rollout is None:
        return True
    return rollout.sequence == sequence and (rollout.healthy_at is not None or rollout.phase == translate.FAILED)
