// The present, as views show it: it moves every 10 seconds, so that "5 s ago" does not stay.

import { signal } from "@preact/signals";

export const now = signal(Date.now());

setInterval(() => {
  now.value = Date.now();
}, 10_000);
