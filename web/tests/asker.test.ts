import { afterEach, beforeEach, expect, test, vi } from "vitest";

import type { Answer } from "../src/api/client";
import { Asker } from "../src/state/asker";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const good = (data: string): Answer<unknown> => ({ ok: true, status: 200, data, age: null });
const bad = (status: number, reason = ""): Answer<unknown> => ({ ok: false, failure: { status, reason, message: "", details: {}, problems: [] } });

/** An asker whose questions wait for the test to answer them. */
function asked() {
  const told: Answer<unknown>[] = [];
  const open: { answer: (answer: Answer<unknown>) => Promise<void>; signal: AbortSignal }[] = [];
  const asker = new Asker(
    (signal) =>
      new Promise((done) => {
        open.push({ signal, answer: async (answer) => {
          done(answer);
          await vi.advanceTimersByTimeAsync(0);
        } });
      }),
    (answer) => told.push(answer),
  );
  asker.ask();
  return { asker, open, told };
}

test("news does not throw away an answer that is under way, and is asked for after it, once", async () => {
  const { asker, open, told } = asked();
  for (let news = 0; news < 5; news += 1) asker.ask();
  expect(open).toHaveLength(1);
  expect(open[0]?.signal.aborted).toBe(false);
  await open[0]?.answer(good("old"));
  expect(open).toHaveLength(2);
  await open[1]?.answer(good("new"));
  expect(told).toEqual([good("old"), good("new")]);
  expect(open).toHaveLength(2);
});

test("an answer that does not come is waited for ten seconds, when there is news", async () => {
  const { asker, open, told } = asked();
  await vi.advanceTimersByTimeAsync(10_000);
  asker.ask();
  expect(open[0]?.signal.aborted).toBe(true);
  await open[0]?.answer(good("late"));
  await open[1]?.answer(good("now"));
  expect(told).toEqual([good("now")]);
});

test("what passes is asked again later, what is refused is not", async () => {
  for (const [answer, millis] of [[bad(0), 5_000], [bad(429), 5_000], [bad(503), 5_000], [bad(503, "Busy"), 1_000]] as const) {
    const { asker, open } = asked();
    await open[0]?.answer(answer);
    await vi.advanceTimersByTimeAsync(millis - 1);
    expect(open).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(open).toHaveLength(2);
    asker.stop();
  }
  const { open, told } = asked();
  await open[0]?.answer(bad(403));
  await vi.advanceTimersByTimeAsync(60_000);
  expect(open).toHaveLength(1);
  expect(told).toEqual([bad(403)]);
});

test("that the facade is busy is not told, and nothing is told after the end", async () => {
  const { asker, open, told } = asked();
  await open[0]?.answer(bad(503, "Busy"));
  expect(told).toEqual([]);
  await vi.advanceTimersByTimeAsync(1_000);
  asker.stop();
  await open[1]?.answer(good("late"));
  await vi.advanceTimersByTimeAsync(60_000);
  expect(told).toEqual([]);
  expect(open).toHaveLength(2);
});
