// Numbers over time, as bars. Pure: where each bar stands and what it says.

import type { Schemas } from "../api/client";
import { duration, millis } from "./moments";

export type Numbers = Schemas["DeliveryNumbers"];
export type Step = Schemas["NumbersStep"];

/** How a number is read off: what there was of it in one step, and how that is written. */
export interface Measure {
  name: "deployments" | "lead_time" | "time_to_healthy" | "change_failure_rate" | "time_to_restore" | "rework_rate";
  /** Null: it is not known. */
  of: (numbers: Numbers) => number | null;
  shown: (value: number) => string;
}

const percent = new Intl.NumberFormat("en", { style: "percent", maximumFractionDigits: 1 });

export const MEASURES: readonly Measure[] = [
  { name: "deployments", of: (numbers) => numbers.deployments, shown: String },
  { name: "lead_time", of: (numbers) => numbers.lead_time?.median_seconds ?? null, shown: duration },
  { name: "time_to_healthy", of: (numbers) => numbers.time_to_healthy?.median_seconds ?? null, shown: duration },
  { name: "change_failure_rate", of: (numbers) => numbers.change_failure_rate, shown: (value) => percent.format(value) },
  { name: "time_to_restore", of: (numbers) => numbers.time_to_restore?.median_seconds ?? null, shown: duration },
  { name: "rework_rate", of: (numbers) => numbers.rework_rate, shown: (value) => percent.format(value) },
];

export interface Bar {
  /** Place among the steps, from 0. */
  place: number;
  /** From 0 to 100, of the highest bar. A bar of 0 can still be seen. */
  height: number;
  value: number;
}

const LEAST = 3;

/** A bar for each step of which the number is known. */
export function bars(steps: readonly Step[], measure: Measure): Bar[] {
  const known = steps.flatMap((step, place) => {
    const value = measure.of(step.numbers);
    return value === null ? [] : [{ place, value }];
  });
  const most = highest(known);
  return known.map(({ place, value }) => ({ place, value, height: most > 0 ? Math.max(LEAST, (value / most) * 100) : LEAST }));
}

/** The highest value; 0 without any. */
export function highest(found: readonly { value: number }[]): number {
  return found.reduce((most, { value }) => Math.max(most, value), 0);
}

/** The days of a step, in the reader's zone: the first and, where it is another one, the last. */
export function days(step: Pick<Step, "since" | "until">, zone?: string): string {
  const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", ...(zone ? { timeZone: zone } : {}) });
  const [first, last] = [day.format(millis(step.since)), day.format(millis(step.until))];
  return first === last ? first : `${first} – ${last}`;
}
