import { describe, expect, test } from "vitest";
import { sh } from "../../src/host/sh.ts";
import { command } from "../../tasks/command.ts";
import { planWords } from "./words.ts";

const given = { name: "the database", do: sh`init`, creates: "/var/lib/db", undo: sh`rm -r /var/lib/db` };
const items = (isDone: boolean, more: object = {}) =>
  command.definition.present(isDone, { ...given, ...more });

describe("command: state read → exact steps", () => {
  test("not done, and done", () => {
    expect(planWords(items(false))).toEqual(["the database: — → done"]);
    expect(planWords(items(false, { restarts: ["app"] }))).toEqual(["the database: — → done ⇒ restart app"]);
    expect(items(true)).toEqual([]);
  });

  test("its path, or its own command, is by what the journal knows that it is done", () => {
    expect(items(false)).toMatchObject([{ resource: ["run", "[ -e /var/lib/db ]", "rm -r /var/lib/db"] }]);
    const { creates: _, ...rest } = given;
    expect(command.definition.present(false, { ...rest, unless: sh`db-ready` })).toMatchObject([
      { resource: ["run", "db-ready", "rm -r /var/lib/db"] },
    ]);
  });

  test("what cannot be taken back says why", () => {
    const { undo: _, ...rest } = given;
    expect(command.definition.present(false, { ...rest, irreversible: "the data is gone" })).toMatchObject([
      { irreversible: "the data is gone" },
    ]);
  });

  test("how it is seen and how it is taken back have to be said, before any connection", () => {
    const { undo: _, ...noUndo } = given;
    const { creates: __, ...unseen } = given;
    expect(() => command(noUndo)).toThrow(
      "parameters of command: the value needs exactly one of undo, irreversible",
    );
    expect(() => command(unseen)).toThrow("the value needs exactly one of creates, unless");
  });
});
