// A history that is read page by page, the newest page again whenever there is news.

import { useState } from "preact/hooks";

import type { Answer, Failure } from "../api/client";
import { unrecordedSince, type AnyLine } from "../model/changes";
import { joined } from "../model/pages";
import type { Place } from "../model/route";
import { useAnswer } from "../state/answer";
import { heard } from "../state/session";
import { texts } from "../texts";
import { Answered } from "./answered";
import { Empty, Refusal, Unrecorded } from "./basics";
import { Lines } from "./lines";

export interface Page<L> {
  deployments: L[];
  /** How many lines match in all, where the facade counts them. */
  matching?: number;
  next_cursor: string | null;
}

interface Props<L extends AnyLine> {
  at: Place;
  /** Names the question. */
  name: string;
  ask: (cursor: string | undefined, signal: AbortSignal | undefined) => Promise<Answer<Page<L>>>;
  environmentOf: (line: L) => string;
  hide?: readonly ("app" | "environment")[];
  empty: string;
  emptyHint?: string;
}

export function History<L extends AnyLine>(props: Props<L>) {
  const asked = useAnswer(props.name, (signal) => props.ask(undefined, signal));
  const [older, setOlder] = useState<{ name: string; lines: L[]; cursor: string | null } | null>(null);
  const [failure, setFailure] = useState<Failure | null>(null);
  const kept = older?.name === props.name ? older : null;
  const more = async (first: Page<L>): Promise<void> => {
    const answer = heard(await props.ask(kept?.cursor ?? first.next_cursor ?? undefined, undefined));
    setFailure(answer.ok ? null : answer.failure);
    if (answer.ok) setOlder({ name: props.name, lines: [...joined(first.deployments, kept?.lines ?? []), ...answer.data.deployments], cursor: answer.data.next_cursor });
  };
  return (
    <Answered asked={asked}>
      {(first) => {
        const lines = joined(first.deployments, kept?.lines ?? []);
        if (!lines.length) return <Empty title={props.empty} {...(props.emptyHint ? { hint: props.emptyHint } : {})} />;
        return (
          <>
            {first.matching !== undefined && <p class="quiet total">{texts.history.total(first.matching)}</p>}
            <Unrecorded since={unrecordedSince(first.deployments)} />
            <Lines at={props.at} lines={lines} environmentOf={props.environmentOf} {...(props.hide ? { hide: props.hide } : {})} />
            {failure && <Refusal failure={failure} title={texts.errors.failed} />}
            {(kept ? kept.cursor : first.next_cursor) !== null && (
              <button type="button" class="older" onClick={() => void more(first)}>
                {texts.history.more}
              </button>
            )}
          </>
        );
      }}
    </Answered>
  );
}
