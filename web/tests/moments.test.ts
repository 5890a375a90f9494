import { expect, test } from "vitest";

import { duration, fromInput, local, millis, relative, short, toInput, utc } from "../src/model/moments";
import { random } from "./random";

const NOW = Date.parse("2026-12-01T12:00:00Z");

test.each([
  [0, "in 0 seconds", "0s"],
  [-5, "5 seconds ago", "5s"],
  [-59, "59 seconds ago", "59s"],
  [-60, "1 minute ago", "1m"],
  [-3_599, "59 minutes ago", "59m"],
  [-3_600, "1 hour ago", "1h"],
  [-86_399, "23 hours ago", "23h"],
  [-86_400, "1 day ago", "1d"],
  [-40 * 86_400, "40 days ago", "40d"],
  [90, "in 1 minute", "0s"],
])("%d seconds from now is %s", (seconds, long, brief) => {
  expect(relative(NOW + seconds * 1000, NOW)).toBe(long);
  expect(short(NOW + seconds * 1000, NOW)).toBe(brief);
});

test.each([
  [0, "0s"],
  [59.6, "1m"],
  [61, "1m 1s"],
  [3_600, "1h"],
  [3_605, "1h"],
  [93_600, "1d 2h"],
  [86_460, "1d"],
])("%d seconds last %s", (seconds, text) => {
  expect(duration(seconds)).toBe(text);
});

test("a moment survives the field in which a person edits it, to the second", () => {
  const next = random(2);
  for (let round = 0; round < 500; round += 1) {
    const moment = Math.floor(next() * 2e9) * 1000;
    expect(fromInput(toInput(moment))).toBe(utc(moment));
  }
});

test.each(["", "yesterday", "2026-13-01T00:00:00"])("%j is not a moment", (text) => {
  expect(fromInput(text)).toBe("");
});

test.each([null, undefined, "", "unknown"])("an unknown time is not a number: %j", (text) => {
  expect(millis(text)).toBeNaN();
});

test("local time is that of the zone, and UTC is exact", () => {
  expect(local(NOW, "Asia/Kolkata")).toBe("1 Dec 2026, 17:30:00");
  expect(utc(NOW)).toBe("2026-12-01T12:00:00Z");
});
