// A schema as a table of fields, and its type as a short text with links to the models.

import { useId } from "preact/hooks";

import { alternatives, limits, list, modelOf, object, type Json } from "./document";
import { prose } from "./prose";
import { texts } from "./texts";

/** The type of a value: models are links. */
export function Type({ schema }: { schema: Json }) {
  const { schemas, nullable } = alternatives(schema);
  return (
    <span class="type">
      {schemas.map((one, place) => (
        <span key={place}>
          {place > 0 && " | "}
          <Single schema={one} />
        </span>
      ))}
      {nullable && " | null"}
    </span>
  );
}

function Single({ schema }: { schema: Json }) {
  const model = modelOf(schema);
  if (model) return <a href={`#model-${model}`}>{model}</a>;
  if ("const" in schema) return <>{JSON.stringify(schema.const)}</>;
  if (Array.isArray(schema.enum)) return <>{schema.enum.map((one) => JSON.stringify(one)).join(" | ")}</>;
  if (schema.type === "array") {
    return (
      <>
        array of <Type schema={object(schema.items)} />
      </>
    );
  }
  const values = object(schema.additionalProperties);
  if (schema.type === "object" && Object.keys(values).length) {
    return (
      <>
        map of <Type schema={values} />
      </>
    );
  }
  return <>{Array.isArray(schema.type) ? schema.type.join(" | ") : typeof schema.type === "string" ? schema.type : "any"}</>;
}

/** The fields of an object, each with its type, its bounds and what it means. */
export function Fields({ schema, label }: { schema: Json; label: string }) {
  const fields = Object.entries(object(schema.properties));
  const required = new Set(list(schema.required));
  const name = useId();
  if (!fields.length) return <p class="quiet">{texts.noFields}</p>;
  return (
    <div class="scroll" tabIndex={0} role="region" aria-labelledby={name}>
      <table class="lines">
        <caption class="unseen" id={name}>
          {label}
        </caption>
        <thead>
          <tr>
            <th scope="col">{texts.field}</th>
            <th scope="col">{texts.type}</th>
            <th scope="col">{texts.meaning}</th>
          </tr>
        </thead>
        <tbody>
          {fields.map(([field, value]) => (
            <Row key={field} name={field} required={required.has(field)} schema={object(value)} description={descriptionOf(object(value))} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** The description of a field, which may stand at its only alternative. */
function descriptionOf(schema: Json): string {
  const inner = alternatives(schema).schemas[0] ?? {};
  const found = schema.description ?? inner.description;
  return typeof found === "string" ? found : "";
}

interface RowProps {
  name: string;
  required: boolean;
  schema: Json;
  description: string;
}

/** A row of a table of fields or parameters. */
export function Row({ name, required, schema, description }: RowProps) {
  return (
    <tr>
      <th scope="row">
        <code>{name}</code>
        {required && <span class="required">{texts.required}</span>}
      </th>
      <td>
        <Type schema={schema} />
      </td>
      <td class="reason">
        {description && <p>{prose(description)}</p>}
        {limits(schema).map((one) => (
          <p key={one} class="quiet">
            {one}
          </p>
        ))}
      </td>
    </tr>
  );
}
