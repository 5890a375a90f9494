// The dialogs that change something. Each says what it would do in the words of this page, and the cluster answers.

import { useState } from "preact/hooks";

import { send, type Schemas } from "../api/client";
import { gatesOf, names } from "../api/questions";
import type { Line } from "../model/changes";
import { fromInput, local, millis, toInput } from "../model/moments";
import type { Place } from "../model/route";
import { ActionDialog, Field, queryOf, ReasonField, type Sending } from "../parts/dialog";
import { Moment, Release } from "../parts/basics";
import { now } from "../state/clock";
import { me } from "../state/session";
import { texts } from "../texts";

const ONE = "/v1/orgs/{org_id}/workspaces/{workspace_id}/environments/{environment_id}";

interface Common {
  at: Place;
  environment: string;
  close: () => void;
}

export function DeployDialog({ at, environment, close, app: given, active }: Common & { app?: string; active?: Readonly<Record<string, string>> | null }) {
  const [app, setApp] = useState(given ?? "");
  const [release, setRelease] = useState("");
  const [reason, setReason] = useState("");
  const current = active?.[app];
  return (
    <ActionDialog
      title={texts.deploy.title}
      button={texts.deploy.send}
      close={close}
      content={JSON.stringify([app, release, reason, current])}
      complete={app !== "" && release !== ""}
      send={(sending) =>
        send("post", `${ONE}/deploy`, {
          path: names(at, { environment_id: environment }),
          query: queryOf(sending),
          headers: sending.headers,
          body: { app_id: app, release_id: release, ...expecting(current), ...because(reason) },
        })
      }
      would={() => texts.deploy.would(app, release, environment)}
      verdicts={() => gatesOf(at, environment, { app_id: app, release_id: release })}
    >
      <Field label={texts.dialog.app}>
        {(id) => <input id={id} required maxLength={63} readOnly={given !== undefined} value={app} onInput={(event) => setApp(event.currentTarget.value.trim())} spellcheck={false} />}
      </Field>
      {current !== undefined && <Current release={current} />}
      <Field label={texts.dialog.release}>
        {(id) => <input id={id} required maxLength={128} class="code" value={release} onInput={(event) => setRelease(event.currentTarget.value.trim())} spellcheck={false} />}
      </Field>
      <ReasonField value={reason} set={setReason} />
    </ActionDialog>
  );
}

export function UndeployDialog({ at, environment, close, app, current }: Common & { app: string; current: string }) {
  const [reason, setReason] = useState("");
  return (
    <ActionDialog
      title={`${texts.undeploy.title} ${app}`}
      button={texts.undeploy.send}
      close={close}
      content={JSON.stringify([reason, current])}
      complete
      send={(sending) =>
        send("delete", `${ONE}/deploy/{app_id}`, {
          path: names(at, { environment_id: environment, app_id: app }),
          query: { ...queryOf(sending), expected_release_id: current, reason },
          headers: sending.headers,
        })
      }
      would={() => texts.undeploy.would(app, environment)}
    >
      <Current release={current} />
      <ReasonField value={reason} set={setReason} />
    </ActionDialog>
  );
}

export function RollbackDialog({ at, environment, close, app, current, lines }: Common & { app: string; current: string | null; lines: readonly Line[] }) {
  const earlier = [...new Set(lines.filter((line) => !line.removed && !line.imported).map((line) => line.release_id))].filter((release) => release !== current);
  // Lines are newest first: what became of a release is what its newest line says.
  const newest = new Map([...lines].reverse().map((line) => [line.release_id, line]));
  const failed = (release: string | null): boolean => newest.get(release ?? "")?.outcome === "failed";
  const [target, setTarget] = useState("");
  const [reason, setReason] = useState("");
  return (
    <ActionDialog
      title={`${texts.rollback.title} ${app}`}
      button={texts.rollback.send}
      close={close}
      content={JSON.stringify([target, reason, current])}
      complete
      send={(sending) =>
        send("post", `${ONE}/deploy/{app_id}/rollback`, {
          path: names(at, { environment_id: environment, app_id: app }),
          query: queryOf(sending),
          headers: sending.headers,
          body: { ...(target ? { release_id: target } : {}), ...expecting(current ?? undefined), ...because(reason) },
        })
      }
      would={(done) => `${texts.rollback.would(app, done.release_id, environment)} ${failed(done.release_id) ? texts.rollback.failed : ""}`}
    >
      {current !== null && <Current release={current} />}
      <Field label={texts.rollback.to}>
        {(id) => (
          <select id={id} value={target} onChange={(event) => setTarget(event.currentTarget.value)}>
            <option value="">{texts.rollback.last}</option>
            {earlier.map((release) => (
              <option key={release} value={release}>
                {failed(release) ? texts.rollback.failedOption(release) : release}
              </option>
            ))}
          </select>
        )}
      </Field>
      <ReasonField value={reason} set={setReason} />
    </ActionDialog>
  );
}

