// One environment: what is active, what stands in the way of a change, how it was, and how it became so.

import { useState } from "preact/hooks";

import type { Schemas } from "../api/client";
import { comparison, environment as ask, gatesOf, historyOf, type Environment } from "../api/questions";
import { byName } from "../model/changes";
import { fromInput, millis, toInput } from "../model/moments";
import type { Place, Search } from "../model/route";
import { Answered } from "../parts/answered";
import { Empty, Link, Moment, Phase, Release, State } from "../parts/basics";
import { History } from "../parts/history";
import { Heading } from "../parts/shell";
import { Verdicts } from "../parts/verdicts";
import { useAnswer } from "../state/answer";
import { now } from "../state/clock";
import { go } from "../state/router";
import { may } from "../state/session";
import { texts } from "../texts";
import { DeployDialog, LockDialog, UnlockDialog } from "./actions";
import { PromoteDialog } from "./governing";
import { Waiting } from "./waiting";

type Standing = Schemas["Comparison"]["apps"][number]["to"];

export function EnvironmentView({ at, environment, query }: { at: Place; environment: string; query: Search }) {
  const when = query.at ?? "";
  const asked = useAnswer(`environment ${at.org}/${at.workspace}/${environment}?${when}`, (signal) => ask(at, environment, when, signal));
  return (
    <Answered asked={asked} head={<Heading title={environment} up={[{ to: { view: "matrix", at }, label: texts.nav.matrix }]} />}>
      {(found) => (
        <>
          <Head at={at} found={found} past={when !== ""} />
          {found.description && <p class="description">{found.description}</p>}
          <div class="columns">
            <section aria-labelledby="active">
              <h2 id="active">{texts.environment.active}</h2>
              <TimeTravel at={at} environment={environment} when={when} since={found.created_at} />
              <Active at={at} found={found} when={when} />
              {!when && <Waiting at={at} environment={environment} />}
              {!when && <Gates at={at} environment={environment} />}
            </section>
            <section aria-labelledby="changes">
              <h2 id="changes">{texts.environment.history}</h2>
              <History
                at={at}
                name={`history ${at.org}/${at.workspace}/${environment}`}
                ask={(cursor, signal) => historyOf(at, environment, { cursor, limit: 25 }, signal)}
                environmentOf={() => environment}
                hide={["environment"]}
                empty={texts.environment.emptyHistory}
              />
            </section>
          </div>
        </>
      )}
    </Answered>
  );
}

function Head({ at, found, past }: { at: Place; found: Environment; past: boolean }) {
  const [open, setOpen] = useState<"deploy" | "promote" | "lock" | "unlock" | null>(null);
  const close = (): void => setOpen(null);
  const common = { at, environment: found.slug, close };
  return (
    <>
      <Heading title={found.name} up={[{ to: { view: "matrix", at }, label: texts.nav.matrix }]}>
        {!past && may.value("deployRelease") && (
          <button type="button" class="main" onClick={() => setOpen("deploy")}>
            {texts.environment.deploy}
          </button>
        )}
        {!past && may.value("promoteReleases") && (
          <button type="button" onClick={() => setOpen("promote")}>
            {texts.environment.promote}
          </button>
        )}
        {!past && may.value("lockEnvironment") && (
          <button type="button" onClick={() => setOpen("lock")}>
            {found.lock ? texts.environment.changeLock : `${texts.environment.lock} …`}
          </button>
        )}
        {!past && found.lock && may.value("unlockEnvironment") && (
          <button type="button" onClick={() => setOpen("unlock")}>
            {texts.environment.unlock} …
          </button>
        )}
      </Heading>
      <ul class="facts">
        <li>
          <code>{found.slug}</code>
        </li>
        {found.is_default && <li>{texts.states.default}</li>}
        {found.managed_by && <li>{texts.states.managedBy(found.managed_by)}</li>}
        {found.deleting && (
          <li>
            <State kind="warn">{texts.states.deleting}</State>
          </li>
        )}
        {found.lock && (
          <li>
            <State kind="closed">{texts.states.lockedBy(found.lock.locked_by)}</State> <Moment at={found.lock.locked_at} />: {found.lock.reason}
            {found.lock.until && (
              <>
                {" · "}
                {texts.states.endsAt} <Moment at={found.lock.until} />
              </>
            )}
          </li>
        )}
        {!past && !found.lock && found.last_unlock && (
          <li>
            {texts.states.unlockedBy(found.last_unlock.unlocked_by)} <Moment at={found.last_unlock.unlocked_at} />
          </li>
        )}
        {!found.lock && found.closed && (
          <li>
            <State kind="closed">{texts.states.closed}</State>
            {!past && <Why at={at} environment={found.slug} />}
            {found.next_open && (
              <>
                {" · "}
                {texts.states.opens} <Moment at={found.next_open} />
              </>
            )}
          </li>
        )}
        {!found.closed && found.next_close && (
          <li>
            {texts.states.closes} <Moment at={found.next_close} />
          </li>
        )}
      </ul>
      {open === "promote" && <PromoteDialog {...common} />}
      {open === "deploy" && <DeployDialog {...common} active={found.active_deployments} />}
      {open === "lock" && <LockDialog {...common} present={found.lock} />}
      {open === "unlock" && found.lock && <UnlockDialog {...common} present={found.lock} />}
    </>
  );
}

