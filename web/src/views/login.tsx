// A token is pasted once and given to the facade. It is read from the field when the form is sent, and the field is emptied.

import { useRef, useState } from "preact/hooks";

import type { Failure } from "../api/client";
import { FailureText, Mark } from "../parts/basics";
import { logIn } from "../state/session";
import { texts } from "../texts";

export function Login() {
  const field = useRef<HTMLInputElement>(null);
  const [working, setWorking] = useState(false);
  const [problem, setProblem] = useState<Failure | string | null>(null);
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    const token = field.current?.value.trim() ?? "";
    if (!token) return setProblem(texts.login.empty);
    setWorking(true);
    const failure = await logIn({ token });
    if (field.current) field.current.value = "";
    setWorking(false);
    setProblem(failure?.status === 401 ? texts.login.refused : failure);
  };
  return (
    <main class="login" id="content">
      <form onSubmit={(event) => void submit(event)}>
        <Mark />
        <h1>{texts.login.title}</h1>
        <p class="quiet">{texts.login.hint}</p>
        <label for="token">{texts.login.token}</label>
        <input id="token" ref={field} type="password" autocomplete="off" spellcheck={false} aria-describedby="how" autofocus />
        <div role="alert">{problem !== null && <div class="note closed">{typeof problem === "string" ? <p>{problem}</p> : <FailureText failure={problem} />}</div>}</div>
        <button type="submit" class="main" disabled={working}>
          {working ? texts.login.working : texts.login.button}
        </button>
        <p id="how" class="quiet">
          {texts.login.how} <code>kubectl create token NAME</code>
        </p>
      </form>
    </main>
  );
}
