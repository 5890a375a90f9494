// When environments are closed by the calendar.

import { useState } from "preact/hooks";

import { send, type Schemas } from "../api/client";
import { environments, freezes, names } from "../api/questions";
import { fromInput } from "../model/moments";
import type { Place } from "../model/route";
import { Answered } from "../parts/answered";
import { Empty, Moment, State } from "../parts/basics";
import { ActionDialog, Field, ReasonField } from "../parts/dialog";
import { Heading } from "../parts/shell";
import { useAnswer } from "../state/answer";
import { may } from "../state/session";
import { texts } from "../texts";

type Freeze = Schemas["FreezeReply"];

const ONE = "/v1/orgs/{org_id}/workspaces/{workspace_id}/freezes/{freeze_name}";

export function FreezesView({ at }: { at: Place }) {
  const asked = useAnswer(`freezes ${at.org}/${at.workspace}`, (signal) => freezes(at, signal));
  const [open, setOpen] = useState(false);
  return (
    <>
      <Heading title={texts.freezes.title} up={[{ to: { view: "matrix", at }, label: texts.nav.matrix }]}>
        {may.value("putFreeze") && (
          <button type="button" class="main" onClick={() => setOpen(true)}>
            {texts.freezes.add}
          </button>
        )}
      </Heading>
      <p class="quiet">{texts.freezes.hint}</p>
      <Answered asked={asked}>{(found) => (found.length ? <List at={at} found={found} /> : <Empty title={texts.freezes.empty} hint={texts.freezes.emptyHint} />)}</Answered>
      <p class="quiet">{texts.freezes.clusterWide}</p>
      {open && <NewFreeze at={at} close={() => setOpen(false)} />}
    </>
  );
}

