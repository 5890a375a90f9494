// What a line of history says, in words that do not depend on where it is shown.

import type { Schemas } from "../api/client";

export type Line = Schemas["HistoryLine"];
/** A line of an environment or of a workspace. */
export type AnyLine = Line | Schemas["WorkspaceHistoryLine"];
export type Action = Line["action"];

/** The release that is active after a change; null when the app was taken out. */
export function after(line: Pick<Line, "removed" | "release_id">): string | null {
  return line.removed ? null : line.release_id;
}

const NAMES = new Intl.Collator("en", { numeric: true });

/** The order of names: numbers in them count as numbers. */
export function byName(one: string, other: string): number {
  return NAMES.compare(one, other);
}

/** Time of the oldest of these changes that the operator has not recorded yet; null: it has recorded all. */
export function unrecordedSince(lines: readonly Pick<AnyLine, "recorded" | "deployed_at">[]): string | null {
  return lines.flatMap((line) => (line.recorded ? [] : [line.deployed_at])).sort()[0] ?? null;
}
