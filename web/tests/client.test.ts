import { afterEach, expect, test, vi } from "vitest";

import { address, failureOf, send } from "../src/api/client";
import { verdicts } from "../src/model/verdicts";
import { random, text } from "./random";

test("a name in a path stays one part of it, whatever it holds", () => {
  const next = random(6);
  for (let round = 0; round < 500; round += 1) {
    const names = { org: text(next), app: text(next) };
    const url = new URL(address("/v1/{org}/deploy/{app}", names, {}), "http://localhost");
    const parts = url.pathname.split("/").map(decodeURIComponent);
    // "." and ".." would be resolved away; the facade answers such ids as absent, and none exists.
    if (![names.org, names.app].some((name) => /^\.{1,2}$/.test(name))) expect(parts).toEqual(["", "v1", names.org, "deploy", names.app]);
    expect(url.search).toBe("");
  }
});

test("a query holds what is given, lists repeated, and nothing empty", () => {
  const found = address("/x", {}, { a: "1&2", none: undefined, empty: "", flag: false, many: ["p", "q"] });
  expect(found).toBe("/x?a=1%262&flag=false&many=p&many=q");
});

test.each([
  [409, { error: "CONFLICT", message: "locked", details: { reason: "EnvironmentLocked" } }, "EnvironmentLocked", "locked"],
  [404, { error: "RESOURCE_NOT_FOUND", message: "none", details: {} }, "RESOURCE_NOT_FOUND", "none"],
  [502, null, "HTTP 502", ""],
  [502, "<html>", "HTTP 502", ""],
  [500, [], "HTTP 500", ""],
  [403, { error: 7, message: {}, details: [] }, "HTTP 403", ""],
])("an error %d with the body %j says why", (status, body, reason, message) => {
  expect(failureOf(status, body)).toMatchObject({ status, reason, message, problems: [] });
});

test("a 422 names each field without the part of the request it was in", () => {
  const body = { detail: [{ loc: ["body", "release_id"], msg: "too long" }, { loc: ["query"], msg: "no" }, "odd"] };
  expect(failureOf(422, body).problems).toEqual([
    { field: "release_id", message: "too long" },
    { field: "", message: "no" },
  ]);
});

test("a verdict that is not understood does not let anything pass", () => {
  expect(verdicts([{ gate: "freeze/x" }, null, 3])).toEqual([{ gate: "freeze/x", allowed: false, enforced: true, message: "", opensAt: null, overridable: false }]);
});

afterEach(() => {
  vi.unstubAllGlobals();
});

/** The next answers of the facade, one for each request. */
function answers(...next: [body: string, tag: string | null, status?: number][]): void {
  vi.stubGlobal("fetch", async () => {
    const [body, tag, status = 200] = next.shift() ?? ["", null, 500];
    return new Response(body, { status, headers: tag === null ? {} : { ETag: tag } });
  });
}

test("an answer with the tag of the one before is that one, and any other is read", async () => {
  const ask = () => send("get", "/v1/orgs/{org_id}/workspaces/{workspace_id}/freezes", { path: { org_id: "o", workspace_id: "w" } });
  answers(['{"freezes": []}', '"1"'], ["this is not read", '"1"'], ['{"freezes": [2]}', '"2"'], ['{"freezes": [3]}', null], ['{"error": "X"}', '"2"', 403], ["", '"2"']);
  const [first, same, other, untagged, refused, again] = [await ask(), await ask(), await ask(), await ask(), await ask(), await ask()];
  expect(same.ok && first.ok && same.data === first.data).toBe(true);
  expect(other).toMatchObject({ ok: true, data: { freezes: [2] } });
  expect(untagged).toMatchObject({ ok: true, data: { freezes: [3] } });
  expect(refused).toMatchObject({ ok: false, failure: { status: 403 } });
  expect(again.ok && other.ok && again.data === other.data).toBe(true);
});

test("the facade is asked whether the answer before is still so, and headers are those of this answer", async () => {
  const asked: Request[] = [];
  const next = [
    new Response('{"freezes": [1]}', { headers: { ETag: '"1"', Age: "7", "X-Recording-Stopped-At": "2026-01-31T12:00:00Z" } }),
    new Response(null, { status: 304, headers: { ETag: '"1"' } }),
    new Response('{"freezes": [2]}', { headers: { ETag: '"2"' } }),
  ];
  vi.stubGlobal("fetch", async (url: string, init: RequestInit) => {
    asked.push(new Request(`http://facade${url}`, init));
    return next.shift();
  });
  const ask = () => send("get", "/v1/orgs/{org_id}/workspaces/{workspace_id}/freezes", { path: { org_id: "o", workspace_id: "tagged" } });
  const [first, same, other] = [await ask(), await ask(), await ask()];
  expect(asked.map((one) => one.headers.get("If-None-Match"))).toEqual([null, '"1"', '"1"']);
  expect(asked.map((one) => one.cache)).toEqual(["no-store", "no-store", "no-store"]);
  expect(first).toMatchObject({ ok: true, age: 7, stoppedAt: "2026-01-31T12:00:00Z" });
  expect(same).toMatchObject({ ok: true, data: { freezes: [1] }, age: null, stoppedAt: null });
  expect(same.ok && first.ok && same.data === first.data).toBe(true);
  expect(other).toMatchObject({ ok: true, data: { freezes: [2] } });
});
