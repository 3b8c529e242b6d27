import {
  defineTask,
  missingPlacedFile,
  type PlacedFile,
  placedFileParams,
  readPlacedFile,
  type TaskInstance,
  type TaskOptions,
  Type,
} from "causeway";

const params = Type.Object(
  {
    ...placedFileParams,
    text: Type.Unsafe<(vars: never) => string>({
      description: "a pure function: variables in, the file's text out",
    }),
    vars: Type.Unsafe<unknown>({
      description: "the variables; their type is that of the function's parameter",
    }),
    secret: Type.Optional(Type.Boolean({ description: "the text is shown nowhere" })),
  },
  { additionalProperties: false },
);

/** A template with the variables that it is for; the compiler knows whether they fit. */
export interface Template<V> extends PlacedFile {
  text: (vars: V) => string;
  vars: V;
  secret?: boolean;
}

const rendered = defineTask({
  name: "template",
  summary: "A file whose text a function makes of variables",
  params,
  key: ({ path }) => path,
  read: readPlacedFile,
  present: (state, given) => {
    const { text, vars, secret = false } = given;
    return missingPlacedFile(state, given, { text: text(vars as never), secret });
  },
});

/**
 * A file whose text a function makes of variables: a template literal is the template, `map` its loop and `?:` its condition.
 * The compiler checks the variables. In everything else it is the task `file`.
 *
 * ```ts
 * import { template } from "causeway/tasks";
 *
 * interface Proxy {
 *   port: number;
 *   backends: readonly { name: string; address: string }[];
 * }
 *
 * const haproxy = ({ port, backends }: Proxy) => `listen web
 *   bind :${port}
 * ${backends.map(({ name, address }) => `  server ${name} ${address}:8080 check`).join("\n")}
 * `;
 *
 * export const task = template({
 *   path: "/etc/haproxy/haproxy.cfg",
 *   text: haproxy,
 *   vars: { port: 80, backends: [{ name: "web1", address: "10.0.0.11" }] },
 *   reloads: ["haproxy"],
 * });
 * ```
 */
export const template = Object.assign(
  <V>({ text, ...given }: Template<V>, options?: TaskOptions): TaskInstance =>
    rendered({ ...given, text }, options),
  { definition: rendered.definition },
);
