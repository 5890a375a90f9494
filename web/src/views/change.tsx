// One line of history, with everything that is known about it.

import { environment as ask, lineOf } from "../api/questions";
import { after } from "../model/changes";
import type { Place } from "../model/route";
import { Answered } from "../parts/answered";
import { Empty, Link, Moment, Release, State } from "../parts/basics";
import { Heading } from "../parts/shell";
import { useAnswer } from "../state/answer";
import { texts } from "../texts";

const OUTCOMES: Readonly<Record<string, "closed" | "good" | "info">> = { healthy: "good", failed: "closed" };

export function ChangeView({ at, environment, app, line: id }: { at: Place; environment: string; app: string; line: string }) {
  const place = `${at.org}/${at.workspace}/${environment}`;
  const asked = useAnswer(`line ${place}/${app}/${id}`, async (signal) => {
    const answer = await lineOf(at, environment, app, id, signal);
    // A null answer would look like one that has not come yet.
    return answer.ok ? { ...answer, data: { line: answer.data } } : answer;
  });
  const named = useAnswer(`environment ${place}?`, (signal) => ask(at, environment, "", signal));
  const name = named.data?.name ?? environment;
  return (
    <>
      <Heading
        title={texts.change.title}
        up={[
          { to: { view: "matrix", at }, label: texts.nav.matrix },
          { to: { view: "environment", at, environment, query: {} }, label: name },
          { to: { view: "binding", at, environment, app }, label: app },
        ]}
      />
      <Answered asked={asked}>
        {({ line }) =>
          line ? (
            <>
              <p class="sentence">
                <strong>{line.deployed_by}</strong> {texts.actions[line.action] ?? line.action} <strong>{line.app_id}</strong> {texts.binding.in} <strong>{name}</strong>, <Moment at={line.deployed_at} />
              </p>
              <div class="turn">
                <div class="side">
                  <span class="quiet">{texts.change.before}</span>
                  <Release id={line.previous_release_id} />
                </div>
                <div class="after">
                  <span aria-hidden="true">→</span>
                  <div class="side">
                    <span class="quiet">{texts.change.after}</span>
                    <Release id={after(line)} />
                  </div>
                </div>
              </div>
              <dl class="details">
                <dt>{texts.change.reason}</dt>
                <dd>{line.reason ?? <span class="quiet">{texts.change.noReason}</span>}</dd>
                <dt>{texts.change.who}</dt>
                <dd>
                  {line.deployed_by} {line.imported && <span class="quiet">{texts.change.claimed}</span>}
                </dd>
                <dt>{texts.change.when}</dt>
                <dd>
                  <Moment at={line.deployed_at} form="full" />
                </dd>
                {line.imported && (
                  <>
                    <dt>{texts.change.imported}</dt>
                    <dd>{line.imported_from}</dd>
                  </>
                )}
                <dt>{texts.change.position}</dt>
                <dd>{line.sequence}</dd>
                {line.outcome !== null && (
                  <>
                    <dt>{texts.change.outcome}</dt>
                    <dd>
                      <State kind={OUTCOMES[line.outcome] ?? "info"} {...(line.outcome === "failed" ? { sign: "failed" as const } : {})}>
                        {texts.outcomes[line.outcome] ?? line.outcome}
                      </State>{" "}
                      {line.healthy_at !== null && <Moment at={line.healthy_at} />}
                    </dd>
                  </>
                )}
                {line.override.length > 0 && (
                  <>
                    <dt>{texts.change.override}</dt>
                    <dd class="what">
                      {line.override.map((gate) => (
                        <State key={gate} kind="warn">
                          <code>{gate}</code>
                        </State>
                      ))}
                    </dd>
                  </>
                )}
                <dt>{texts.change.recorded}</dt>
                <dd>{line.recorded ? texts.change.yes : <State kind="warn">{texts.change.notYet}</State>}</dd>
                {line.hash !== null && (
                  <>
                    <dt>{texts.change.hash}</dt>
                    <dd>
                      <code>{line.hash}</code>
                      <p class="quiet">{texts.change.hashHint}</p>
                    </dd>
                  </>
                )}
                <dt>{texts.change.id}</dt>
                <dd>
                  <code>{line.deployment_id}</code>
                </dd>
              </dl>
              <p>
                <Link to={{ view: "environment", at, environment, query: { at: line.deployed_at } }}>{texts.change.then}</Link>
              </p>
            </>
          ) : (
            <Empty title={texts.change.notFound} />
          )
        }
      </Answered>
    </>
  );
}
