import { expect, test } from "vitest";

import { unrecordedSince, type AnyLine } from "../src/model/changes";
import { matching } from "../src/model/filter";
import { differs, filtered, inOrder, inPromotionOrder, roomOf, row, unrecorded, usualOrder, waitingSince, type Cell } from "../src/model/grid";
import { joined } from "../src/model/pages";
import { visible } from "../src/model/visible";
import { pick, random, text } from "./random";

function cell(release: string, by: string | null = null): Cell {
  return { release, since: null, by, line: null, recorded: true, phase: null, distance: null };
}

test("the rows that are drawn are at least those that are seen, and never many more", () => {
  const next = random(3);
  for (let round = 0; round < 500; round += 1) {
    const height = 40 + next() * 40;
    const count = Math.floor(next() * 600);
    const screen = next() * 1_500;
    const scrolled = next() * Math.max(0, count * height - screen);
    const { first, end } = visible(scrolled, screen, height, count);
    expect(first).toBeGreaterThanOrEqual(0);
    expect(end).toBeLessThanOrEqual(count);
    expect(end).toBeGreaterThanOrEqual(first);
    expect(first * height).toBeLessThanOrEqual(Math.max(scrolled, 0));
    expect(end * height).toBeGreaterThanOrEqual(Math.min(scrolled + screen, count * height) - 1e-6);
    expect(end - first).toBeLessThanOrEqual(Math.ceil(screen / height) + 18);
  }
});

test("scrolled beyond the end, as when a filter makes the table short, nothing breaks", () => {
  expect(visible(20_000, 800, 52, 3)).toEqual({ first: 3, end: 3 });
  expect(visible(0, 800, 52, 0)).toEqual({ first: 0, end: 0 });
});

test("a filter keeps exactly the items in whose text every word occurs", () => {
  const next = random(4);
  for (let round = 0; round < 300; round += 1) {
    const items = Array.from({ length: 30 }, () => text(next, 0, 20).toLowerCase());
    const wanted = [text(next, 1, 2), text(next, 0, 1)].map((word) => word.replace(/\s/g, ""));
    const found = matching(items, wanted.join("  "), (item) => item);
    const expected = items.filter((item) => wanted.every((word) => item.includes(word.toLowerCase())));
    expect(found).toEqual(expected);
  }
});

test("apps are found by their name, their releases and by who put them there, whatever the case", () => {
  const rows = [row("Web-Shop", [cell("2.4.0", "Alice")]), row("search", [null, cell("0.14.0-RC1", "bob")])];
  const found = (words: string): string[] => filtered(rows, words, false).map((one) => one.app);
  expect(found("shop")).toEqual(["Web-Shop"]);
  expect(found("ALICE 2.4")).toEqual(["Web-Shop"]);
  expect(found("rc1")).toEqual(["search"]);
  expect(found("alice bob")).toEqual([]);
  expect(found(" ")).toEqual(["Web-Shop", "search"]);
});

test("an app differs when its environments do not all have the same release", () => {
  expect(differs(row("a", [cell("1"), cell("1")]))).toBe(false);
  expect(differs(row("a", [cell("1"), cell("2")]))).toBe(true);
  expect(differs(row("a", [cell("1"), null]))).toBe(true);
});

test("rows stand in the order of their names, numbers as numbers", () => {
  const names = inOrder(["app-10", "app-9", "App-1", "b"].map((name) => row(name, []))).map((one) => one.app);
  expect(names).toEqual(["App-1", "app-9", "app-10", "b"]);
});

test("environments stand in the order in which releases go through them, each once", () => {
  const next = random(5);
  for (let round = 0; round < 500; round += 1) {
    const slugs = Array.from({ length: 1 + Math.floor(next() * 8) }, (_unused, place) => `env-${place}`);
    const columns = slugs.map((slug) => ({ slug, before: next() < 0.3 ? null : pick(next, [...slugs, "gone"]) }));
    const found = inPromotionOrder(columns);
    expect(found.map((one) => one.slug).sort()).toEqual(slugs);
    const place = (slug: string): number => found.findIndex((one) => one.slug === slug);
    for (const one of columns) {
      if (one.before !== null && place(one.before) >= 0 && !circular(columns, one.slug)) expect(place(one.before)).toBeLessThan(place(one.slug));
    }
  }
});

function circular(columns: readonly { slug: string; before: string | null }[], slug: string): boolean {
  const seen = new Set<string>();
  for (let at: string | null | undefined = slug; at; at = columns.find((one) => one.slug === at)?.before) {
    if (seen.has(at)) return true;
    seen.add(at);
  }
  return false;
}

test("usual names have a usual order, and others have none", () => {
  expect(usualOrder(["production", "staging", "dev", "qa-2", "shared"])).toEqual(["dev", "qa-2", "staging", "production"]);
  expect(usualOrder(["blue", "production"])).toEqual([]);
});

test("pages of a history are joined without a line twice, and without a gap", () => {
  const line = (id: number): AnyLine => ({ deployment_id: `x-${id}` }) as AnyLine;
  const lines = (from: number, to: number): AnyLine[] => Array.from({ length: from - to }, (_unused, place) => line(from - place));
  const ids = (found: readonly AnyLine[]): string[] => found.map((one) => one.deployment_id);
  expect(ids(joined(lines(12, 9), lines(10, 5)))).toEqual(ids(lines(12, 5)));
  expect(ids(joined(lines(30, 27), lines(10, 5)))).toEqual(ids(lines(30, 27)));
  expect(ids(joined(lines(10, 5), []))).toEqual(ids(lines(10, 5)));
});

test("what is not recorded is known by its oldest change", () => {
  const cells = [["2026-01-02T00:00:00Z", false], ["2026-01-01T00:00:00Z", false], ["2025-01-01T00:00:00Z", true]] as const;
  const rows = cells.map(([since, recorded]) => row("app", [{ ...cell("1"), since, recorded }, null]));
  expect(waitingSince(rows)).toBe("2026-01-01T00:00:00Z");
  expect(unrecorded(rows)).toBe(2);
  expect(waitingSince(rows.slice(2))).toBeNull();
  expect(unrecorded(rows.slice(2))).toBe(0);
  expect(unrecordedSince(cells.map(([deployed_at, recorded]) => ({ deployed_at, recorded })))).toBe("2026-01-01T00:00:00Z");
  expect(unrecordedSince([])).toBeNull();
});

test("a column is wide enough for what is in it, within bounds, and whatever is filtered or scrolled", () => {
  const grid = (release: string, by = "bob"): Parameters<typeof roomOf>[0] => ({ columns: [], rows: [row("app", [cell("1"), null, cell(release, by)])] });
  expect(roomOf({ columns: [], rows: [] })).toBe(9.5);
  expect(roomOf(grid("1.2.3"))).toBe(9.5);
  expect(roomOf(grid("2026.12.02-rc1-build7"))).toBeGreaterThan(12);
  expect(roomOf(grid("1.2.3", "system:serviceaccount:x:y"))).toBeGreaterThan(12);
  expect(roomOf(grid("x".repeat(200)))).toBe(16);
  const failing = { ...cell("1.2.3"), phase: "Progressing", distance: { relation: "behind", changes: 12, since: null } };
  expect(roomOf({ columns: [], rows: [row("app", [failing])] })).toBeGreaterThan(roomOf(grid("1.2.3")));
});
