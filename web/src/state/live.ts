// News of the workspace that is open. An event says only that something changed; the views then ask for what they show.

import { signal } from "@preact/signals";

import { address } from "../api/client";
import type { Place } from "../model/route";

/** Grows whenever the views should ask again. */
export const pulse = signal(0);
/** Whether events arrive. Without them the views ask every 15 seconds. */
export const live = signal(false);

const SETTLE_MILLIS = 150;
const POLL_MILLIS = 15_000;
/** How long to wait before a stream that the server has closed for good is asked for again. */
const REOPEN_MILLIS = 5_000;

let source: EventSource | null = null;
let reopen = 0;
let settle = 0;

setInterval(() => {
  if (!live.value && document.visibilityState === "visible") pulse.value += 1;
}, POLL_MILLIS);

document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible") pulse.value += 1;
});

/** Ask again soon; many events within a moment are answered by one question. */
export function refresh(): void {
  clearTimeout(settle);
  settle = window.setTimeout(() => {
    pulse.value += 1;
  }, SETTLE_MILLIS);
}

/** Follow the events of a workspace, and of no other. */
export function follow(at: Place | null): void {
  source?.close();
  clearTimeout(reopen);
  source = null;
  live.value = false;
  if (at) open(at);
}

function open(at: Place): void {
  const names = { org_id: at.org, workspace_id: at.workspace };
  const stream = new EventSource(address(PATH, names, {}));
  source = stream;
  stream.onopen = () => {
    live.value = true;
    refresh(); // What happened between the first question and now would be missed otherwise.
  };
  for (const name of EVENTS) stream.addEventListener(name, refresh);
  // The rights are gone: the views ask once more, and say so.
  stream.addEventListener("end", () => {
    stream.close();
    live.value = false;
    refresh();
  });
  stream.onerror = () => {
    live.value = false;
    // The browser reopens a broken stream itself, with the id of the last event. It does not after a refusal.
    if (stream.readyState === EventSource.CLOSED && source === stream) reopen = window.setTimeout(() => open(at), REOPEN_MILLIS);
  };
}

const PATH = "/v1/orgs/{org_id}/workspaces/{workspace_id}/events";
const EVENTS = ["change", "environment", "environment_gone", "reset"];
