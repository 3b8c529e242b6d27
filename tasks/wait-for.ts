import { AbsolutePath, defineTask, later, type Reader, ShellScript, type Static, sh, Type } from "causeway";

const usualTimeout = "60s";

const params = Type.Object(
  {
    port: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 65_535,
        description: "until a program of this host listens on this TCP port",
      }),
    ),
    path: Type.Optional(AbsolutePath({ description: "until this path exists" })),
    unit: Type.Optional(Type.String({ description: "until this unit is active" })),
    until: Type.Optional(ShellScript({ description: "until this ends with code 0; it changes nothing" })),
    words: Type.Optional(Type.String({ description: "what `until` waits for, as a person is told" })),
    timeout: Type.Optional(
      Type.String({
        pattern: "^\\d+(\\.\\d+)?(ms|s|m)$",
        default: usualTimeout,
        description: "how long it may take, `30s` or `5m`; after that the host has failed",
      }),
    ),
  },
  {
    additionalProperties: false,
    oneOf: [{ required: ["port"] }, { required: ["path"] }, { required: ["unit"] }, { required: ["until"] }],
  },
);

type Params = Static<typeof params>;

/**
 * Waits for something that no step brings about at once. It changes nothing. A check says what would be waited for. Restarts and
 * reloads that tasks before it made necessary are done first: what it waits for may be the new program.
 *
 * ```ts
 * import { sh } from "causeway";
 * import { waitFor } from "causeway/tasks";
 *
 * export const tasks = [
 *   waitFor({ port: 8080, timeout: "2m" }),
 *   waitFor({ until: sh`curl -fs http://127.0.0.1:8080/health`, words: "the app is healthy", timeout: "30s" }),
 * ];
 * ```
 */
export const waitFor = defineTask({
  name: "wait-for",
  summary: "Something that takes its time is there",
  params,
  key: (params) => words(params),
  afterRestarts: true,
  settles: ({ timeout = usualTimeout }) => timeout,
  read: async (host, params) => isThere(host, params),
  present: (isThere, params) => (isThere ? [] : [later(`not yet: ${words(params)}`)]),
});

async function isThere(host: Reader, { port, path, unit, until = sh`false` }: Params): Promise<boolean> {
  if (unit !== undefined) return (await host.unit(unit)).active === "active";
  if (path !== undefined)
    return (await host.read(sh`[ -e ${path} ]`, { looksAt: [`file:${path}`] })).code === 0;
  if (port === undefined) return (await host.read(until)).code === 0;
  return (await host.read(sh`ss -Hltn ${`sport = :${port}`}`)).stdout !== "";
}

function words({ port, path, unit, until, words }: Params): string {
  if (port !== undefined) return `a program listens on port ${port}`;
  if (path !== undefined) return `${path} exists`;
  if (unit !== undefined) return `${unit} is active`;
  return words ?? until?.text ?? "";
}
