// The one place that speaks to the facade. Paths, parameters and answers have the types of docs/openapi.json.

import type { components, paths } from "./document";

export type Schemas = components["schemas"];

/** Why the facade did not do what was asked, in its own words. */
export interface Failure {
  /** HTTP status; 0 when no answer came. */
  status: number;
  /** `details.reason`, else the code of the error. */
  reason: string;
  message: string;
  details: Readonly<Record<string, unknown>>;
  /** What is wrong with single fields of the request (422). */
  problems: readonly { field: string; message: string }[];
}

export type Answer<T> =
  | {
      ok: true;
      status: number;
      data: T;
      /** Seconds since the facade heard of the cluster; null while it hears of it. */
      age: number | null;
      /** When an operator worked last, if none does now. */
      stoppedAt?: string | null;
    }
  | { ok: false; failure: Failure };

type Method = "get" | "post" | "put" | "delete";
type JsonOf<R> = R extends { content: { "application/json": infer T } } ? T : never;
type Success<O> = O extends { responses: infer R }
  ? R extends { 200: infer A }
    ? JsonOf<A>
    : R extends { 201: infer B }
      ? JsonOf<B>
      : never
  : never;
type BodyOf<O> = O extends { requestBody?: infer R } ? (NonNullable<R> extends { content: { "application/json": infer B } } ? Partial<B> : undefined) : undefined;

/** Paths of the document that have this method. */
export type PathsWith<M extends Method> = {
  [P in keyof paths]: paths[P] extends Record<M, { responses: unknown }> ? P : never;
}[keyof paths];
export type Operation<P extends keyof paths, M extends Method> = M extends keyof paths[P] ? paths[P][M] : never;
export type Reply<P extends keyof paths, M extends Method> = Success<Operation<P, M>>;

export type Query = Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>;

export interface Options<B> {
  path?: Readonly<Record<string, string>>;
  query?: Query;
  body?: B;
  headers?: Readonly<Record<string, string>>;
  signal?: AbortSignal;
}

// Reads after a write show it whichever replica answers: the facade says what version it wrote, and waits for it.
const written = new Map<string, number>();

/** Send one request. Never throws but for an abort: no answer at all is a failure with status 0. */
export async function send<M extends Method, P extends PathsWith<M>>(
  method: M,
  path: P,
  options: Options<BodyOf<Operation<P, M>>> = {},
): Promise<Answer<Reply<P, M>>> {
  const url = address(String(path), options.path ?? {}, options.query ?? {});
  const headers: Record<string, string> = { Accept: "application/json", ...options.headers };
  if (written.size) headers["X-Resource-Version"] = [...written].map(([kind, at]) => `${kind}=${at}`).join(",");
  // Nothing of the browser's cache: it would put headers of older answers, such as Age, on an answer that lacks them.
  const init: RequestInit = { method: method.toUpperCase(), headers, credentials: "same-origin", cache: "no-store" };
  const before = method === "get" ? kept.get(url) : undefined;
  if (before) headers["If-None-Match"] = before.tag;
  if (options.body !== undefined) {
    headers["Content-Type"] = "application/json";
    init.body = JSON.stringify(options.body);
  }
  if (options.signal) init.signal = options.signal;
  return answerOf<Reply<P, M>>(() => fetch(url, init), method === "get" ? url : null, before);
}

/** What a login takes: a token, or the code of a link. */
export type Credential = { token: string } | { code: string };

/** The login and logout of the page, which are not part of the API. */
export async function session(method: "POST" | "DELETE", credential?: Credential): Promise<Answer<unknown>> {
  const headers: Record<string, string> = { Accept: "application/json", "Content-Type": "application/json" };
  const body = credential ? { body: JSON.stringify(credential) } : {};
  return answerOf(() => fetch("/session", { method, headers, credentials: "same-origin", ...body }));
}

/** Answers that are kept: those of the views between which somebody goes back and forth. */
const MOST_KEPT = 16;
// By address, with their tags: what has not changed is neither read nor drawn again.
const kept = new Map<string, Kept>();

interface Kept {
  tag: string;
  data: unknown;
}

/** The answer of a request; `url` if it may be kept, `before`: what the facade may say is still so. */
async function answerOf<T>(ask: () => Promise<Response>, url: string | null = null, before?: Kept): Promise<Answer<T>> {
  let response: Response;
  try {
    response = await ask();
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    return { ok: false, failure: unreachable() };
  }
  remember(response.headers.get("X-Resource-Version"));
  const seconds = response.headers.get("Age");
  const heard = { status: response.status, age: seconds === null ? null : Number(seconds), stoppedAt: response.headers.get("X-Recording-Stopped-At") };
  const tag = response.headers.get("ETag");
  // A proxy may have asked the facade without our tag.
  if (before && (response.status === 304 || (response.ok && tag === before.tag))) {
    void response.body?.cancel().catch(() => undefined);
    return { ok: true, ...heard, data: before.data as T };
  }
  const body: unknown = await response.json().catch(() => null);
  if (!response.ok) return { ok: false, failure: failureOf(response.status, body) };
  if (url !== null && tag !== null) keep(url, { tag, data: body });
  return { ok: true, ...heard, data: body as T };
}

function keep(url: string, answer: Kept): void {
  kept.delete(url);
  kept.set(url, answer);
  for (const oldest of kept.keys()) {
    if (kept.size <= MOST_KEPT) break;
    kept.delete(oldest);
  }
}

/** Fill the names of a path and add the query; empty values of the query are left out. */
export function address(path: string, names: Readonly<Record<string, string>>, query: Query): string {
  const filled = path.replace(/\{(\w+)\}/g, (_all, name: string) => encodeURIComponent(names[name] ?? ""));
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value === undefined || value === "") continue;
    for (const one of Array.isArray(value) ? value : [value]) search.append(name, String(one));
  }
  const text = search.toString();
  return text ? `${filled}?${text}` : filled;
}

function remember(header: string | null): void {
  for (const part of header?.split(",") ?? []) {
    const [kind, at] = part.trim().split("=");
    const version = Number(at);
    if (kind && Number.isSafeInteger(version)) written.set(kind, Math.max(version, written.get(kind) ?? 0));
  }
}

function unreachable(): Failure {
  return { status: 0, reason: "Unreachable", message: "", details: {}, problems: [] };
}

/** The failure that an error body describes; bodies of proxies that are none of ours become one, too. */
export function failureOf(status: number, body: unknown): Failure {
  const found = isObject(body) ? body : {};
  const details = isObject(found.details) ? found.details : {};
  const problems = Array.isArray(found.detail) ? found.detail.filter(isObject).map(problemOf) : [];
  const code = typeof found.error === "string" ? found.error : `HTTP ${status}`;
  const reason = typeof details.reason === "string" ? details.reason : code;
  const message = typeof found.message === "string" ? found.message : "";
  return { status, reason, message, details, problems };
}

function problemOf(problem: Record<string, unknown>): { field: string; message: string } {
  const place = Array.isArray(problem.loc) ? problem.loc.slice(1).map(String) : [];
  return { field: place.join("."), message: typeof problem.msg === "string" ? problem.msg : "" };
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
