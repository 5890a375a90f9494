// Who is logged in, and what they may. Asked for, never guessed; and what is refused later is still refused.

import { computed, signal } from "@preact/signals";

import { send, session, type Answer, type Credential, type Failure, type Schemas } from "../api/client";
export type Me = Schemas["Me"];
import type { Place } from "../model/route";

/** null: not known yet. */
export const loggedIn = signal<boolean | null>(null);
export const me = signal<Me | null>(null);
/** No answer comes at present; what is shown stays. */
export const offline = signal(false);
/** Seconds for which the facade has not heard of the cluster; null while it hears of it. */
export const staleFor = signal<number | null>(null);

/** When the cluster was heard of last, while it does not answer the facade; null while it does. */
export const lostSince = signal<number | null>(null);
/** When an operator worked last, if none does now: changes are made, and wait to be recorded. */
export const stoppedAt = signal<string | null>(null);
let fresh = Date.now();

/** How often the session is asked for, in milliseconds: its answer brings what no event tells, such as an operator that stopped. */
const ASK_MILLIS = 20_000;

const granted = signal<ReadonlySet<string>>(new Set());
/** How often rights were asked for. */
let asked = 0;

/** Whether the caller may do something in the workspace that is open, by the id of the operation. */
export const may = computed(() => {
  const operations = granted.value;
  return (operation: string): boolean => operations.has(operation);
});

/** Whether the facade only asks to come again in a moment. */
export function isBusy(failure: Failure): boolean {
  return failure.status === 503 && failure.reason === "Busy";
}

/** Note what an answer tells about the session and the connection. Returns the answer. */
export function heard<T>(answer: Answer<T>): Answer<T> {
  if (answer.ok) {
    offline.value = false;
    staleFor.value = answer.age;
    stoppedAt.value = answer.stoppedAt ?? null;
    lostSince.value = null;
    fresh = Date.now() - (answer.age ?? 0) * 1000;
    return answer;
  }
  if (isBusy(answer.failure)) return answer;
  if (answer.failure.status === 503) lostSince.value = fresh;
  if (answer.failure.status === 401) loggedIn.value = false;
  offline.value = answer.failure.status === 0;
  return answer;
}

/** Ask who is logged in. */
export async function identify(): Promise<void> {
  const answer = heard(await send("get", "/v1/me"));
  if (!answer.ok) return;
  me.value = answer.data;
  loggedIn.value = true;
}

/** Whether the facade says that nobody is logged in here. */
export async function isStranger(): Promise<boolean> {
  const answer = await send("get", "/v1/me");
  return !answer.ok && answer.failure.status === 401;
}

/** Ask what the caller may do in a workspace. */
export async function askRights(at: Place): Promise<void> {
  granted.value = new Set();
  asked += 1;
  const mine = asked;
  const answer = heard(await send("get", "/v1/me", { query: { workspace: `${at.org}/${at.workspace}` } }));
  // An answer about a workspace that was left meanwhile says nothing of this one.
  if (!answer.ok || mine !== asked) return;
  const { operations } = answer.data;
  granted.value = new Set(Object.keys(operations).filter((name) => operations[name]));
}

/** Give a token, or the code of a link, to the facade, which keeps the token in a cookie. No variable holds it after this. */
export async function logIn(credential: Credential): Promise<Failure | null> {
  const answer = heard(await session("POST", credential));
  if (!answer.ok) return answer.failure;
  await identify();
  return null;
}

/** The code of a login link, which stands in the fragment: no server sees it, and it leaves the address at once. */
export function takeCode(): string | null {
  const code = new URLSearchParams(location.hash.slice(1)).get("login");
  if (code !== null) history.replaceState(null, "", location.pathname + location.search);
  return code;
}

export async function logOut(): Promise<void> {
  await session("DELETE");
  me.value = null;
  granted.value = new Set();
  loggedIn.value = false;
}

setInterval(() => {
  if (loggedIn.value && document.visibilityState === "visible") void identify();
}, ASK_MILLIS);
