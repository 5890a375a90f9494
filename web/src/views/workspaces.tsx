// Which workspace? One that is the only one is opened at once.

import { useEffect, useState } from "preact/hooks";


import { send, type Answer, type Schemas } from "../api/client";
import { matching } from "../model/filter";
import { Answered } from "../parts/answered";
import { Empty, Link } from "../parts/basics";
import { Heading } from "../parts/shell";
import { useAnswer } from "../state/answer";
import { go } from "../state/router";
import { plural, texts } from "../texts";

type Entry = Schemas["WorkspaceEntry"];

export function Workspaces() {
  const asked = useAnswer("workspaces", all);
  const only = asked.data?.length === 1 ? asked.data[0] : undefined;
  useEffect(() => {
    if (only && !history.state) go({ view: "matrix", at: placeOf(only) }, { replace: true });
  }, [only?.workspace_id]);
  return (
    <>
      <Heading title={texts.workspaces.title} />
      <Answered asked={asked}>{(workspaces) => <List workspaces={workspaces} />}</Answered>
    </>
  );
}

/** Every page of them. */
async function all(signal: AbortSignal): Promise<Answer<Entry[]>> {
  const found: Entry[] = [];
  let cursor: string | undefined;
  for (;;) {
    const answer = await send("get", "/v1/workspaces", { query: { limit: 200, cursor }, signal });
    if (!answer.ok) return answer;
    found.push(...answer.data.workspaces);
    if (answer.data.next_cursor === null) return { ...answer, data: found };
    cursor = answer.data.next_cursor;
  }
}

function List({ workspaces }: { workspaces: readonly Entry[] }) {
  const [filter, setFilter] = useState("");
  if (!workspaces.length) return <Empty title={texts.workspaces.empty} hint={texts.workspaces.emptyHint} />;
  const shown = matching(workspaces, filter, (one) => `${one.org_id}/${one.workspace_id}`.toLowerCase());
  return (
    <>
      <div class="bar">
        <input type="search" aria-label={texts.workspaces.filter} placeholder={texts.workspaces.filter} value={filter} onInput={(event) => setFilter(event.currentTarget.value)} />
        <span class="quiet" role="status">
          {texts.workspaces.count(shown.length, workspaces.length)}
        </span>
      </div>
      <ul class="cards">
        {shown.map((one) => (
          <li key={`${one.org_id}/${one.workspace_id}`}>
            <Link to={{ view: "matrix", at: placeOf(one) }}>
              <span class="quiet">{one.org_id}</span>
              <strong>{one.workspace_id}</strong>
              <span class="quiet">{plural(one.environments, "environment")}</span>
            </Link>
          </li>
        ))}
      </ul>
    </>
  );
}

function placeOf(one: Entry): { org: string; workspace: string } {
  return { org: one.org_id, workspace: one.workspace_id };
}