function List({ at, found }: { at: Place; found: readonly Freeze[] }) {
  const [leaving, setLeaving] = useState<string | null>(null);
  return (
    <>
      <div class="scroll" tabIndex={0} role="region" aria-label={texts.freezes.title}>
        <table class="lines">
          <thead>
            <tr>
              <th scope="col">{texts.freezes.name}</th>
              <th scope="col">{texts.freezes.now}</th>
              <th scope="col">{texts.columns.reason}</th>
              <th scope="col">{texts.freezes.mode}</th>
              <th scope="col">{texts.freezes.environments}</th>
              <th scope="col">{texts.freezes.apps}</th>
              <th scope="col">{texts.freezes.when}</th>
              <th scope="col">{texts.columns.who}</th>
              {may.value("deleteFreeze") && (
                <th scope="col">
                  <span class="unseen">{texts.freezes.remove}</span>
                </th>
              )}
            </tr>
          </thead>
          <tbody>
            {found.map((one) => (
              <tr key={one.name}>
                <th scope="row">{one.name}</th>
                <td>
                  <Present freeze={one} />
                </td>
                <td class="reason">{one.reason}</td>
                <td>
                  {one.mode === "OpenOnly" ? texts.freezes.openOnly : texts.freezes.closed}
                  {one.enforcement === "Warn" && <div class="quiet">{texts.freezes.warn}</div>}
                  {one.allow_rollback && <div class="quiet">{texts.freezes.rollback}</div>}
                </td>
                <td>{one.environments?.join(", ") ?? texts.freezes.all}</td>
                <td>{one.apps?.join(", ") ?? texts.freezes.all}</td>
                <td>
                  <Times freeze={one} />
                </td>
                <td class="person">
                  {one.created_by}
                  <div class="quiet">
                    <Moment at={one.created_at} />
                  </div>
                  {one.updated_by !== one.created_by && <div class="quiet">{texts.freezes.changedBy(one.updated_by)}</div>}
                </td>
                {may.value("deleteFreeze") && (
                  <td>
                    <button type="button" onClick={() => setLeaving(one.name)}>
                      {texts.freezes.remove}
                    </button>
                  </td>
                )}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {leaving !== null && (
        <ActionDialog
          title={`${texts.unfreeze.title} ${leaving}`}
          button={texts.unfreeze.send}
          close={() => setLeaving(null)}
          content={leaving}
          complete
          send={({ dry_run, override_ownership }) => send("delete", ONE, { path: names(at, { freeze_name: leaving }), query: { dry_run, override_ownership } })}
          would={() => texts.unfreeze.would(leaving)}
        />
      )}
    </>
  );
}

/** Whether it closes anything at this moment, and when that changes. */
function Present({ freeze }: { freeze: Freeze }) {
  const turns = freeze.closed ? freeze.next_open : freeze.next_close;
  return (
    <>
      <State kind={!freeze.closed ? "good" : freeze.enforcement === "Warn" ? "warn" : "closed"}>{freeze.closed ? texts.states.closed : texts.freezes.open}</State>
      {turns && (
        <div class="quiet whole">
          {freeze.closed ? texts.states.opens : texts.states.closes} <Moment at={turns} />
        </div>
      )}
    </>
  );
}

function Times({ freeze }: { freeze: Freeze }) {
  return (
    <ul>
      {(freeze.windows ?? []).map((one) => (
        <li key={one.from}>
          <span class="whole">
            <Moment at={one.from} form="full" /> –
          </span>{" "}
          <span class="whole">
            <Moment at={one.until} form="full" />
          </span>
        </li>
      ))}
      {(freeze.weekly ?? []).map((one) => (
        <li key={JSON.stringify(one)}>
          {one.days.join(", ")} <span class="whole">{`${one.from}–${one.until}`}</span> {freeze.time_zone}
        </li>
      ))}
      {(freeze.yearly ?? []).map((one) => (
        <li key={JSON.stringify(one)}>
          {texts.freezes.yearly} <span class="whole">{`${one.from} – ${one.until}`}</span> {freeze.time_zone}
        </li>
      ))}
    </ul>
  );
}

/** A freeze with one window; what repeats is written in Git or by kubectl. */
function NewFreeze({ at, close }: { at: Place; close: () => void }) {
  const known = useAnswer(`environments ${at.org}/${at.workspace}`, (signal) => environments(at, signal));
  const [name, setName] = useState("");
  const [reason, setReason] = useState("");
  const [environment, setEnvironment] = useState("");
  const [from, setFrom] = useState("");
  const [until, setUntil] = useState("");
  const window = { from: fromInput(from), until: fromInput(until) };
  return (
    <ActionDialog
      title={texts.freeze.title}
      button={texts.freeze.send}
      close={close}
      content={JSON.stringify([name, reason, environment, window])}
      complete={[name, reason, window.from, window.until].every(Boolean)}
      send={({ dry_run, override_ownership }) =>
        send("put", ONE, {
          path: names(at, { freeze_name: name }),
          query: { dry_run, override_ownership },
          body: { reason, windows: [window], ...(environment ? { environments: [environment] } : {}) },
        })
      }
      would={() => texts.freeze.would}
    >
      <Field label={texts.freezes.name}>{(id) => <input id={id} required maxLength={63} value={name} onInput={(event) => setName(event.currentTarget.value.trim())} spellcheck={false} />}</Field>
      <ReasonField value={reason} set={setReason} required hint={texts.lock.reasonHint} />
      <Field label={texts.dialog.environment}>
        {(id) => (
          <select id={id} value={environment} onChange={(event) => setEnvironment(event.currentTarget.value)}>
            <option value="">{texts.freezes.all}</option>
            {(known.data ?? []).map((one) => (
              <option key={one.slug} value={one.slug}>
                {one.name}
              </option>
            ))}
          </select>
        )}
      </Field>
      <Field label={texts.freezes.from}>{(id) => <input id={id} type="datetime-local" required value={from} onInput={(event) => setFrom(event.currentTarget.value)} />}</Field>
      <Field label={texts.freezes.until}>{(id) => <input id={id} type="datetime-local" required value={until} onInput={(event) => setUntil(event.currentTarget.value)} />}</Field>
    </ActionDialog>
  );
}
