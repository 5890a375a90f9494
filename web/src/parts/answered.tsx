// A view's data: waited for, refused, or there. What is there stays when a later attempt fails.

import type { ComponentChildren } from "preact";

import type { Asked } from "../state/answer";
import { texts } from "../texts";
import { Refusal, Waiting } from "./basics";

/** No answer, and a facade without its cluster: the bar above every view says so, and from when the data is. */
const BY_THE_BAR: ReadonlySet<number> = new Set([0, 503]);

export function Answered<T>({ asked, children }: { asked: Asked<T>; children: (data: T) => ComponentChildren }) {
  if (asked.data !== null) {
    return (
      <>
        {asked.failure && !BY_THE_BAR.has(asked.failure.status) && <Refusal failure={asked.failure} title={texts.errors.failed} again={asked.again} />}
        {children(asked.data)}
      </>
    );
  }
  if (asked.failure) return <Refusal failure={asked.failure} title={texts.errors.failed} again={asked.again} />;
  return <Waiting />;
}
