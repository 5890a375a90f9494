// The matrix apps × environments, as it is drawn and filtered.

import { byName } from "./changes";
import { matching } from "./filter";

export interface Protection {
  /** Name of the environment in which it has to have run; null: none. */
  from: string | null;
  soak: string | null;
  /** How many people have to say yes. */
  approvals: number;
  /** It only warns. */
  warns: boolean;
}

export interface Column {
  slug: string;
  name: string;
  deleting: boolean;
  /** Null: the caller may not see what is active there. */
  visible: boolean;
  /** Name of the environment from which releases come; null without one. */
  before: string | null;
  /** What is asked of a release before it may enter; null: nothing. */
  protection: Protection | null;
  locked: { reason: string; by: string } | null;
  /** Freezes that are closed now. */
  closed: readonly { gate: string; reason: string; warns: boolean; opensAt: string | null }[];
}

export interface Cell {
  /** Null: nothing is active here, but something is in the environment before, or was here. */
  release: string | null;
  since: string | null;
  by: string | null;
  line: string | null;
  recorded: boolean;
  /** Of the rollout; null where nothing follows the app. */
  phase: string | null;
  distance: Distance | null;
}

/** How a release stands to that of the environment before. */
export interface Distance {
  /** `same`, `behind`, `ahead`, `different`, `missing`, `only_here`, or what a later version of the API says. */
  relation: string;
  changes: number | null;
  since: string | null;
}

export interface Row {
  app: string;
  cells: readonly (Cell | null)[];
  /** What the filter looks at: lower case. */
  text: string;
}

export interface Grid {
  columns: readonly Column[];
  rows: readonly Row[];
}

/** A row with the text that it is found by. */
export function row(app: string, cells: readonly (Cell | null)[]): Row {
  const texts = [app, ...cells.flatMap((cell) => (cell ? [cell.release ?? "", cell.by ?? ""] : []))];
  return { app, cells, text: texts.join(" ").toLowerCase() };
}

/** Since when the oldest change is there that the operator has not recorded yet; null: it has recorded all. */
export function waitingSince(rows: readonly Row[]): string | null {
  const found = rows.flatMap((one) => one.cells.flatMap((cell) => (cell && !cell.recorded && cell.since ? [cell.since] : [])));
  return found.sort()[0] ?? null;
}

/** How many cells show a change that the operator has not recorded yet. */
export function unrecorded(rows: readonly Row[]): number {
  return rows.reduce((count, one) => count + one.cells.filter((cell) => cell && !cell.recorded).length, 0);
}

/** Letters of code are as wide as this, and others at most about as wide as that, in rem. */
const CODE_REM = 0.52;
const LETTER_REM = 0.47;
const PADDING_REM = 1.75;
const NARROWEST_REM = 9.5;
const WIDEST_REM = 16;

/**
 * How wide a column has to be for its cells and names to be read whole, in rem. All columns are equally wide, and their
 * width does not depend on what is drawn at the moment: so nothing moves while one scrolls or types.
 */
export function roomOf(grid: Grid): number {
  let widest = 0;
  for (const column of grid.columns) widest = Math.max(widest, column.name.length * LETTER_REM);
  for (const one of grid.rows) {
    for (const cell of one.cells) if (cell) widest = Math.max(widest, roomOfCell(cell));
    if (widest + PADDING_REM >= WIDEST_REM) break;
  }
  return Math.min(WIDEST_REM, Math.max(NARROWEST_REM, widest + PADDING_REM));
}

function roomOfCell(cell: Cell): number {
  const sign = cell.distance && cell.distance.relation !== "same" ? 1 + String(cell.distance.changes ?? "").length : 0;
  const state = cell.phase !== null && cell.phase !== "Healthy" ? 2.5 + cell.phase.length * LETTER_REM : 0;
  const above = (cell.release?.length ?? 0) * CODE_REM + sign + state;
  return Math.max(above, (4 + (cell.by?.length ?? 0)) * LETTER_REM);
}

/** Rows in the order of their names. */
export function inOrder(rows: readonly Row[]): Row[] {
  return [...rows].sort((one, other) => byName(one.app, other.app));
}

/** Rows that a filter leaves. */
export function filtered(rows: readonly Row[], filter: string, onlyDifferent: boolean): readonly Row[] {
  const found = matching(rows, filter, (one) => one.text);
  return onlyDifferent ? found.filter(differs) : found;
}

/** Whether an app has not the same release in every environment. Where nothing is active counts as different. */
export function differs(one: Row): boolean {
  return new Set(one.cells.map((cell) => cell?.release ?? "")).size > 1;
}

/** Environments in the order in which releases go through them: each after the one that it takes releases from. */
export function inPromotionOrder<T extends { slug: string; before: string | null }>(columns: readonly T[]): T[] {
  const known = new Set(columns.map((one) => one.slug));
  const after = (slug: string | null): T[] => columns.filter((one) => (known.has(one.before ?? "") ? one.before : null) === slug);
  const seen = new Set<string>();
  const walk = (slug: string | null): T[] =>
    after(slug).flatMap((one) => {
      if (seen.has(one.slug)) return [];
      seen.add(one.slug);
      return [one, ...walk(one.slug)];
    });
  const found = walk(null);
  // Environments that take releases from each other in a circle begin nowhere.
  return [...found, ...columns.filter((one) => !seen.has(one.slug))];
}

const USUAL = [/^dev/, /^(test|qa|int)/, /^(stag|uat|pre)/, /^(prod|live)/];

/** The usual order of environments with usual names, from development to production; [] when fewer than two have one. */
export function usualOrder(slugs: readonly string[]): string[] {
  const rank = (slug: string): number => USUAL.findIndex((one) => one.test(slug));
  const usual = slugs.filter((slug) => rank(slug) >= 0).sort((one, other) => rank(one) - rank(other) || byName(one, other));
  return usual.length < 2 ? [] : usual;
}
