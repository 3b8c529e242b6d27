import {
  CausewayError,
  defineTask,
  missingPlacedFile,
  placedFileParams,
  readPlacedFile,
  type Static,
  Type,
} from "causeway";

const line = Type.String({ minLength: 1, pattern: "^[^\\n]*$" });

const params = Type.Object(
  {
    ...placedFileParams,
    lines: Type.Optional(
      Type.Array(
        Type.Union([
          line,
          Type.Object({ line, insteadOf: Type.String({ minLength: 1 }) }, { additionalProperties: false }),
        ]),
        {
          description:
            "lines that are to be in the file. One with `insteadOf`, a regular expression, replaces the last line that matches it; the others, and one for which nothing matches, go to the end",
        },
      ),
    ),
    without: Type.Optional(
      Type.Array(Type.String({ minLength: 1 }), {
        description: "regular expressions: lines that match one of them go",
      }),
    ),
  },
  { additionalProperties: false },
);

type Params = Static<typeof params>;

/**
 * Single lines of a file that has other owners, too. All that concerns one file belongs into one task: the file is what the
 * undo brings back, unless somebody changed it since.
 *
 * ```ts
 * import { lines } from "causeway/tasks";
 *
 * export const task = lines({
 *   path: "/etc/ssh/sshd_config",
 *   lines: [{ line: "PermitRootLogin prohibit-password", insteadOf: "^#?PermitRootLogin " }, "UseDNS no"],
 *   without: ["^AcceptEnv "],
 *   reloads: ["ssh"],
 * });
 * ```
 */
export const lines = defineTask({
  name: "lines",
  summary: "Lines that are, or are not, in a file",
  params,
  key: ({ path }) => path,
  read: readPlacedFile,
  present: (state, params) => {
    const { path, content, kind, size } = state.file;
    if (kind === "file" && content === "" && size > 0)
      throw new CausewayError("host", `${path} is too large to be edited`, {
        found: `${size} bytes`,
        expected: "at most 1 MiB",
        advice: "edit it by hand, or replace it as a whole with the task file",
      });
    const text = withLines(content, params);
    refuseContradiction(path, text, params);
    if (text === "" && kind === "absent") return [];
    return missingPlacedFile(state, params, { text });
  },
});

/** Each line is there in the end, and none that is to go: otherwise the next run would find something to do again. */
function refuseContradiction(path: string, text: string, { lines = [], without = [] }: Params): void {
  const now = text.split("\n");
  const lost = lines
    .map((one) => (typeof one === "string" ? one : one.line))
    .filter((one) => !now.includes(one));
  const left = without.filter((pattern) => now.slice(0, -1).some((one) => new RegExp(pattern).test(one)));
  if (lost.length === 0 && left.length === 0) return;
  throw new CausewayError("playbook", `the lines for ${path} contradict each other`, {
    found: [
      ...lost.map((one) => `“${one}” is replaced by another one`),
      ...left.map((p) => `one of them matches ${p} of \`without\``),
    ].join("; "),
    expected: "no line that another one replaces, or that `without` takes away",
  });
}

/** The text with the lines put in and taken out; all others stay where they are. */
export function withLines(
  text: string,
  { lines = [], without = [] }: Pick<Params, "lines" | "without">,
): string {
  const gone = without.map((pattern) => new RegExp(pattern));
  const ends = text === "" || text.endsWith("\n");
  const now = (ends ? text.slice(0, -1) : text).split("\n").filter((one) => !gone.some((p) => p.test(one)));
  const kept = text === "" ? [] : now;
  for (const wanted of lines) {
    const { line, insteadOf } = typeof wanted === "string" ? { line: wanted, insteadOf: undefined } : wanted;
    const matching = insteadOf === undefined ? undefined : new RegExp(insteadOf);
    const at = matching ? kept.findLastIndex((one) => matching.test(one)) : -1;
    if (at >= 0) kept[at] = line;
    else if (!kept.includes(line)) kept.push(line);
  }
  const result = kept.join("\n");
  if (kept.length === 0) return "";
  // A last line without its end stays one, as long as it is the last.
  return ends || kept.at(-1) !== text.split("\n").at(-1) ? `${result}\n` : result;
}
