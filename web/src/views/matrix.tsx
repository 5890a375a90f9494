// Apps × environments. Only the rows that are seen are drawn, so that 500 apps stay fluid.

import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";

import { matrixOf } from "../api/questions";
import { filtered, unrecorded, waitingSince, type Cell, type Column, type Distance, type Grid, type Row } from "../model/grid";
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
      <Table at={at} columns={grid.columns} rows={rows} />
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

function Table({ at, columns, rows }: { at: Place; columns: readonly Column[]; rows: readonly Row[] }) {
  const box = useRef<HTMLDivElement>(null);
  const [seen, setSeen] = useState({ scrolled: 0, height: 1200, row: ROW_REM * 16 });
  useLayoutEffect(() => {
    const element = box.current;
    if (!element) return;
    const measure = (): void => {
      const row = ROW_REM * Number.parseFloat(getComputedStyle(document.documentElement).fontSize);
      setSeen({ scrolled: element.scrollTop, height: element.clientHeight, row });
    };
    measure();
    const sizes = new ResizeObserver(measure);
    sizes.observe(element);
    element.addEventListener("scroll", measure, { passive: true });
    return () => {
      sizes.disconnect();
      element.removeEventListener("scroll", measure);
    };
  }, []);
  const { first, end } = visible(seen.scrolled, seen.height, seen.row, rows.length);
  return (
    <div class="matrix" ref={box} tabIndex={0} role="region" aria-label={texts.matrix.title}>
      <table aria-rowcount={rows.length + 1}>
        <thead>
          <tr aria-rowindex={1}>
            <th scope="col">{texts.matrix.app}</th>
            {columns.map((column) => (
              <ColumnHead key={column.slug} at={at} column={column} />
            ))}
          </tr>
        </thead>
        <tbody>
          <Gap height={first * seen.row} />
          {/* Rows are known by their place: another filter changes texts and creates few elements. */}
          {rows.slice(first, end).map((row, index) => (
            <tr key={first + index} aria-rowindex={first + index + 2}>
              <th scope="row">
                <Link to={{ view: "app", at, app: row.app }} title={row.app}>
                  {row.app}
                </Link>
              </th>
              {row.cells.map((cell, place) => {
                const column = columns[place];
                return column && <Position key={column.slug} at={at} app={row.app} cell={cell} column={column} />;
              })}
            </tr>
          ))}
          <Gap height={(rows.length - end) * seen.row} />
        </tbody>
      </table>
    </div>
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

function ColumnHead({ at, column }: { at: Place; column: Column }) {
  return (
    <th scope="col">
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

function Position({ at, app, cell, column }: { at: Place; app: string; cell: Cell | null; column: Column }) {
  if (!column.visible) {
    return (
      <td class="none" title={texts.matrix.hiddenHint}>
        {texts.matrix.hidden}
      </td>
    );
  }
  if (cell?.release == null) {
    return (
      <td class="none">
        <Link to={{ view: "binding", at, environment: column.slug, app }} aria-label={`${app}, ${column.name}: ${texts.matrix.nothing}`}>
          {texts.none}
        </Link>
      </td>
    );
  }
  return (
    <td>
      <Link to={{ view: "binding", at, environment: column.slug, app }}>
        <Release id={cell.release} />
        <DistanceSign distance={cell.distance} before={column.before} />
        {cell.phase !== null && cell.phase !== "Healthy" && <Phase phase={cell.phase} />}
        <span class="under">
          <Moment at={cell.since} form="short" />
          {cell.by && <span title={cell.by}>{cell.by}</span>}
          {!cell.recorded && <Sign kind="warn" />}
        </span>
      </Link>
    </td>
  );
}

function DistanceSign({ distance, before }: { distance: Distance | null; before: string | null }) {
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