/** Locks, or changes the lock that is there; somebody else's only when the reader says so. */
export function LockDialog({ at, environment, close, present }: Common & { present: Schemas["LockState"] | null }) {
  const [reason, setReason] = useState(present?.reason ?? "");
  const [until, setUntil] = useState(present?.until ? toInput(millis(present.until)) : "");
  const [takeOver, setTakeOver] = useState(false);
  const others = present !== null && present.locked_by !== me.value?.username;
  const end = fromInput(until) || null;
  return (
    <ActionDialog
      title={present ? texts.lock.change : texts.lock.title}
      button={texts.lock.send}
      close={close}
      content={JSON.stringify([reason, end, takeOver])}
      complete={reason !== ""}
      send={(sending) =>
        send("put", `${ONE}/lock`, {
          path: names(at, { environment_id: environment }),
          query: { ...withoutGates(sending), ...(takeOver ? { take_over: true } : {}) },
          body: { reason, ...(end === null ? {} : { until: end }) },
        })
      }
      would={() => (end === null ? texts.lock.would(environment) : texts.lock.wouldUntil(environment, local(millis(end))))}
    >
      <p class="quiet">{texts.lock.hint}</p>
      <ReasonField value={reason} set={setReason} required hint={texts.lock.reasonHint} />
      <Field label={texts.lock.until} hint={texts.lock.untilHint} optional>
        {(id) => <input id={id} type="datetime-local" step={1} value={until} min={toInput(now.value)} onInput={(event) => setUntil(event.currentTarget.value)} />}
      </Field>
      {others && (
        <label class="check">
          <input type="checkbox" checked={takeOver} onChange={(event) => setTakeOver(event.currentTarget.checked)} />
          {texts.lock.takeOver(present.locked_by)}
        </label>
      )}
    </ActionDialog>
  );
}

/** Ends a lock, after saying whose it is and why it is there. */
export function UnlockDialog({ at, environment, close, present }: Common & { present: Schemas["LockState"] }) {
  return (
    <ActionDialog
      title={texts.unlock.title}
      button={texts.unlock.send}
      close={close}
      content=""
      complete
      send={(sending) => send("delete", `${ONE}/lock`, { path: names(at, { environment_id: environment }), query: withoutGates(sending) })}
      would={() => texts.unlock.would(environment)}
    >
      <p>
        {texts.states.lockedBy(present.locked_by)} <Moment at={present.locked_at} />: {present.reason}
      </p>
      <p class="quiet">{texts.unlock.hint}</p>
    </ActionDialog>
  );
}

function Current({ release }: { release: string }) {
  return (
    <p>
      {texts.dialog.current}: <Release id={release} />
    </p>
  );
}

function withoutGates({ dry_run, override_ownership }: Sending): { dry_run: boolean; override_ownership: boolean } {
  return { dry_run, override_ownership };
}

/** What the reader saw when they decided: if it is no longer so, the facade refuses instead of overwriting. */
function expecting(release: string | undefined): { expected_release_id?: string } {
  return release === undefined ? {} : { expected_release_id: release };
}

function because(reason: string): { reason?: string } {
  return reason ? { reason } : {};
}
