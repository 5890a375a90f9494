// What may come next in an environment, what it lacks, and who has said yes or no.

import { useState } from "preact/hooks";

import type { Schemas } from "../api/client";
import { approvalsOf } from "../api/questions";
import type { Place } from "../model/route";
import { Moment, Release, State } from "../parts/basics";
import { useAnswer } from "../state/answer";
import { may, me } from "../state/session";
import { texts } from "../texts";
import { ApproveDialog, PromoteDialog, TakeBackDialog } from "./governing";

type Found = Schemas["ApprovalList"];
type Candidate = Schemas["Candidate"];
type Approval = Schemas["ApprovalReply"];
type Open = { dialog: "approve" | "promote"; one: Candidate } | { dialog: "take back"; one: Approval } | null;

/** Nothing where nothing waits; `app`: of that app alone. */
export function Waiting({ at, environment, app }: { at: Place; environment: string; app?: string }) {
  const asked = useAnswer(`approvals ${at.org}/${at.workspace}/${environment}/${app ?? ""}`, (signal) => approvalsOf(at, environment, app, signal));
  const [open, setOpen] = useState<Open>(null);
  const found = asked.data;
  const close = (): void => setOpen(null);
  const common = { at, environment, close };
  // What waits is a help beside what the view is about: a reader without the right to see it misses nothing else.
  if (!found) return null;
  const said = found.approvals.filter((one) => one.counts);
  if (!found.candidates?.length && !said.length) return null;
  return (
    <section aria-labelledby="waiting">
      <h2 id="waiting">{texts.waiting.title}</h2>
      {found.candidates && found.candidates.length > 0 && (
        <ul class="candidates">
          {found.candidates.map((one) => (
            <Next key={`${one.app_id} ${one.release_id}`} one={one} found={found} app={app} open={setOpen} />
          ))}
        </ul>
      )}
      {(found.candidates_total ?? 0) > (found.candidates?.length ?? 0) && (
        <p class="quiet older">{texts.waiting.cut(found.candidates?.length ?? 0, found.candidates_total ?? 0)}</p>
      )}
      {said.length > 0 && (
        <ul class="candidates">
          {said.map((one) => (
            <Said key={one.name} one={one} open={setOpen} />
          ))}
        </ul>
      )}
      {open?.dialog === "approve" && <ApproveDialog {...common} app={open.one.app_id} release={open.one.release_id} />}
      {open?.dialog === "promote" && <PromoteDialog {...common} app={open.one.app_id} release={open.one.release_id} />}
      {open?.dialog === "take back" && <TakeBackDialog {...common} approval={open.one} />}
    </section>
  );
}

function Next({ one, found, app, open }: { one: Candidate; found: Found; app: string | undefined; open: (what: Open) => void }) {
  const mayApprove = found.may_approve && may.value("giveApproval");
  return (
    <li>
      <div>
        <span class="what">
          {app === undefined && <strong>{one.app_id}</strong>}
          <Release id={one.present_release_id} /> → <Release id={one.release_id} />
          {one.allowed ? <State kind="good">{texts.waiting.ready}</State> : <Lacks one={one} required={found.required} />}
        </span>
        {one.approved_by.length > 0 && <p class="quiet">{texts.waiting.approvedBy(one.approved_by)}</p>}
        {one.rejected_by.length > 0 && <p class="quiet">{texts.waiting.rejectedBy(one.rejected_by)}</p>}
        {one.gates.map(
          // What is missing of approvals stands above.
          (gate) => gate.message && gate.code !== "ApprovalRequired" && (
            <p class="quiet" key={gate.gate + gate.message}>
              {gate.message}
            </p>
          ),
        )}
        {one.opens_at && (
          <p class="quiet">
            {texts.dialog.opensAt} <Moment at={one.opens_at} />
          </p>
        )}
      </div>
      <div class="tools">
        {mayApprove && (
          <button type="button" aria-label={`${texts.environment.approve} ${one.app_id} ${one.release_id}`} onClick={() => open({ dialog: "approve", one })}>
            {texts.environment.approve}
          </button>
        )}
        {may.value("promoteReleases") && (
          <button type="button" aria-label={`${texts.environment.promote} ${one.app_id} ${one.release_id}`} onClick={() => open({ dialog: "promote", one })}>
            {texts.environment.promote}
          </button>
        )}
      </div>
    </li>
  );
}

function Lacks({ one, required }: { one: Candidate; required: number }) {
  if (one.rejected_by.length) return <State kind="closed">{texts.waiting.rejected}</State>;
  if (one.missing) return <State kind="warn">{texts.waiting.missing(one.missing, required)}</State>;
  return <State kind="warn">{texts.waiting.notYet}</State>;
}

function Said({ one, open }: { one: Approval; open: (what: Open) => void }) {
  const mine = one.decided_by_known && one.decided_by === me.value?.username;
  return (
    <li>
      <span>
        <State kind={one.decision === "Approve" ? "good" : "closed"}>{texts.approve.said(one)}</State> <Moment at={one.decided_at} />
        {one.comment && `: ${one.comment}`}
        {one.until && (
          <>
            {" · "}
            {texts.states.endsAt} <Moment at={one.until} />
          </>
        )}
      </span>
      {may.value("deleteApproval") && (mine || one.decision === "Reject") && (
        <button type="button" onClick={() => open({ dialog: "take back", one })}>
          {texts.approve.takeBack} …
        </button>
      )}
    </li>
  );
}
