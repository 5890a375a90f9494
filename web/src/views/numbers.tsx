// How delivery goes: how often, how fast, how often it fails, and how long until that is mended.

import type { Schemas } from "../api/client";
import { deliveryNumbers } from "../api/questions";
import { duration } from "../model/moments";
import type { Place, Search } from "../model/route";
import { Answered } from "../parts/answered";
import { Empty, Link } from "../parts/basics";
import { Heading } from "../parts/shell";
import { useAnswer } from "../state/answer";
import { go } from "../state/router";
import { plural, texts } from "../texts";

type Numbers = Schemas["DeliveryNumbers"];
type Spread = Numbers["lead_time"];

const DAYS = [7, 30, 90] as const;
const USUAL = 30;

export function NumbersView({ at, query }: { at: Place; query: Search }) {
  const days = DAYS.find((one) => String(one) === query.days) ?? USUAL;
  const { environment = "" } = query;
  const key = `numbers ${at.org}/${at.workspace} ${JSON.stringify([days, environment])}`;
  const asked = useAnswer(key, (signal) => deliveryNumbers(at, days, environment, signal));
  const all: Row["to"] = { view: "numbers", at, query: { days: String(days) } };
  const up = [{ to: { view: "matrix", at } as Row["to"], label: texts.nav.matrix }, ...(environment ? [{ to: all, label: texts.numbers.title }] : [])];
  return (
    <>
      <Heading title={environment ? `${texts.numbers.title}: ${environment}` : texts.numbers.title} up={up}>
        <label>
          <span class="quiet">{texts.numbers.time}</span>{" "}
          <select aria-label={texts.numbers.time} value={days} onChange={(event) => go({ view: "numbers", at, query: { ...query, days: event.currentTarget.value } }, { replace: true })}>
            {DAYS.map((one) => (
              <option key={one} value={one}>
                {texts.numbers.lastDays(one)}
              </option>
            ))}
          </select>
        </label>
      </Heading>
      <p class="quiet">{texts.numbers.hint}</p>
      <Answered asked={asked}>
        {(found) =>
          environment ? (
            <Table head={texts.columns.app} rows={Object.entries(found.environments[0]?.apps ?? {}).map(([app, numbers]) => ({ name: app, to: { view: "app", at, app }, numbers }))} />
          ) : (
            <Table
              head={texts.columns.environment}
              rows={found.environments.map((one) => ({
                name: one.environment,
                to: { view: "numbers", at, query: { days: String(days), environment: one.environment } },
                numbers: one.total,
              }))}
            />
          )
        }
      </Answered>
    </>
  );
}

interface Row {
  name: string;
  to: Parameters<typeof Link>[0]["to"];
  numbers: Numbers;
}

function Table({ head, rows }: { head: string; rows: readonly Row[] }) {
  if (!rows.length) return <Empty title={texts.numbers.empty} />;
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={texts.numbers.title}>
      <table class="lines">
        <thead>
          <tr>
            <th scope="col">{head}</th>
            <th scope="col">{texts.numbers.deployments}</th>
            <th scope="col">{texts.numbers.leadTime}</th>
            <th scope="col">{texts.numbers.toHealthy}</th>
            <th scope="col">{texts.numbers.failed}</th>
            <th scope="col">{texts.numbers.restore}</th>
            <th scope="col">{texts.numbers.rework}</th>
          </tr>
        </thead>
        <tbody>
          {rows.map(({ name, to, numbers }) => (
            <tr key={name}>
              <th scope="row">
                <Link to={to}>{name}</Link>
              </th>
              <td>
                {numbers.deployments}
                <div class="quiet">{texts.numbers.perDay(numbers.deployments_per_day)}</div>
              </td>
              <Took spread={numbers.lead_time} why={numbers.unknown.lead_time} />
              <Took spread={numbers.time_to_healthy} why={numbers.unknown.time_to_healthy} />
              <Share share={numbers.change_failure_rate} count={numbers.failures} why={numbers.unknown.change_failure_rate} />
              <Took spread={numbers.time_to_restore} why={numbers.unknown.time_to_restore} />
              <Share share={numbers.rework_rate} why={numbers.unknown.rework_rate} />
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Took({ spread, why }: { spread: Spread; why: string | undefined }) {
  if (!spread) return <Unknown why={why} />;
  return (
    <td>
      {duration(spread.median_seconds)}
      <div class="quiet">{texts.numbers.spread(duration(spread.p90_seconds), spread.count)}</div>
    </td>
  );
}

function Share({ share, count, why }: { share: number | null; count?: number; why: string | undefined }) {
  if (share === null) return <Unknown why={why} />;
  return (
    <td>
      {new Intl.NumberFormat("en", { style: "percent", maximumFractionDigits: 1 }).format(share)}
      {count !== undefined && <div class="quiet">{plural(count, "deployment")}</div>}
    </td>
  );
}

/** What is not known says why, to everybody and not only on hover. */
function Unknown({ why }: { why: string | undefined }) {
  return (
    <td class="reason">
      <span class="quiet">{why ?? texts.unknown}</span>
    </td>
  );
}
