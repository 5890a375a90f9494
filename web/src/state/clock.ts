// The present, as views show it: it moves every 10 seconds, so that "5 s ago" does not stay.

import { signal } from "@preact/signals";

export const now = signal(Date.now());

/** Move it to now. With every answer, so that what has just happened is not in the future. */
export function tick(): void {
  now.value = Date.now();
}

setInterval(tick, 10_000);
