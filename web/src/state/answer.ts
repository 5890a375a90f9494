// A question of a view, asked again whenever there is news, with what was answered last still shown meanwhile.

import { useEffect, useRef, useState } from "preact/hooks";

import type { Answer, Failure } from "../api/client";
import { Asker } from "./asker";
import { tick } from "./clock";
import { pulse } from "./live";
import { heard } from "./session";

export interface Asked<T> {
  /** The last good answer to this question. */
  data: T | null;
  /** Why the last attempt failed; null when it did not. */
  failure: Failure | null;
  again: () => void;
}

/** The answer to a question. `key` names the question: another key is another question, and forgets the answer. */
export function useAnswer<T>(key: string, ask: (signal: AbortSignal) => Promise<Answer<T>>): Asked<T> {
  const [state, setState] = useState<Known<T>>({ key, data: null, failure: null });
  const [attempt, setAttempt] = useState(0);
  const asking = useRef(ask);
  asking.current = ask;
  const asker = useRef<Asker | null>(null);
  useEffect(() => {
    const one = new Asker(
      (signal) => asking.current(signal).then(heard),
      (answer) => {
        tick();
        setState((before) => after(before, key, answer as Answer<T>));
      },
    );
    asker.current = one;
    one.ask();
    return () => one.stop();
  }, [key, attempt]);
  const news = pulse.value;
  const known = useRef(news);
  useEffect(() => {
    if (known.current !== news) asker.current?.ask();
    known.current = news;
  }, [news]);
  const current = state.key === key;
  return {
    data: current ? state.data : null,
    failure: current ? state.failure : null,
    again: () => setAttempt((before) => before + 1),
  };
}

interface Known<T> {
  key: string;
  data: T | null;
  failure: Failure | null;
}

/** What is known after an answer. The same object if that is what was known before: then nothing is drawn again. */
function after<T>(before: Known<T>, key: string, answer: Answer<T>): Known<T> {
  const data = before.key === key ? before.data : null;
  if (!answer.ok) return { key, data, failure: answer.failure };
  return before.key === key && data === answer.data && before.failure === null ? before : { key, data: answer.data, failure: null };
}
