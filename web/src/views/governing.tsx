// The dialogs about what stands before an environment: take releases on, and say yes or no to one.

import { useState } from "preact/hooks";

import { send, type Schemas } from "../api/client";
import { environments, gatesOf, names } from "../api/questions";
import { refusing, type Verdict } from "../model/verdicts";
import type { Place } from "../model/route";
import { Release, State } from "../parts/basics";
import { ActionDialog, Field, queryOf, ReasonField } from "../parts/dialog";
import { useAnswer } from "../state/answer";
import { texts } from "../texts";

const ONE = "/v1/orgs/{org_id}/workspaces/{workspace_id}/environments/{environment_id}";

interface Common {
  at: Place;
  environment: string;
  close: () => void;
}

type Line = Schemas["PromotionLine"];

/** Takes one app on, or every app that differs. `from`: the environment before; without it the reader chooses. */
export function PromoteDialog({ at, environment, close, app, release, from: given }: Common & { app?: string; release?: string; from?: string }) {
  const known = useAnswer(`environments ${at.org}/${at.workspace}`, (signal) => environments(at, signal));
  const [from, setFrom] = useState(given ?? "");
  const [reason, setReason] = useState("");
  const others = (known.data ?? []).filter((one) => one.slug !== environment);
  return (
    <ActionDialog
      title={`${texts.promote.title} ${app ?? texts.promote.all}`}
      button={texts.promote.send}
      close={close}
      content={JSON.stringify([app, from, reason])}
      complete
      send={(sending) =>
        send("post", `${ONE}/promote`, {
          path: names(at, { environment_id: environment }),
          query: queryOf(sending),
          body: { ...(app ? { app_id: app } : {}), ...(from ? { from_environment_id: from } : {}), ...(reason ? { reason } : {}) },
        })
      }
      accepts={(done) => done.promoted > 0}
      would={(done) => <Prognosis lines={done.lines} environment={environment} />}
      gatesIn={(done) => done.lines.flatMap((line) => refusing(line.details))}
      verdicts={async (signal) => {
        const answer = await gatesOf(at, environment, { ...(app ? { app_id: app } : {}), ...(release ? { release_id: release } : {}) }, signal);
        // What is asked of a release cannot be said of several; the check says it of each.
        return answer.ok && !release ? { ...answer, data: answer.data.filter((one) => !(one.gate in texts.environment.asks)) } : answer;
      }}
    >
      {given === undefined ? (
        <Field label={texts.promote.from}>
          {(id) => (
            <select id={id} value={from} onChange={(event) => setFrom(event.currentTarget.value)}>
              <option value="">{texts.promote.before}</option>
              {others.map((one) => (
                <option key={one.slug} value={one.slug}>
                  {one.name}
                </option>
              ))}
            </select>
          )}
        </Field>
      ) : (
        <p>
          {texts.promote.from}: {given} → {environment}
        </p>
      )}
      <ReasonField value={reason} set={setReason} />
    </ActionDialog>
  );
}

/** What becomes of each app. */
function Prognosis({ lines, environment }: { lines: readonly Line[]; environment: string }) {
  if (!lines.length) return <p>{texts.promote.nothing(environment)}</p>;
  return (
    <ul class="prognosis">
      {lines.map((line) => (
        <li key={line.app_id}>
          <State kind={line.promoted ? "good" : "closed"}>{line.app_id}</State> <Release id={line.previous_release_id} /> → <Release id={line.release_id} />
          {!line.promoted && <p>{line.message}</p>}
        </li>
      ))}
    </ul>
  );
}

/** Says yes or no to a release. */
export function ApproveDialog({ at, environment, close, app: givenApp, release: givenRelease }: Common & { app?: string; release?: string }) {
  const [app, setApp] = useState(givenApp ?? "");
  const [release, setRelease] = useState(givenRelease ?? "");
  const [decision, setDecision] = useState<"Approve" | "Reject">("Approve");
  const [comment, setComment] = useState("");
  return (
    <ActionDialog
      title={texts.approve.title}
      button={decision === "Approve" ? texts.approve.yes : texts.approve.no}
      close={close}
      content={JSON.stringify([app, release, decision, comment])}
      complete={app !== "" && release !== ""}
      send={({ dry_run }) =>
        send("post", `${ONE}/approvals`, {
          path: names(at, { environment_id: environment }),
          query: { dry_run },
          body: { app_id: app, release_id: release, decision, ...(comment ? { comment } : {}) },
        })
      }
      would={() => (decision === "Approve" ? texts.approve.wouldYes(app, release, environment) : texts.approve.wouldNo(app, release, environment))}
      verdicts={(signal) => gatesOf(at, environment, { app_id: app, release_id: release }, signal).then(notToOverride)}
    >
      <Field label={texts.dialog.app}>
        {(id) => <input id={id} required maxLength={63} readOnly={givenApp !== undefined} value={app} onInput={(event) => setApp(event.currentTarget.value.trim())} spellcheck={false} />}
      </Field>
      <Field label={texts.dialog.release}>
        {(id) => <input id={id} required maxLength={128} class="code" readOnly={givenRelease !== undefined} value={release} onInput={(event) => setRelease(event.currentTarget.value.trim())} spellcheck={false} />}
      </Field>
      <fieldset class="ways">
        <legend>{texts.approve.decision}</legend>
        {(["Approve", "Reject"] as const).map((one) => (
          <label class="check" key={one}>
            <input type="radio" name="decision" checked={decision === one} onChange={() => setDecision(one)} />
            {one === "Approve" ? texts.approve.yes : texts.approve.noHint}
          </label>
        ))}
      </fieldset>
      <Field label={texts.approve.comment} hint={texts.approve.commentHint} optional>
        {(id) => <input id={id} maxLength={512} value={comment} onInput={(event) => setComment(event.currentTarget.value)} />}
      </Field>
    </ActionDialog>
  );
}

/** What stands before a change is shown, but saying yes or no passes no gate. */
function notToOverride<T extends { ok: boolean; data?: readonly Verdict[] }>(answer: T): T {
  return answer.data ? { ...answer, data: answer.data.map((one) => ({ ...one, overridable: false })) } : answer;
}

export function TakeBackDialog({ at, environment, close, approval }: Common & { approval: Schemas["ApprovalReply"] }) {
  return (
    <ActionDialog
      title={texts.approve.takeBackTitle}
      button={texts.approve.takeBack}
      close={close}
      content={approval.name}
      complete
      send={({ dry_run }) => send("delete", `${ONE}/approvals/{approval_name}`, { path: names(at, { environment_id: environment, approval_name: approval.name }), query: { dry_run } })}
      would={() => texts.approve.wouldTakeBack(approval.decided_by)}
    >
      <p>{texts.approve.said(approval)}</p>
    </ActionDialog>
  );
}

