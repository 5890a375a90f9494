// What the gates say about a change.

import { isObject } from "../api/client";

export interface Verdict {
  gate: string;
  allowed: boolean;
  /** False: it only warns. */
  enforced: boolean;
  message: string;
  opensAt: string | null;
  overridable: boolean;
}

/** The verdicts of a 409, which stand in `details.gates`. */
export function refusing(details: Readonly<Record<string, unknown>>): Verdict[] {
  return Array.isArray(details.gates) ? verdicts(details.gates) : [];
}

/** Verdicts as the API writes them. Without the right to override, no gate can be. */
export function verdicts(items: readonly unknown[], mayOverride = true): Verdict[] {
  return items.filter(isObject).map((item) => ({
    gate: String(item.gate ?? ""),
    allowed: item.allowed === true,
    enforced: item.enforcement !== "Warn",
    message: typeof item.message === "string" ? item.message : "",
    opensAt: typeof item.opens_at === "string" ? item.opens_at : null,
    overridable: mayOverride && item.override === true,
  }));
}
