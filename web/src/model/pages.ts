// Pages of a history that are read one after another while new lines come.

import type { AnyLine } from "./changes";

/** The newest page and the lines that were read before it, each once. Without a common line there may be a gap between
 * the two, and then only the newest page is shown. */
export function joined<L extends AnyLine>(newest: readonly L[], before: readonly L[]): readonly L[] {
  const known = new Set(newest.map((line) => line.deployment_id));
  const rest = before.filter((line) => !known.has(line.deployment_id));
  return rest.length === before.length ? newest : [...newest, ...rest];
}
