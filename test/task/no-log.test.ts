import { expect, test } from "vitest";
import { CausewayError } from "../../src/errors.ts";
import type { HostReader } from "../../src/host/reader.ts";
import { Secret, sh } from "../../src/host/sh.ts";
import { Type } from "../../src/index.ts";
import { defineTask } from "../../src/task/define.ts";
import { later, owed, restart, type Step } from "../../src/task/step.ts";

const token = "tok-4711";

const task = defineTask({
  name: "token",
  summary: "x",
  params: Type.Object({ token: Type.String(), fail: Type.Optional(Type.Boolean()) }),
  key: () => "k",
  read: async (host, { token: own }) => (await host.read(sh`grep ${own} /etc/token`)).stdout,
  present: (was, params) => {
    if (params.fail) throw new CausewayError("host", "no token", { found: params.token, advice: "make one" });
    const step: Step = {
      kind: "run",
      what: "token",
      from: was,
      to: params.token,
      diff: { path: "/etc/token", before: was, after: params.token },
      resource: ["run", "true", "true"],
      perform: sh`put ${params.token} ${new Secret("other")}`,
      touches: ["*"],
      causes: [],
    };
    return [step, owed(restart("x"), params.token), later(params.token)];
  },
});

/** A reader that notes what is asked with which secrets. */
const asked: { text: string; secrets: readonly string[] }[] = [];
const reader = {
  read: async (script: { text: string; secrets: readonly string[] }) => {
    asked.push(script);
    return { stdout: token, stderr: "", code: 0 };
  },
} as unknown as HostReader;

test("noLog: what is changed is named, and how it was and will be is shown nowhere", async () => {
  const items = await task({ token }, { noLog: true }).plan(reader);
  const [step] = items as Step[];
  const { perform, ...shown } = step as Step;
  expect(JSON.stringify([shown, items.slice(1)])).not.toContain(token);
  expect(shown).toMatchObject({ what: "token", from: "hidden, as noLog says", noLog: true });
  expect(shown).not.toHaveProperty("diff");
  // The command itself is the same, and masked as a whole.
  const plain = (await task({ token }).plan(reader))[0] as Step;
  expect(perform).toEqual({ text: plain.perform.text, secrets: ["other", plain.perform.text] });
  expect(asked.map(({ secrets }) => secrets)).toEqual([[`grep ${token} /etc/token`], []]);
});

test("noLog: a refusal keeps what it says to do, and not what it found", async () => {
  const error = await task({ token, fail: true }, { noLog: true })
    .plan(reader)
    .then(
      () => undefined,
      (thrown: CausewayError) => thrown,
    );
  expect([error?.message, error?.detail]).toEqual([
    "no token",
    { found: "hidden, as noLog says", advice: "make one" },
  ]);
});

test("an option that is none is an error where the task is composed", () => {
  expect(() => task({ token }, { tag: ["x"] } as never)).toThrow(/options of token: tag is not known here/);
});
