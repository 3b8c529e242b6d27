import { Type } from "typebox";
import { expect, test } from "vitest";
import { CausewayError } from "../../src/errors.ts";
import { defineTask } from "../../src/task/define.ts";
import { answeredFor, isNotYet, notYet, thrownBy } from "../../src/thrown.ts";

const broken = defineTask({
  name: "broken",
  summary: "x",
  params: Type.Object({}),
  key: () => "k",
  read: async () => undefined as unknown as { table: string[] },
  present: (state) => (state.table.length > 0 ? [] : []),
});

test("what a task's own code throws is an error of that task with its place, not a bug of ours", async () => {
  const error = await broken({})
    .plan({} as never)
    .catch((e: unknown) => e);
  expect(error).toBeInstanceOf(CausewayError);
  expect(error).toMatchObject({
    code: "playbook",
    message: expect.stringMatching(/^task broken threw TypeError: /),
    detail: { at: { file: expect.stringMatching(/thrown\.test\.ts$/), line: 13 } },
  });
});

test("what was foreseen stays as it is", () => {
  const foreseen = new CausewayError("host", "no kernel module");
  expect(thrownBy("x", foreseen)).toBe(foreseen);
  expect(isNotYet(thrownBy("x", notYet))).toBe(true);
  expect(() =>
    answeredFor("x", () => {
      throw foreseen;
    })(),
  ).toThrow(foreseen);
});
