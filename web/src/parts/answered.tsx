// A view's data: waited for, refused, or there. What is there stays when a later attempt fails.

import type { ComponentChildren } from "preact";

import type { Asked } from "../state/answer";
import { texts } from "../texts";
import { Refusal, Waiting } from "./basics";

/** No answer, and a facade without its cluster: the bar above every view says so, and from when the data is. */
const BY_THE_BAR: ReadonlySet<number> = new Set([0, 503]);

interface Props<T> {
  asked: Asked<T>;
  /** Stands above what is waited for or refused: a view whose title comes with its data has one without it, too. */
  head?: ComponentChildren;
  children: (data: T) => ComponentChildren;
}

export function Answered<T>({ asked, head, children }: Props<T>) {
  if (asked.data !== null) {
    return (
      <>
        {asked.failure && !BY_THE_BAR.has(asked.failure.status) && <Refusal failure={asked.failure} title={texts.errors.failed} again={asked.again} />}
        {children(asked.data)}
      </>
    );
  }
  return (
    <>
      {head}
      {asked.failure ? <Refusal failure={asked.failure} title={texts.errors.failed} again={asked.again} /> : <Waiting />}
    </>
  );
}
