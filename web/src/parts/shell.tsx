// What stands around every view: the bar with the places, who is logged in, and whether what is shown is fresh.

import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";

import { local, millis } from "../model/moments";
import { href, type Place, type Route } from "../model/route";
import { live } from "../state/live";
import { route } from "../state/router";
import { logOut, lostSince, me, offline, staleFor, stoppedAt } from "../state/session";
import { texts } from "../texts";
import { Link, Mark } from "./basics";

export function Shell({ children }: { children: ComponentChildren }) {
  const here = route.value;
  const at = "at" in here ? here.at : null;
  const content = useRef<HTMLElement>(null);
  useEffect(() => (content.current ? keepFocus(content.current) : undefined), []);
  return (
    <>
      <a class="skip" href="#content">
        {texts.skip}
      </a>
      <header class="top">
        <Link to={{ view: "workspaces" }} class="brand">
          <Mark />
          <span>{texts.product}</span>
        </Link>
        {at && <Where at={at} />}
        {at && <Places at={at} here={here} />}
        <Account inWorkspace={at !== null} />
      </header>
      <Freshness />
      <main id="content" tabIndex={-1} ref={content}>
        {children}
      </main>
    </>
  );
}

/**
 * When what has the focus goes away, such as the button of a lock that has been ended, the focus stays with the content:
 * otherwise those who go by keys would begin at the top of the page.
 */
function keepFocus(content: HTMLElement): () => void {
  let last: Element | null = null;
  const note = (event: FocusEvent): void => {
    last = event.target instanceof Element ? event.target : null;
  };
  const changes = new MutationObserver(() => {
    if (last === null || last.isConnected || document.activeElement !== document.body) return;
    last = null;
    content.focus({ preventScroll: true });
  });
  content.addEventListener("focusin", note);
  changes.observe(content, { childList: true, subtree: true });
  return () => {
    content.removeEventListener("focusin", note);
    changes.disconnect();
  };
}

function Where({ at }: { at: Place }) {
  return (
    <span class="where" title={`${at.org}/${at.workspace}`}>
      <span class="quiet">{at.org}/</span>
      {at.workspace}
    </span>
  );
}

function Places({ at, here }: { at: Place; here: Route }) {
  const places = [
    { label: texts.nav.matrix, to: { view: "matrix", at } },
    { label: texts.nav.history, to: { view: "history", at, query: {} } },
    { label: texts.nav.compare, to: { view: "compare", at, query: {} } },
    { label: texts.nav.numbers, to: { view: "numbers", at, query: {} } },
    { label: texts.nav.freezes, to: { view: "freezes", at } },
  ] as const;
  return (
    <nav class="places" aria-label={texts.product}>
      {places.map(({ label, to }) => (
        <Link key={label} to={to} current={to.view === here.view}>
          {label}
        </Link>
      ))}
    </nav>
  );
}

function Account({ inWorkspace }: { inWorkspace: boolean }) {
  const who = me.value?.username;
  // A stream that is open brings nothing while the facade itself hears nothing.
  const fresh = live.value && !offline.value && lostSince.value === null && !staleFor.value;
  return (
    <div class="account">
      {inWorkspace && (
        <span class={`live ${fresh ? "on" : "off"}`} title={fresh ? texts.live.onHint : texts.live.offHint}>
          {fresh ? texts.live.on : texts.live.off}
        </span>
      )}
      <a href="/docs" class="plain">
        {texts.nav.api}
      </a>
      {who && (
        <>
          <span class="who" title={`${texts.login.signedIn} ${who}`}>
            {who}
          </span>
          <button type="button" class="plain" onClick={() => void logOut()}>
            {texts.login.logout}
          </button>
        </>
      )}
    </div>
  );
}

function Freshness() {
  const seconds = staleFor.value;
  const lost = lostSince.value;
  const text = offline.value ? texts.offline : lost !== null ? texts.lost(local(lost)) : seconds !== null && seconds > 0 ? texts.stale(`${seconds} s`) : null;
  // Of a cluster that is away nobody knows whether it has an operator.
  const stopped = text === null && stoppedAt.value !== null ? texts.stopped(local(millis(stoppedAt.value))) : null;
  return (
    <div role="status" aria-live="polite">
      {text && <p class="banner">{text}</p>}
      {stopped && <p class="banner">{stopped}</p>}
    </div>
  );
}

/** The title of a view, with the way back above it. */
export function Heading({ title, up, children }: { title: ComponentChildren; up?: { to: Exclude<Route, { view: "nowhere" }>; label: string }[]; children?: ComponentChildren }) {
  return (
    <div class="heading">
      <div>
        {up && (
          <ol class="trail" aria-label="Breadcrumb">
            {up.map(({ to, label }) => (
              <li key={href(to)}>
                <Link to={to}>{label}</Link>
              </li>
            ))}
          </ol>
        )}
        <h1>{title}</h1>
      </div>
      {children && <div class="tools">{children}</div>}
    </div>
  );
}
