// Two environments, or one at two times: what differs.

import { useState } from "preact/hooks";

import type { Schemas } from "../api/client";
import { comparison, environments, type Environment } from "../api/questions";
import { fromInput, millis, toInput } from "../model/moments";
import type { Place, Search } from "../model/route";
import { Answered } from "../parts/answered";
import { Empty, Link, Moment, Release, State } from "../parts/basics";
import { Heading } from "../parts/shell";
import { useAnswer } from "../state/answer";
import { go } from "../state/router";
import { may } from "../state/session";
import { plural, texts } from "../texts";
import { PromoteDialog } from "./governing";

type Comparison = Schemas["Comparison"];

export function CompareView({ at, query }: { at: Place; query: Search }) {
  const all = useAnswer(`environments ${at.org}/${at.workspace}`, (signal) => environments(at, signal));
  return (
    <>
      <Heading title={texts.compare.title} up={[{ to: { view: "matrix", at }, label: texts.nav.matrix }]} />
      <Answered asked={all}>
        {(found) => (
          <>
            <Sides at={at} query={query} found={found} />
            {query.from && query.to ? <Compared at={at} query={query} from={query.from} to={query.to} /> : <Empty title={texts.compare.choose} />}
          </>
        )}
      </Answered>
    </>
  );
}

function Sides({ at, query, found }: { at: Place; query: Search; found: readonly Environment[] }) {
  const change = (part: Search): void => go({ view: "compare", at, query: { ...query, ...part } }, { replace: true });
  const { from = "", to = "", from_at = "", to_at = "" } = query;
  return (
    <div class="sides">
      <Side label={texts.compare.from} found={found} slug={from} when={from_at} set={(slug, when) => change({ from: slug, from_at: when })} />
      <button type="button" onClick={() => change({ from: to, to: from, from_at: to_at, to_at: from_at })} aria-label={texts.compare.swap} title={texts.compare.swap}>
        ⇄
      </button>
      <Side label={texts.compare.to} found={found} slug={to} when={to_at} set={(slug, when) => change({ to: slug, to_at: when })} />
    </div>
  );
}

interface SideProps {
  label: string;
  found: readonly Environment[];
  slug: string;
  when: string;
  set: (slug: string, when: string) => void;
}

function Side({ label, found, slug, when, set }: SideProps) {
  return (
    <fieldset class="side">
      <legend>{label}</legend>
      <select aria-label={label} value={slug} onChange={(event) => set(event.currentTarget.value, when)}>
        <option value="" disabled>
          {texts.none}
        </option>
        {found.map((one) => (
          <option key={one.slug} value={one.slug}>
            {one.name}
          </option>
        ))}
      </select>
      <label>
        <span class="quiet">{texts.compare.fromAt}</span>
        <input type="datetime-local" step={1} value={when ? toInput(millis(when)) : ""} onChange={(event) => set(slug, fromInput(event.currentTarget.value))} />
      </label>
      {when && (
        <button type="button" class="plain" onClick={() => set(slug, "")}>
          {texts.compare.now}
        </button>
      )}
    </fieldset>
  );
}

interface ComparedProps {
  at: Place;
  query: Search;
  from: string;
  to: string;
}

function Compared({ at, query, from, to }: ComparedProps) {
  const { from_at = "", to_at = "" } = query;
  const key = `compare ${at.org}/${at.workspace} ${JSON.stringify([from, to, from_at, to_at])}`;
  const asked = useAnswer(key, (signal) => comparison(at, { from, to, from_at, to_at }, signal));
  return <Answered asked={asked}>{(found) => <Table at={at} found={found} />}</Answered>;
}

function Table({ at, found }: { at: Place; found: Comparison }) {
  const [showSame, setShowSame] = useState(false);
  const [promoting, setPromoting] = useState(false);
  const present = found.from.at === null && found.to.at === null && found.from.slug !== found.to.slug;
  const shown = found.apps.filter((one) => showSame || one.distance.relation !== "same");
  if (!found.apps.length) return <Empty title={texts.compare.empty} />;
  return (
    <>
      <div class="bar">
        <p role="status">{found.different ? texts.compare.differ(found.different, found.apps.length) : texts.compare.same}</p>
        <label class="check">
          <input type="checkbox" checked={showSame} onChange={(event) => setShowSame(event.currentTarget.checked)} />
          {texts.compare.showSame}
        </label>
        {present && found.different > 0 && may.value("promoteReleases") && (
          <button type="button" class="main" onClick={() => setPromoting(true)}>
            {texts.compare.promote(found.to.name)}
          </button>
        )}
        {promoting && <PromoteDialog at={at} environment={found.to.slug} from={found.from.slug} close={() => setPromoting(false)} />}
      </div>
      {!shown.length && <Empty title={texts.compare.same} hint={texts.compare.sameHint(found.apps.length)} />}
      {shown.length > 0 && (
        <div class="scroll" tabIndex={0} role="region" aria-label={plural(found.different, "difference")}>
          <table class="lines">
            <thead>
              <tr>
                <th scope="col">{texts.columns.app}</th>
                <SideHead side={found.from} />
                <SideHead side={found.to} />
                <th scope="col">{texts.compare.difference}</th>
              </tr>
            </thead>
            <tbody>
              {shown.map((one) => (
                <tr key={one.app_id}>
                  <th scope="row">
                    <Link to={{ view: "app", at, app: one.app_id }}>{one.app_id}</Link>
                  </th>
                  <SideCell state={one.from} />
                  <SideCell state={one.to} />
                  <td>
                    <Standing distance={one.distance} />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </>
  );
}

function SideCell({ state }: { state: Comparison["apps"][number]["from"] }) {
  return (
    <td>
      <Release id={state?.release_id} />
      {state && (
        <div class="quiet">
          <Moment at={state.since} /> · {state.by}
        </div>
      )}
    </td>
  );
}

function Standing({ distance }: { distance: Comparison["apps"][number]["distance"] }) {
  const by = distance.changes === null ? "" : plural(distance.changes, "change");
  return <State kind={distance.relation === "same" ? "good" : "warn"}>{texts.compare.relation[distance.relation]?.(by) ?? distance.relation}</State>;
}

function SideHead({ side }: { side: Comparison["from"] }) {
  return (
    <th scope="col">
      {side.name}
      {side.at && (
        <span class="quiet">
          {" "}
          <Moment at={side.at} form="full" />
        </span>
      )}
    </th>
  );
}