/** What closes the environment, in the words of its refusal. */
function Why({ at, environment }: { at: Place; environment: string }) {
  const asked = useAnswer(`gates ${at.org}/${at.workspace}/${environment}`, (signal) => gatesOf(at, environment, {}, signal));
  const closing = (asked.data ?? []).filter((one) => !one.allowed && one.enforced && !(one.gate in texts.environment.asks));
  return closing.map((one) => <span key={one.gate}> {one.message}</span>);
}

function Gates({ at, environment }: { at: Place; environment: string }) {
  const asked = useAnswer(`gates ${at.org}/${at.workspace}/${environment}`, (signal) => gatesOf(at, environment, {}, signal));
  return (
    <>
      <h2>{texts.environment.gates}</h2>
      <Answered asked={asked}>
        {(found) => {
          // What an environment asks of a release cannot be said of none.
          const asks = found.filter((one) => one.gate in texts.environment.asks);
          const others = found.filter((one) => !asks.includes(one));
          return (
            <>
              {others.length > 0 ? <Verdicts verdicts={others} /> : <p class="quiet">{texts.environment.gatesOpen}</p>}
              {asks.map((one) => (
                <p key={one.gate}>
                  <State kind="info">
                    <code>{one.gate}</code>
                  </State>{" "}
                  {texts.environment.asks[one.gate]}
                </p>
              ))}
            </>
          );
        }}
      </Answered>
    </>
  );
}

/** A slider over the life of the environment, and a field for the exact moment. */
function TimeTravel({ at, environment, when, since }: { at: Place; environment: string; when: string; since: string }) {
  const first = millis(since);
  const shown = when ? millis(when) : now.value;
  const show = (moment: string): void => go({ view: "environment", at, environment, query: moment ? { at: moment } : {} }, { replace: true });
  return (
    <div class="travel">
      <label>
        {texts.environment.at}
        <input type="datetime-local" step={1} min={toInput(first)} max={toInput(now.value)} value={toInput(shown)} onChange={(event) => show(fromInput(event.currentTarget.value))} />
      </label>
      <input type="range" aria-label={texts.environment.atHint} min={first} max={now.value} step={1000} value={shown} onChange={(event) => show(new Date(event.currentTarget.valueAsNumber).toISOString().replace(/\.\d+/, ""))} />
      {when && (
        <button type="button" class="plain" onClick={() => show("")}>
          {texts.environment.back}
        </button>
      )}
    </div>
  );
}

function Active({ at, found, when }: { at: Place; found: Environment; when: string }) {
  const { slug } = found;
  // An environment beside itself at one moment: who brought each release, and since when it is there.
  const asked = useAnswer(`standing ${at.org}/${at.workspace}/${slug}?${when}`, (signal) => comparison(at, { from: slug, to: slug, from_at: when, to_at: when }, signal));
  const standing = new Map(asked.data?.apps.map((one) => [one.app_id, one.to]));
  if (found.active_deployments === null) return <p class="quiet">{texts.matrix.hiddenHint}</p>;
  const apps = Object.keys(found.active_deployments).sort(byName);
  if (!apps.length) return <Empty title={when ? texts.environment.emptyActiveAt : texts.environment.emptyActive} />;
  return (
    <table class="active">
      <thead>
        <tr>
          <th scope="col">{texts.environment.app}</th>
          <th scope="col">{texts.environment.release}</th>
        </tr>
      </thead>
      <tbody>
        {apps.map((app) => (
          <tr key={app}>
            <th scope="row">
              <Link to={{ view: "binding", at, environment: slug, app }}>{app}</Link>
            </th>
            <td>
              <span class="what">
                <Release id={found.active_deployments?.[app]} />
                <Phase phase={found.rollouts?.[app]?.phase} message={found.rollouts?.[app]?.message} />
              </span>
              <Since at={at} environment={slug} app={app} state={standing.get(app)} release={found.active_deployments?.[app]} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** Since when and by whom; nothing while that is not known, or is of another release. */
function Since({ at, environment, app, state, release }: { at: Place; environment: string; app: string; state: Standing | undefined; release: string | undefined }) {
  if (!state || state.release_id !== release) return null;
  return (
    <div class="quiet">
      <Link to={{ view: "change", at, environment, app, line: state.deployment_id }}>
        <Moment at={state.since} />
      </Link>{" "}
      · {state.by}
    </div>
  );
}
