// The page: which view an address shows, and who may see it.

import "./style.css";

import { signal } from "@preact/signals";
import { render } from "preact";
import { useEffect } from "preact/hooks";

import type { Route } from "./model/route";
import { Empty, Link, Waiting } from "./parts/basics";
import { Shell } from "./parts/shell";
import { follow } from "./state/live";
import { route } from "./state/router";
import { askRights, identify, isStranger, loggedIn, logIn, offline, takeCode } from "./state/session";
import { texts } from "./texts";
import { AppView } from "./views/app";
import { BindingView } from "./views/binding";
import { ChangeView } from "./views/change";
import { CompareView } from "./views/compare";
import { EnvironmentView } from "./views/environment";
import { FreezesView } from "./views/freezes";
import { HistoryView } from "./views/history";
import { Login } from "./views/login";
import { Matrix } from "./views/matrix";
import { NumbersView } from "./views/numbers";
import { Workspaces } from "./views/workspaces";

const RETRY_MILLIS = 5_000;

function Page() {
  const here = route.value;
  const known = loggedIn.value;
  const place = "at" in here ? here.at : null;
  useEffect(() => {
    if (known !== true) return follow(null);
    follow(place);
    if (place) void askRights(place);
  }, [known, place?.org, place?.workspace]);
  useEffect(() => {
    document.title = titleOf(here);
  }, [here]);
  if (known === false) return <Login />;
  // Views ask at once, and not only when it is known who is logged in: a stranger's question is answered with the login.
  const unknown = known === null && (redeeming.value || offline.value);
  return <Shell>{unknown ? <Unknown /> : <View here={here} />}</Shell>;
}

/** Whether the code of a link is being redeemed: until then it is open whose the page is. */
const code = takeCode();
const redeeming = signal(code !== null);

/** Nothing is known yet about who is logged in. */
function Unknown() {
  return offline.value ? <Empty title={texts.errors.unreachable} whole /> : <Waiting />;
}

function View({ here }: { here: Route }) {
  switch (here.view) {
    case "workspaces":
      return <Workspaces />;
    case "matrix":
      return <Matrix at={here.at} />;
    case "environment":
      return <EnvironmentView at={here.at} environment={here.environment} query={here.query} />;
    case "binding":
      return <BindingView at={here.at} environment={here.environment} app={here.app} />;
    case "change":
      return <ChangeView at={here.at} environment={here.environment} app={here.app} line={here.line} />;
    case "app":
      return <AppView at={here.at} app={here.app} />;
    case "history":
      return <HistoryView at={here.at} query={here.query} />;
    case "freezes":
      return <FreezesView at={here.at} />;
    case "numbers":
      return <NumbersView at={here.at} query={here.query} />;
    case "compare":
      return <CompareView at={here.at} query={here.query} />;
    default:
      return (
        <Empty title={texts.errors.notFound} whole>
          <Link to={{ view: "workspaces" }}>{texts.errors.toStart}</Link>
        </Empty>
      );
  }
}

function titleOf(here: Route): string {
  const parts: string[] = [];
  if ("app" in here) parts.push(here.app);
  if ("environment" in here) parts.push(here.environment);
  if ("at" in here) parts.push(here.at.workspace);
  return [...parts, texts.product].join(" · ");
}

async function start(): Promise<void> {
  // A link that has been used, or is too old, leads to the login. Who is logged in stays who they are: otherwise a
  // stranger's link could make them act under the stranger's name.
  if (code !== null && (await isStranger())) await logIn({ code });
  if (loggedIn.value !== true) await identify();
  if (loggedIn.value === null) setTimeout(() => void start(), RETRY_MILLIS);
  else redeeming.value = false;
}

render(<Page />, document.getElementById("page") as HTMLElement);
void start();
