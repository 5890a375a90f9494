// The questions of the views, each in one place.

import { inOrder, inPromotionOrder, row, usualOrder, type Cell, type Column, type Grid } from "../model/grid";
import { utc } from "../model/moments";
import type { Place } from "../model/route";
import { verdicts, type Verdict } from "../model/verdicts";
import { send, type Answer, type Schemas } from "./client";

export type Environment = Schemas["EnvironmentReply"];
type HistoryPage = Schemas["HistoryPage"];

const WORKSPACE = "/v1/orgs/{org_id}/workspaces/{workspace_id}";
const BASE = `${WORKSPACE}/environments` as const;
const ONE = `${BASE}/{environment_id}` as const;

/** The names in the path of a workspace, and of what is in it. */
export function names(at: Place, rest: Readonly<Record<string, string>> = {}): Record<string, string> {
  return { org_id: at.org, workspace_id: at.workspace, ...rest };
}

export async function environments(at: Place, signal?: AbortSignal): Promise<Answer<Environment[]>> {
  const answer = await send("get", BASE, { path: names(at), ...(signal ? { signal } : {}) });
  return answer.ok ? { ...answer, data: answer.data.environments } : answer;
}

export async function environment(at: Place, id: string, when: string, signal?: AbortSignal): Promise<Answer<Environment>> {
  return send("get", ONE, { path: names(at, { environment_id: id }), query: { at: when }, ...(signal ? { signal } : {}) });
}

export interface Page {
  app_id?: string | undefined;
  cursor?: string | undefined;
  limit?: number | undefined;
}

export async function historyOf(at: Place, id: string, page: Page, signal?: AbortSignal): Promise<Answer<HistoryPage>> {
  const path = names(at, { environment_id: id });
  return send("get", `${ONE}/deployments`, { path, query: { ...page }, ...(signal ? { signal } : {}) });
}

/** One line of the history of an app in an environment, looked for from the newest on; null when it is not there. */
export async function lineOf(at: Place, id: string, app: string, line: string, signal?: AbortSignal): Promise<Answer<Schemas["HistoryLine"] | null>> {
  let cursor: string | undefined;
  for (;;) {
    const answer = await historyOf(at, id, { app_id: app, cursor, limit: 200 }, signal);
    if (!answer.ok) return answer;
    const found = answer.data.deployments.find((one) => one.deployment_id === line);
    if (found || answer.data.next_cursor === null) return { ...answer, data: found ?? null };
    cursor = answer.data.next_cursor;
  }
}

export interface Filter {
  app_id?: string | undefined;
  environment_id?: string | undefined;
  user?: string | undefined;
  action?: string | undefined;
  outcome?: string | undefined;
  since?: string | undefined;
  until?: string | undefined;
  cursor?: string | undefined;
  limit?: number | undefined;
}

/** The history of all environments, those that are gone, too. */
export async function historyOfWorkspace(at: Place, filter: Filter, signal?: AbortSignal): Promise<Answer<Schemas["WorkspaceHistoryPage"]>> {
  return send("get", `${WORKSPACE}/deployments`, { path: names(at), query: { ...filter }, ...(signal ? { signal } : {}) });
}

/** What every gate says of a change now; without an app of one that no Freeze names. */
export async function gatesOf(at: Place, id: string, change: { app_id?: string; release_id?: string }, signal?: AbortSignal): Promise<Answer<Verdict[]>> {
  const answer = await send("get", `${ONE}/gates`, { path: names(at, { environment_id: id }), query: change, ...(signal ? { signal } : {}) });
  return answer.ok ? { ...answer, data: verdicts(answer.data.gates, answer.data.may_override) } : answer;
}

/** The Approvals of an environment, and what may come next there. */
export async function approvalsOf(at: Place, id: string, app: string | undefined, signal?: AbortSignal): Promise<Answer<Schemas["ApprovalList"]>> {
  return send("get", `${ONE}/approvals`, { path: names(at, { environment_id: id }), query: { app_id: app }, ...(signal ? { signal } : {}) });
}

