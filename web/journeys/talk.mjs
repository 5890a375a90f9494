// The conversation with the test: it writes one line for each journey, and answers what a journey asks for.

import { createInterface } from "node:readline";

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

/** The next line that the test writes; null when it has no more. */
export async function heard() {
  const { value, done } = await lines.next();
  return done ? null : value;
}

/** Ask the test to do something that no browser can, and wait until it is done. */
export async function ask(deed) {
  console.log(`> ${deed}`);
  await heard();
}
