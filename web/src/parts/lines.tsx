// Lines of history as a table, newest first.

import { after, type AnyLine } from "../model/changes";
import type { Place } from "../model/route";
import { texts } from "../texts";
import { Link, Moment, Release, State } from "./basics";

interface Props<L extends AnyLine> {
  at: Place;
  lines: readonly L[];
  /** The slug of a line's environment. */
  environmentOf: (line: L) => string;
  hide?: readonly ("app" | "environment")[];
}

export function Lines<L extends AnyLine>({ at, lines, environmentOf, hide = [] }: Props<L>) {
  const { columns } = texts;
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={texts.history.title}>
      {/* Roles of their own: on narrow screens a row is laid out as a paragraph, and browsers then forget what it is. */}
      <table class="lines changes" role="table">
        <thead role="rowgroup">
          <tr role="row">
            <Column name={columns.when} />
            {!hide.includes("environment") && <Column name={columns.environment} />}
            {!hide.includes("app") && <Column name={columns.app} />}
            <Column name={columns.what} />
            <Column name={columns.who} />
            <Column name={columns.reason} />
          </tr>
        </thead>
        <tbody role="rowgroup">
          {lines.map((line) => {
            const environment = environmentOf(line);
            return (
              <tr key={line.deployment_id} role="row">
                <td role="cell">
                  <Link to={{ view: "change", at, environment, app: line.app_id, line: line.deployment_id }}>
                    <Moment at={line.deployed_at} />
                  </Link>
                </td>
                {!hide.includes("environment") && (
                  <td role="cell">
                    <Link to={{ view: "environment", at, environment, query: {} }}>{environment}</Link>
                  </td>
                )}
                {!hide.includes("app") && (
                  <td role="cell">
                    <Link to={{ view: "app", at, app: line.app_id }}>{line.app_id}</Link>
                  </td>
                )}
                <td role="cell">
                  <What line={line} />
                </td>
                <td role="cell" class={line.imported ? "person quiet" : "person"}>{line.deployed_by}</td>
                <td role="cell" class="reason">{line.reason ?? <span class="quiet">{texts.none}</span>}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}

function Column({ name }: { name: string }) {
  return (
    <th scope="col" role="columnheader">
      {name}
    </th>
  );
}

/** What happened: the release before, and the one after. */
export function What({ line }: { line: AnyLine }) {
  return (
    <span class="what">
      <span class={`action ${line.action}`}>{texts.actions[line.action] ?? line.action}</span>
      {line.previous_release_id !== null && !line.removed && <Release id={line.previous_release_id} />}
      <span class="to">
        {line.previous_release_id !== null && !line.removed && <span aria-label="to">→</span>}
        <Release id={after(line) ?? line.release_id} />
      </span>
      {line.outcome === "failed" && (
        <State kind="closed" sign="failed">
          {texts.outcomes.failed}
        </State>
      )}
      {line.override.length > 0 && (
        <State kind="warn" title={line.override.join(", ")}>
          {texts.states.overridden}
        </State>
      )}
      {line.imported && <State kind="info">{texts.states.imported}</State>}
      {!line.recorded && <State kind="warn">{texts.states.unrecorded}</State>}
    </span>
  );
}
