// Apps × environments. Only the rows and columns that are seen are drawn, so that 500 apps in 20 environments stay fluid.

import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";

import { matrixOf } from "../api/questions";
import { filtered, roomOf, unrecorded, waitingSince, type Cell, type Column, type Distance, type Grid, type Row } from "../model/grid";
import type { Place } from "../model/route";
import { visible } from "../model/visible";
import { Answered } from "../parts/answered";
import { Empty, Link, Moment, Phase, Release, Sign, State, Unrecorded } from "../parts/basics";
import { Heading } from "../parts/shell";
import { useAnswer } from "../state/answer";
import { plural, texts } from "../texts";

/** Height of a row in CSS pixels at the usual text size; the style sheet has the same as 3.25rem. */
const ROW_REM = 3.25;

export function Matrix({ at }: { at: Place }) {
  const asked = useAnswer(`matrix ${at.org}/${at.workspace}`, (signal) => matrixOf(at, signal));
  return (
    <>
      <Heading title={texts.matrix.title} />
      <Answered asked={asked}>{(grid) => <Filtered at={at} grid={grid} />}</Answered>
    </>
  );
}

function Filtered({ at, grid }: { at: Place; grid: Grid }) {
  const [filter, setFilter] = useState("");
  const [onlyDifferent, setOnlyDifferent] = useState(false);
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => focusBySlash(field.current), []);
  const [waiting, since] = useMemo(() => [unrecorded(grid.rows), waitingSince(grid.rows)], [grid]);
  const room = useMemo(() => roomOf(grid), [grid]);
  const rows = useMemo(() => filtered(grid.rows, filter, onlyDifferent), [grid, filter, onlyDifferent]);
  if (!grid.columns.length) return <Empty title={texts.matrix.noEnvironments} hint={texts.matrix.noEnvironmentsHint} />;
  return (
    <>
      <div class="bar">
        <input ref={field} type="search" aria-label={texts.matrix.filter} placeholder={texts.matrix.filterHint} value={filter} onInput={(event) => setFilter(event.currentTarget.value)} />
        <label class="check">
          <input type="checkbox" checked={onlyDifferent} onChange={(event) => setOnlyDifferent(event.currentTarget.checked)} />
          {texts.matrix.onlyDifferent}
        </label>
        <span class="quiet" role="status">
          {texts.matrix.count(rows.length, grid.rows.length)}
          {grid.rows.length > 0 && ` · ${texts.matrix.recorded(waiting)}`}
        </span>
      </div>
      <Unrecorded since={since} />
      <Table at={at} columns={grid.columns} rows={rows} room={room} />
      {grid.columns.some((column) => column.before !== null) && rows.length > 0 && <Legend />}
      {!rows.length && <Nothing filter={filter} any={grid.rows.length > 0} clear={() => (setFilter(""), setOnlyDifferent(false))} />}
    </>
  );
}

function Nothing({ filter, any, clear }: { filter: string; any: boolean; clear: () => void }) {
  if (!any) return <Empty title={texts.matrix.empty} hint={texts.matrix.emptyHint} />;
  return (
    <Empty title={texts.matrix.noMatch(filter)}>
      <button type="button" onClick={clear}>
        {texts.matrix.clear}
      </button>
    </Empty>
  );
}

function focusBySlash(field: HTMLInputElement | null): () => void {
  const press = (event: KeyboardEvent): void => {
    const target = event.target as Element | null;
    if (event.key !== "/" || event.ctrlKey || event.metaKey || target?.closest("input, textarea, select, dialog")) return;
    event.preventDefault();
    field?.focus();
  };
  addEventListener("keydown", press);
  return () => removeEventListener("keydown", press);
}

function Table({ at, columns, rows, room }: { at: Place; columns: readonly Column[]; rows: readonly Row[]; room: number }) {
  const box = useRef<HTMLDivElement>(null);
  const [seen, setSeen] = useState(() => guessed(room));
  useLayoutEffect(() => {
    const element = box.current;
    if (!element) return;
    const measure = (): void => setSeen(measured(element));
    measure();
    const sizes = new ResizeObserver(measure);
    sizes.observe(element);
    element.addEventListener("scroll", measure, { passive: true });
    return () => {
      sizes.disconnect();
      element.removeEventListener("scroll", measure);
    };
  }, [columns.length, room]);
  const { first, end } = visible(seen.down, seen.height, seen.row, rows.length);
  const across = visible(seen.along, seen.width, seen.column, columns.length, 2);
  return (
    <div class="matrix" ref={box} tabIndex={0} role="region" aria-label={texts.matrix.title}>
      <table aria-rowcount={rows.length + 1} aria-colcount={columns.length + 1}>
        <colgroup>
          <col class="app" />
          <col span={columns.length} style={{ width: `${room}rem` }} />
        </colgroup>
        <thead>
          <tr aria-rowindex={1}>
            <th scope="col" aria-colindex={1}>
              {texts.matrix.app}
            </th>
            {columns.map((column, place) => (
              <ColumnHead key={column.slug} at={at} column={column} place={place} />
            ))}
          </tr>
        </thead>
        <tbody>
          <Gap height={first * seen.row} />
          {/* Rows are known by their place: another filter changes texts and creates few elements. */}
          {rows.slice(first, end).map((row, index) => (
            <Apps key={first + index} at={at} row={row} place={first + index} columns={columns} first={across.first} end={across.end} />
          ))}
          <Gap height={(rows.length - end) * seen.row} />
        </tbody>
      </table>
    </div>
  );
}