export async function freezes(at: Place, signal?: AbortSignal): Promise<Answer<Schemas["FreezeReply"][]>> {
  const answer = await send("get", `${WORKSPACE}/freezes`, { path: names(at), ...(signal ? { signal } : {}) });
  return answer.ok ? { ...answer, data: answer.data.freezes } : answer;
}

export interface Sides {
  from: string;
  to: string;
  from_at: string;
  to_at: string;
}

export async function comparison(at: Place, sides: Sides, signal?: AbortSignal): Promise<Answer<Schemas["Comparison"]>> {
  return send("get", `${WORKSPACE}/compare`, { path: names(at), query: { ...sides }, ...(signal ? { signal } : {}) });
}

/** The numbers of the last days and of each step in them; with an environment also of each app in it. */
export async function deliveryNumbers(at: Place, days: number, step: "day" | "week", environment: string, signal?: AbortSignal): Promise<Answer<Schemas["NumbersReply"]>> {
  const since = utc(Date.now() - days * 86_400_000);
  const query = { since, step, environment_id: environment || undefined };
  return send("get", `${WORKSPACE}/metrics/dora`, { path: names(at), query, ...(signal ? { signal } : {}) });
}

// Workspaces whose environments do not say where their releases come from: the order of their usual names.
const usual = new Map<string, string>();

export async function matrixOf(at: Place, signal?: AbortSignal): Promise<Answer<Grid>> {
  const place = `${at.org}/${at.workspace}`;
  const ask = (): Promise<Answer<Schemas["MatrixReply"]>> =>
    send("get", `${WORKSPACE}/matrix`, { path: names(at), query: { order: usual.get(place) }, ...(signal ? { signal } : {}) });
  let answer = await ask();
  if (answer.ok && !usual.has(place) && answer.data.environments.every((one) => one.before === null)) {
    const order = usualOrder(answer.data.environments.map((one) => one.slug));
    if (order.length) {
      usual.set(place, order.join());
      answer = await ask();
    }
  }
  return answer.ok ? { ...answer, data: drawn(answer.data) } : answer;
}

const grids = new WeakMap<Schemas["MatrixReply"], Grid>();

/** The grid of an answer; the same one for the same answer. */
function drawn(found: Schemas["MatrixReply"]): Grid {
  const before = grids.get(found);
  if (before) return before;
  const grid = gridOf(found);
  grids.set(found, grid);
  return grid;
}

/** The matrix as it is drawn. */
export function gridOf(found: Schemas["MatrixReply"]): Grid {
  const ordered = inPromotionOrder(found.environments);
  const titles = new Map(ordered.map((one) => [one.slug, one.name]));
  const columns = ordered.map((one) => columnOf(one, titles));
  const rows = (found.apps ?? []).map((app) => row(app, ordered.map((one) => cellOf(one.cells?.[app]))));
  return { columns, rows: inOrder(rows) };
}

function columnOf(one: Schemas["MatrixColumn"], titles: ReadonlyMap<string, string>): Column {
  return {
    slug: one.slug,
    name: one.name,
    deleting: one.deleting,
    visible: one.cells !== null,
    before: one.before === null ? null : (titles.get(one.before) ?? one.before),
    protection: one.protection && {
      from: one.protection.from === null ? null : (titles.get(one.protection.from) ?? one.protection.from),
      soak: one.protection.soak,
      approvals: one.protection.required_approvals,
      warns: one.protection.enforcement === "Warn",
    },
    locked: one.lock ? { reason: one.lock.reason, by: one.lock.locked_by } : null,
    closed: (one.closed ?? []).map((freeze) => ({ gate: freeze.gate, reason: freeze.reason, warns: freeze.enforcement === "Warn", opensAt: freeze.opens_at })),
  };
}

function cellOf(cell: Schemas["Cell"] | undefined): Cell | null {
  if (!cell) return null;
  const { release_id, since, by, deployment_id, recorded, phase, distance } = cell;
  return { release: release_id, since, by, line: deployment_id, recorded: recorded !== false, phase, distance };
}
