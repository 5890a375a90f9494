// A list of gates, each with what it says.

import type { Verdict } from "../model/verdicts";
import { texts } from "../texts";
import { Moment, State } from "./basics";

/** `said`: a sentence that stands beside the list already. */
export function Verdicts({ verdicts, said }: { verdicts: readonly Verdict[]; said?: string }) {
  return (
    <ul class="verdicts" aria-label={texts.dialog.verdicts}>
      {verdicts.map((one) => (
        <li key={one.gate}>
          <State kind={kindOf(one)}>
            <code>{one.gate}</code> {one.allowed ? texts.dialog.verdictAllows : one.enforced ? texts.dialog.verdictRefuses : texts.dialog.verdictWarns}
          </State>
          {one.message && one.message !== said && <p>{one.message}</p>}
          {!one.allowed && one.opensAt && (
            <p class="quiet">
              {texts.dialog.opensAt} <Moment at={one.opensAt} />
            </p>
          )}
        </li>
      ))}
    </ul>
  );
}

function kindOf(one: Verdict): "good" | "closed" | "warn" {
  if (one.allowed) return "good";
  return one.enforced ? "closed" : "warn";
}
