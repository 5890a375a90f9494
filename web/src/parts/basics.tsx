// The small parts that every view is made of.

import type { AnchorHTMLAttributes, ComponentChildren } from "preact";

import type { Failure } from "../api/client";
import { local, millis, relative, short, utc } from "../model/moments";
import { href, type Route } from "../model/route";
import { now } from "../state/clock";
import { go } from "../state/router";
import { stoppedAt } from "../state/session";
import { texts } from "../texts";

type LinkProps = Pick<AnchorHTMLAttributes<HTMLAnchorElement>, "class" | "title" | "aria-label"> & {
  to: Exclude<Route, { view: "nowhere" }>;
  children: ComponentChildren;
  current?: boolean;
};

/** A link inside the page. With a modifier key it is an ordinary link, so it opens in a new tab. */
export function Link({ to, children, current, ...rest }: LinkProps) {
  const follow = (event: MouseEvent): void => {
    if (event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    go(to);
  };
  return (
    <a {...rest} href={href(to)} onClick={follow} aria-current={current ? "page" : undefined}>
      {children}
    </a>
  );
}

/** A moment: how long ago in words, the local time beside it or on hover, and the exact UTC time on hover. */
export function Moment({ at, form = "relative" }: { at: string | null | undefined; form?: "relative" | "short" | "full" }) {
  const moment = millis(at);
  if (Number.isNaN(moment)) return <span class="quiet">{texts.none}</span>;
  const shown = form === "short" ? short(moment, now.value) : form === "full" ? local(moment) : relative(moment, now.value);
  return (
    <time dateTime={utc(moment)} title={form === "full" ? utc(moment) : `${local(moment)} · ${utc(moment)}`}>
      {shown}
    </time>
  );
}

/** A release, in the letters of code, because 0 and O are not the same there. */
export function Release({ id }: { id: string | null | undefined }) {
  return id ? (
    <code class="release" title={id}>
      {id}
    </code>
  ) : (
    <span class="quiet">{texts.matrix.nothing}</span>
  );
}

/** A state: a sign and a word, so that it is not told by colour alone. */
export function State({ kind, sign = kind, children, title }: { kind: "closed" | "warn" | "good" | "info"; sign?: keyof typeof SIGNS; children: ComponentChildren; title?: string }) {
  return (
    <span class={`state ${kind}`} title={title}>
      <Sign kind={sign} />
      {children}
    </span>
  );
}

/** What became of a release, where something follows it. */
export function Phase({ phase, message }: { phase: string | null | undefined; message?: string | null | undefined }) {
  if (!phase) return null;
  return (
    <State kind={PHASES[phase] ?? "info"} {...(phase === "Failed" ? { sign: "failed" as const } : {})} {...(message ? { title: message } : {})}>
      {texts.phases[phase] ?? phase}
    </State>
  );
}

const PHASES: Readonly<Record<string, "closed" | "warn" | "good" | "info">> = { Healthy: "good", Degraded: "warn", Failed: "closed" };

const SIGNS = {
  failed: "M3.4 2 8 6.6 12.6 2 14 3.4 9.4 8l4.6 4.6-1.4 1.4L8 9.4 3.4 14 2 12.6 6.6 8 2 3.4z",
  closed: "M4 7V5a4 4 0 0 1 8 0v2h1v7H3V7h1zm2 0h4V5a2 2 0 0 0-4 0v2z",
  warn: "M8 1.5 15 14H1L8 1.5zM7.2 6v4h1.6V6H7.2zm0 5v1.6h1.6V11H7.2z",
  good: "M6.2 12.4 2.3 8.5l1.4-1.4 2.5 2.5 6.1-6.1 1.4 1.4-7.5 7.5z",
  info: "M8 1a7 7 0 1 1 0 14A7 7 0 0 1 8 1zM7.2 4v1.7h1.6V4H7.2zm0 3v5h1.6V7H7.2z",
} as const;

export function Sign({ kind }: { kind: keyof typeof SIGNS }) {
  return (
    <svg class="sign" viewBox="0 0 16 16" width="12" height="12" aria-hidden="true" focusable="false">
      <path fill-rule="evenodd" d={SIGNS[kind]} />
    </svg>
  );
}

/** Why something is not there, in the facade's own words. */
export function Refusal({ failure, title, again }: { failure: Failure; title: string; again?: () => void }) {
  return (
    <div class="note closed" role="alert">
      <strong>{title}</strong>
      <FailureText failure={failure} />
      {again && (
        <button type="button" class="plain" onClick={again}>
          {texts.retry}
        </button>
      )}
    </div>
  );
}

/** The words of a failure: the message, and for a 422 each field. */
export function FailureText({ failure }: { failure: Failure }) {
  if (failure.status === 0) return <p>{texts.errors.unreachable}</p>;
  return (
    <>
      {failure.message && <p>{failure.message}</p>}
      {failure.problems.length > 0 && (
        <ul>
          {failure.problems.map((problem) => (
            <li key={problem.field + problem.message}>
              {problem.field && <code>{problem.field}</code>} {problem.message}
            </li>
          ))}
        </ul>
      )}
      <Needed details={failure.details} />
    </>
  );
}

function Needed({ details }: { details: Readonly<Record<string, unknown>> }) {
  const wanted = details.required_permission;
  return typeof wanted === "string" ? (
    <p class="quiet">
      {texts.errors.needed} <code>{wanted}</code>
    </p>
  ) : null;
}

/** How long a change may be without its record before that is worth a word, in milliseconds. */
const RECORDING_MILLIS = 30_000;

/** Says that nobody records the changes. Nothing is lost: they wait in their objects. */
export function Unrecorded({ since }: { since: string | null }) {
  // The bar above every view says it, too, when it is known.
  const late = stoppedAt.value === null && since !== null && now.value - millis(since) > RECORDING_MILLIS;
  return (
    <div role="status" aria-live="polite">
      {late && (
        <div class="note warn">
          <Sign kind="warn" /> {texts.unrecorded} <Moment at={since} />
        </div>
      )}
    </div>
  );
}

/** What stands where nothing is. `whole`: it is all that the view shows. */
export function Empty({ title, hint, whole, children }: { title: string; hint?: string; whole?: boolean; children?: ComponentChildren }) {
  return (
    <div class="empty">
      <Mark />
      {whole ? <h1>{title}</h1> : <h2>{title}</h2>}
      {hint && <p>{hint}</p>}
      {children}
    </div>
  );
}

/** The mark of the product: a bollard with a line around it. */
export function Mark() {
  return (
    <svg class="mark" viewBox="0 0 24 24" width="24" height="24" aria-hidden="true" focusable="false">
      <path d="M7 4.5A1.5 1.5 0 0 1 8.5 3h7A1.5 1.5 0 0 1 17 4.5V6a2 2 0 0 1-2 2v11h2.5v2h-11v-2H9V8a2 2 0 0 1-2-2z" />
      <path class="rope" d="M3 15.5c4-3.5 14 2.5 18-1.5M3 12c4-3.5 14 2.5 18-1.5" />
    </svg>
  );
}

/** Grey bars in the place of what is being asked for. */
export function Waiting({ rows = 6 }: { rows?: number }) {
  return (
    <div class="waiting" role="status">
      <span class="unseen">{texts.loading}</span>
      {Array.from({ length: rows }, (_unused, row) => (
        <span key={row} class="bar" aria-hidden="true" />
      ))}
    </div>
  );
}
