// A view's data: waited for, refused, or there. What is there stays when a later attempt fails.

import type { ComponentChildren } from "preact";

import type { Asked } from "../state/answer";
import { texts } from "../texts";
import { Refusal, Waiting } from "./basics";

export function Answered<T>({ asked, children }: { asked: Asked<T>; children: (data: T) => ComponentChildren }) {
  if (asked.data !== null) {
    return (
      <>
        {asked.failure && asked.failure.status !== 0 && <Refusal failure={asked.failure} title={texts.errors.failed} again={asked.again} />}
        {children(asked.data)}
      </>
    );
  }
  if (asked.failure) return <Refusal failure={asked.failure} title={texts.errors.failed} again={asked.again} />;
  return <Waiting />;
}
