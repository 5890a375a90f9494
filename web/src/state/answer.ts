// A question of a view, asked again whenever there is news, with what was answered last still shown meanwhile.

import { useEffect, useRef, useState } from "preact/hooks";

import type { Answer, Failure } from "../api/client";
import { tick } from "./clock";
import { pulse } from "./live";
import { heard, isBusy } from "./session";

/** How long to wait before a question is asked again of a facade that is busy, or that failed for a reason that passes. */
const BUSY_MILLIS = 1_000;
const PASSING_MILLIS = 5_000;
/** No answer, too many requests, and no connection to the cluster. */
const PASSING: ReadonlySet<number> = new Set([0, 429, 503]);

export interface Asked<T> {
  /** The last good answer to this question. */
  data: T | null;
  /** Why the last attempt failed; null when it did not. */
  failure: Failure | null;
  again: () => void;
}

/** The answer to a question. `key` names the question: another key is another question, and forgets the answer. */
export function useAnswer<T>(key: string, ask: (signal: AbortSignal) => Promise<Answer<T>>): Asked<T> {
  const [state, setState] = useState<{ key: string; data: T | null; failure: Failure | null }>({ key, data: null, failure: null });
  const [attempt, setAttempt] = useState(0);
  const asking = useRef(ask);
  asking.current = ask;
  const news = pulse.value;
  useEffect(() => {
    const control = new AbortController();
    let later = 0;
    const askLater = (millis: number): void => {
      later = window.setTimeout(() => setAttempt((before) => before + 1), millis);
    };
    asking
      .current(control.signal)
      .then(heard)
      .then((answer) => {
        if (control.signal.aborted) return;
        tick();
        // The facade may still work on a question that news has made us ask twice: that is not a failure to tell.
        if (!answer.ok && isBusy(answer.failure)) return askLater(BUSY_MILLIS);
        if (!answer.ok && PASSING.has(answer.failure.status)) askLater(PASSING_MILLIS);
        setState((before) =>
          answer.ok
            ? { key, data: answer.data, failure: null }
            : { key, data: before.key === key ? before.data : null, failure: answer.failure },
        );
      })
      .catch((error: unknown) => {
        if (!control.signal.aborted) throw error;
      });
    return () => {
      control.abort();
      clearTimeout(later);
    };
  }, [key, attempt, news]);
  const current = state.key === key;
  return {
    data: current ? state.data : null,
    failure: current ? state.failure : null,
    again: () => setAttempt((before) => before + 1),
  };
}
