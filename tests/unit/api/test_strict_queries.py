"""Query parameters take the documented forms, and bodies one coding and one type; what is refused is told how."""

import pytest
from facade_world import BASE, World

HERE = f"{BASE}/staging"


async def refusal(query: str, path: str = f"{HERE}/deployments") -> dict[str, object]:
    """The only entry of the 422."""
    world = World()
    world.environment()
    reply = await world.call("GET", f"{path}?{query}")
    assert reply.status == 422, reply.content
    (problem,) = reply.json["detail"]
    return dict(problem)


@pytest.mark.parametrize("text", ["", "1_0", "50.0", "%2B5", "+5", "%205", "5%20", "007", "1e2", "0x10", "٥", "five"])
async def test_limit_is_written_in_plain_digits(text: str) -> None:
    for path in (f"{HERE}/deployments", BASE, "/v1/workspaces"):
        problem = await refusal(f"limit={text}", path)
        assert (problem["type"], problem["loc"]) == ("int_parsing", ["query", "limit"])
        assert problem["msg"] == "limit must be a whole number in plain digits, such as 50"


@pytest.mark.parametrize("text", ["0", "201", "-1", "999999999999999999"])
async def test_limit_has_its_bounds(text: str) -> None:
    assert (await refusal(f"limit={text}"))["type"] in {"greater_than_equal", "less_than_equal"}


@pytest.mark.parametrize(
    ("said", "meant"), [("true", True), ("1", True), ("Yes", True), ("false", False), ("0", False)]
)
async def test_yes_and_no_have_the_forms_that_the_guide_names(*, said: str, meant: bool) -> None:
    world = World()
    world.environment()

    reply = await world.call("POST", f"{HERE}/deploy?dry_run={said}", {"app_id": "web", "release_id": "v1"})

    assert (reply.status, "X-Dry-Run" in reply.headers) == (200, meant)
    assert bool((await world.call("GET", f"{HERE}/deployments")).json["total"]) != meant


@pytest.mark.parametrize("said", ["", "maybe", "%20true", "2", "true,false", "null"])
async def test_what_is_neither_yes_nor_no_changes_nothing(said: str) -> None:
    world = World()
    world.environment()

    reply = await world.call("POST", f"{HERE}/deploy?dry_run={said}", {"app_id": "web", "release_id": "v1"})

    assert (reply.status, reply.json["detail"][0]["loc"]) == (422, ["query", "dry_run"])
    assert (await world.call("GET", f"{HERE}/deployments")).json["total"] == 0


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-31T12:00:00%2B25:00", "2026-01-31T24:00:01Z", "2026-01-31T12:60:00Z", "2026-01-31T12:00:60Z",
        "2026-02-30T12:00:00Z", "2026-13-01T12:00:00Z", "0000-01-01T00:00:00Z",
    ],
)  # fmt: skip
async def test_a_time_that_there_is_not_is_told_so_in_our_words(text: str) -> None:
    problem = await refusal(f"until={text}")

    assert str(problem["msg"]).startswith("Value error, until must be a time that there is: ")
    assert problem["loc"] == ["query", "until"]


async def test_total_counts_all_lines_and_matching_those_that_match() -> None:
    world = World()
    world.environment()
    for release in ("v1", "v2", "v3"):
        await world.deploy("web", release)
    await world.deploy("shop", "v1")

    def counted(answer: dict[str, object]) -> tuple[object, object]:
        return answer["total"], answer["matching"]

    assert counted((await world.call("GET", f"{HERE}/deployments?limit=1")).json) == (4, 4)
    assert counted((await world.call("GET", f"{HERE}/deployments?limit=1&app_id=web")).json) == (4, 3)
    assert counted((await world.call("GET", f"{HERE}/deployments?action=undeploy")).json) == (4, 0)


@pytest.mark.parametrize(
    ("content", "content_type", "coding", "status"),
    [
        (b'{"name": "A", "slug": "a"}', "application/json", "", 201),
        (b'{"name": "A", "slug": "a"}', "application/json", "identity, Identity", 201),
        (b'{"name": "A", "slug": "a"}', "application/json", "identity, gzip", 415),
        (b'{"name": "A", "slug": "a"}', "application/json", "gzip", 415),
        (b'{"name": "A", "slug": "a"}', "", "", 415),
        (b"", "text/plain", "", 415),
        (b"", "application/json; charset=latin-1", "", 415),
        (b"", "application/json", "", 422),
        (b"", "", "", 422),
    ],
)
async def test_type_and_coding_of_bodies(content: bytes, content_type: str, coding: str, status: int) -> None:
    headers = {"Content-Encoding": coding}

    reply = await World().call("POST", BASE, content, content_type=content_type, headers=headers)

    assert reply.status == status


async def test_a_body_that_may_be_absent_has_any_type() -> None:
    """`curl -X POST -d ''` says that nothing is a form."""
    world = World()
    world.environment()
    await world.deploy("web", "v1")
    await world.deploy("web", "v2")

    reply = await world.call(
        "POST", f"{HERE}/deploy/web/rollback", b"", content_type="application/x-www-form-urlencoded"
    )

    assert (reply.status, reply.json["release_id"]) == (200, "v1")


async def test_parameters_that_are_needed_are_asked_for() -> None:
    compare = BASE.removesuffix("/environments") + "/compare"
    for query, missing in (("", ["from", "to"]), ("?", ["from", "to"]), ("?from=a", ["to"])):
        reply = await World().call("GET", f"{compare}{query}")
        assert (reply.status, [problem["loc"] for problem in reply.json["detail"]]) == (
            422,
            [["query", name] for name in missing],
        )
