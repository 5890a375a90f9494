import { expect, test } from "vitest";

import { bars, days, MEASURES, type Numbers, type Step } from "../src/model/plots";
import { random } from "./random";

const NOTHING: Numbers = {
  deployments: 0,
  rollbacks: 0,
  undeploys: 0,
  failures: 0,
  deployments_per_day: 0,
  days_with_deployments: 0,
  lead_time: null,
  time_to_healthy: null,
  change_failure_rate: null,
  time_to_restore: null,
  rework_rate: null,
  unknown: {},
};

function step(day: number, numbers: Partial<Numbers>): Step {
  const at = (hours: number): string => new Date(Date.UTC(2026, 0, day, hours)).toISOString();
  return { since: at(0), until: at(24), numbers: { ...NOTHING, ...numbers } };
}

function measure(name: string) {
  const found = MEASURES.find((one) => one.name === name);
  if (!found) throw new Error(name);
  return found;
}

test("what is not known has no bar, and what is zero has one that can be seen", () => {
  const steps = [step(1, {}), step(2, { change_failure_rate: 0 }), step(3, { change_failure_rate: 0.5 })];
  const found = bars(steps, measure("change_failure_rate"));
  expect(found.map(({ place, value }) => [place, value])).toEqual([[1, 0], [2, 0.5]]);
  expect(found[0]?.height).toBeGreaterThan(0);
  expect(found[1]?.height).toBe(100);
  expect(bars(steps, measure("lead_time"))).toEqual([]);
});

test("bars stay in the plot, and a higher number never has a lower bar", () => {
  const next = random(9);
  for (let round = 0; round < 200; round += 1) {
    const steps = Array.from({ length: 1 + Math.floor(next() * 40) }, (_unused, day) => step(day, { deployments: Math.floor(next() ** 3 * 200) }));
    const found = bars(steps, measure("deployments")).sort((one, other) => one.value - other.value);
    expect(found.length).toBe(steps.length);
    for (const [place, one] of found.entries()) {
      expect(one.height).toBeGreaterThan(0);
      expect(one.height).toBeLessThanOrEqual(100);
      expect(one.height).toBeGreaterThanOrEqual(found[place - 1]?.height ?? 0);
    }
  }
});

test("every number is read off and written in its own way", () => {
  const spread = { median_seconds: 5_400, p90_seconds: 7_200, count: 3 };
  const numbers: Numbers = { ...NOTHING, deployments: 4, lead_time: spread, time_to_healthy: spread, change_failure_rate: 0.25, time_to_restore: spread, rework_rate: 0.5 };
  expect(MEASURES.map((one) => one.shown(one.of(numbers) ?? Number.NaN))).toEqual(["4", "1h 30m", "1h 30m", "25%", "1h 30m", "50%"]);
});

test("a step is named by its days", () => {
  expect(days({ since: "2026-01-30T00:00:00Z", until: "2026-02-06T00:00:00Z" }, "UTC")).toBe("30 Jan – 6 Feb");
  expect(days({ since: "2026-01-30T08:00:00Z", until: "2026-01-30T08:00:00Z" }, "UTC")).toBe("30 Jan");
});
