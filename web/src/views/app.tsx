// One app: where which release is, and its history across environments.

import { historyOfWorkspace, matrixOf } from "../api/questions";
import type { Place } from "../model/route";
import { Answered } from "../parts/answered";
import { Link, Moment, Phase, Release, State } from "../parts/basics";
import { History } from "../parts/history";
import { Heading } from "../parts/shell";
import { useAnswer } from "../state/answer";
import { texts } from "../texts";

export function AppView({ at, app }: { at: Place; app: string }) {
  const asked = useAnswer(`matrix ${at.org}/${at.workspace}`, (signal) => matrixOf(at, signal));
  return (
    <>
      <Heading title={app} up={[{ to: { view: "matrix", at }, label: texts.nav.matrix }]} />
      <h2>{texts.app.where}</h2>
      <Answered asked={asked}>
        {(grid) => {
          const cells = grid.rows.find((row) => row.app === app)?.cells ?? [];
          return (
            <ol class="stations">
              {grid.columns.map((column, place) => {
                const cell = cells[place];
                return (
                  <li key={column.slug}>
                    <Link to={{ view: "binding", at, environment: column.slug, app }}>
                      <span class="quiet">{column.name}</span>
                      {column.visible ? <Release id={cell?.release} /> : <span class="quiet">{texts.matrix.hidden}</span>}
                      {cell?.since && (
                        <span class="quiet">
                          <Moment at={cell.since} />
                          {cell.by && ` · ${cell.by}`}
                        </span>
                      )}
                      <Phase phase={cell?.phase} />
                      {column.locked && <State kind="closed">{texts.states.locked}</State>}
                    </Link>
                  </li>
                );
              })}
            </ol>
          );
        }}
      </Answered>
      <h2>{texts.app.history}</h2>
      <History
        at={at}
        name={`app ${at.org}/${at.workspace}/${app}`}
        ask={(cursor, signal) => historyOfWorkspace(at, { app_id: app, cursor, limit: 50 }, signal)}
        environmentOf={(line) => line.environment}
        hide={["app"]}
        empty={texts.environment.emptyHistory}
      />
    </>
  );
}