/** What of the table is seen: how far it is scrolled, how large its box is, and how large a row and a column are, in pixels. */
interface Seen {
  down: number;
  along: number;
  height: number;
  width: number;
  row: number;
  column: number;
}

/** Before anything is drawn: about what the style sheet will make of it, so that hardly anything is drawn twice. */
function guessed(room: number): Seen {
  return { down: 0, along: 0, height: Math.max(192, innerHeight - 208), width: innerWidth, row: ROW_REM * rem(), column: room * rem() };
}

function measured(box: HTMLElement): Seen {
  const [corner, column] = box.querySelectorAll("thead th");
  const covered = corner?.getBoundingClientRect().width ?? 0;
  return {
    down: box.scrollTop,
    along: box.scrollLeft,
    height: box.clientHeight,
    width: Math.max(0, box.clientWidth - covered),
    row: ROW_REM * rem(),
    column: column?.getBoundingClientRect().width ?? box.clientWidth,
  };
}

/** The size of the usual text in pixels, which readers choose. */
function rem(): number {
  return Number.parseFloat(getComputedStyle(document.documentElement).fontSize);
}

/**
 * An app in the columns that are seen. A row is one component, and what is in it are calls: a component for each link,
 * time and release of each cell would cost more than everything else that happens while one types.
 */
function Apps({ at, row, place, columns, first, end }: { at: Place; row: Row; place: number; columns: readonly Column[]; first: number; end: number }) {
  return (
    <tr aria-rowindex={place + 2}>
      <th scope="row" aria-colindex={1}>
        {Link({ to: { view: "app", at, app: row.app }, title: row.app, children: row.app })}
      </th>
      {first > 0 && <td class="beside" aria-hidden="true" colSpan={first} />}
      {columns.slice(first, end).map((column, index) => position(at, row.app, row.cells[first + index] ?? null, column, first + index + 2))}
      {end < columns.length && <td class="beside" aria-hidden="true" colSpan={columns.length - end} />}
    </tr>
  );
}

/** The room of rows that are not drawn. */
function Gap({ height }: { height: number }) {
  return height > 0 ? (
    <tr class="gap" aria-hidden="true">
      <td style={{ height: `${height}px` }} />
    </tr>
  ) : null;
}

function ColumnHead({ at, column, place }: { at: Place; column: Column; place: number }) {
  return (
    <th scope="col" aria-colindex={place + 2}>
      <Link to={{ view: "environment", at, environment: column.slug, query: {} }} title={column.slug}>
        {column.name}
      </Link>
      <span class="states">
        {column.protection !== null && (
          <State kind="info" title={texts.states.protection(column.protection)}>
            {texts.states.protected}
          </State>
        )}
        {column.locked && (
          <State kind="closed" title={column.locked.reason}>
            {texts.states.lockedBy(column.locked.by)}
          </State>
        )}
        {column.closed.map((freeze) => (
          <State key={freeze.gate} kind={freeze.warns ? "warn" : "closed"} title={freeze.reason}>
            {texts.states.frozen}
            {freeze.opensAt && (
              <>
                {" · "}
                {texts.states.opens} <Moment at={freeze.opensAt} />
              </>
            )}
          </State>
        ))}
      </span>
    </th>
  );
}

function position(at: Place, app: string, cell: Cell | null, column: Column, place: number) {
  if (!column.visible) {
    return (
      <td class="none" key={place} aria-colindex={place} title={texts.matrix.hiddenHint}>
        {texts.matrix.hidden}
      </td>
    );
  }
  const to = { view: "binding", at, environment: column.slug, app } as const;
  if (cell?.release == null) {
    return (
      <td class="none" key={place} aria-colindex={place}>
        {Link({ to, "aria-label": `${app}, ${column.name}: ${texts.matrix.nothing}`, children: texts.none })}
      </td>
    );
  }
  const children = (
    <>
      {Release({ id: cell.release })}
      {distanceSign(cell.distance, column.before)}
      {cell.phase !== null && cell.phase !== "Healthy" && <Phase phase={cell.phase} />}
      <span class="under">
        {Moment({ at: cell.since, form: "short" })}
        {cell.by && <span title={cell.by}>{cell.by}</span>}
        {!cell.recorded && <Sign kind="warn" />}
      </span>
    </>
  );
  return (
    <td key={place} aria-colindex={place}>
      {Link({ to, children })}
    </td>
  );
}

function distanceSign(distance: Distance | null, before: string | null) {
  const sign = distance ? SIGNS[distance.relation] : undefined;
  const sentence = distance ? texts.matrix.distance[distance.relation] : undefined;
  if (!distance || before === null || !sign || !sentence) return null;
  const { relation, changes } = distance;
  const title = sentence(before, changes === null ? "" : plural(changes, "change"));
  return (
    <span class={`distance ${relation}`} title={title}>
      <span aria-hidden="true">
        {sign}
        {changes ?? ""}
      </span>
      <span class="unseen">{title}</span>
    </span>
  );
}

function Legend() {
  return (
    <ul class="legend" aria-label={texts.matrix.legendTitle}>
      {Object.entries(SIGNS).map(([relation, sign]) => (
        <li key={relation}>
          <span class={`distance ${relation}`} aria-hidden="true">
            {sign}
          </span>
          {texts.matrix.legend[relation]}
        </li>
      ))}
    </ul>
  );
}

/** Relations that are worth a sign: what is the same, or not here, says so itself. */
const SIGNS: Readonly<Record<string, string>> = { ahead: "↑", behind: "↓", different: "≠", only_here: "+" };
