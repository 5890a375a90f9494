import { expect, test } from "vitest";

import { href, parse, type Route } from "../src/model/route";
import { random, text } from "./random";

type Reachable = Exclude<Route, { view: "nowhere" }>;

function routes(next: () => number): Reachable[] {
  // A path cannot hold "." or ".." as a part of its own; no id is one.
  const id = (): string => `x${text(next)}`;
  const at = { org: id(), workspace: id() };
  const query = { from: text(next), to: id(), at: "2026-11-30T15:00:00Z" };
  return [
    { view: "workspaces" },
    { view: "matrix", at },
    { view: "freezes", at },
    { view: "history", at, query },
    { view: "compare", at, query },
    { view: "numbers", at, query },
    { view: "environment", at, environment: id(), query },
    { view: "binding", at, environment: id(), app: id() },
    { view: "change", at, environment: id(), app: id(), line: id() },
    { view: "app", at, app: id() },
  ];
}

test("every route comes back from its own address, whatever its names hold", () => {
  const next = random(1);
  for (let round = 0; round < 60; round += 1) {
    for (const route of routes(next)) {
      const url = new URL(href(route), "http://localhost");
      expect(parse(url.pathname, url.search)).toEqual(route);
    }
  }
});

test.each(["/w", "/w/org", "/x/org/space", "/w/o/s/env", "/w/o/s/env/a/b/c/d", "/w/o/s/app/a/b", "/w/o/s/freezes/x", "/w/o/s/numbers/x", "/w/%E0%A4%A/s", "/v1/me"])(
  "%s leads nowhere",
  (path) => {
    expect(parse(path, "")).toEqual({ view: "nowhere" });
  },
);

test("an empty part of a query is left out of the address", () => {
  const at = { org: "o", workspace: "s" };
  expect(href({ view: "environment", at, environment: "staging", query: { at: "" } })).toBe("/w/o/s/env/staging");
});
