// One app in one environment: what is active, how it became so, and what may be done about it.

import { useState } from "preact/hooks";

import { environment as ask, historyOf } from "../api/questions";
import type { Line } from "../model/changes";
import type { Place } from "../model/route";
import { Answered } from "../parts/answered";
import { Link, Phase, Release, State } from "../parts/basics";
import { History } from "../parts/history";
import { Heading } from "../parts/shell";
import { useAnswer } from "../state/answer";
import { may } from "../state/session";
import { texts } from "../texts";
import { DeployDialog, RollbackDialog, UndeployDialog } from "./actions";
import { Waiting } from "./waiting";

export function BindingView({ at, environment, app }: { at: Place; environment: string; app: string }) {
  const place = `${at.org}/${at.workspace}/${environment}`;
  const asked = useAnswer(`environment ${place}?`, (signal) => ask(at, environment, "", signal));
  const lines = useAnswer(`recent ${place}/${app}`, (signal) => historyOf(at, environment, { app_id: app, limit: 50 }, signal));
  const recent = lines.data?.deployments ?? [];
  const up = (name: string) => [
    { to: { view: "matrix", at }, label: texts.nav.matrix } as const,
    { to: { view: "environment", at, environment, query: {} }, label: name } as const,
  ];
  return (
    <Answered asked={asked} head={<Heading title={app} up={up(environment)} />}>
      {(found) => {
        const current = found.active_deployments?.[app] ?? null;
        return (
          <>
            <Heading title={app} up={up(found.name)}>
              <Actions at={at} environment={environment} app={app} current={current} recent={recent} active={found.active_deployments} />
            </Heading>
            <p class="current">
              <Release id={current} /> <span class="quiet">{texts.binding.in}</span> {found.name}
              <Phase phase={found.rollouts?.[app]?.phase} message={found.rollouts?.[app]?.message} />
              {found.lock && <State kind="closed">{`${texts.states.lockedBy(found.lock.locked_by)}: ${found.lock.reason}`}</State>}
            </p>
            <p>
              <Link to={{ view: "app", at, app }}>{texts.binding.elsewhere}</Link>
            </p>
            <Waiting at={at} environment={environment} app={app} />
            <h2>{texts.binding.history}</h2>
            <History
              at={at}
              name={`history ${place}/${app}`}
              ask={(cursor, signal) => historyOf(at, environment, { app_id: app, cursor, limit: 25 }, signal)}
              environmentOf={() => environment}
              hide={["environment", "app"]}
              empty={texts.environment.emptyHistory}
            />
          </>
        );
      }}
    </Answered>
  );
}

interface ActionsProps {
  at: Place;
  environment: string;
  app: string;
  current: string | null;
  recent: readonly Line[];
  active: Readonly<Record<string, string>> | null;
}

function Actions({ at, environment, app, current, recent, active }: ActionsProps) {
  const [open, setOpen] = useState<"deploy" | "rollback" | "undeploy" | null>(null);
  const common = { at, environment, app, close: (): void => setOpen(null) };
  return (
    <>
      {may.value("deployRelease") && (
        <button type="button" class="main" onClick={() => setOpen("deploy")}>
          {texts.binding.deploy}
        </button>
      )}
      {recent.length > 0 && may.value("rollbackApp") && (
        <button type="button" onClick={() => setOpen("rollback")}>
          {texts.binding.rollback}
        </button>
      )}
      {current !== null && may.value("undeployApp") && (
        <button type="button" onClick={() => setOpen("undeploy")}>
          {texts.binding.undeploy}
        </button>
      )}
      {open === "deploy" && <DeployDialog {...common} active={active} />}
      {open === "rollback" && <RollbackDialog {...common} current={current} lines={recent} />}
      {open === "undeploy" && current !== null && <UndeployDialog {...common} current={current} />}
    </>
  );
}
