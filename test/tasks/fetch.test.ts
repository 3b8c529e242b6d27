import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { fetch } from "../../tasks/fetch.ts";
import { noFile } from "./files.ts";
import { path, there } from "./placed.ts";
import { planWords } from "./words.ts";

const to = "/tmp/collected/app.conf";
const sum = (text: string) => createHash("sha256").update(text).digest("hex");
type State = Parameters<typeof fetch.definition.present>[0];
const plan = (state: State) => planWords(fetch.definition.present(state, { path, to }));

describe("fetch: state read → exact steps", () => {
  test.each<[string, State, string[]]>([
    [
      "not here yet",
      { file: there("a\n"), here: undefined },
      [`${to} on this machine: — → ${path}, 2 bytes`],
    ],
    ["here", { file: there("a\n"), here: sum("a\n") }, []],
    [
      "another one is here",
      { file: there("a\n"), here: sum("b\n") },
      [`${to} on this machine: sha256 ${sum("b\n").slice(0, 12)}… → ${path}, 2 bytes`],
    ],
    ["not on the host yet", { file: noFile(path), here: undefined }, [`later: ${path} is not there yet`]],
  ])("%s", (_, state, steps) => {
    expect(plan(state)).toEqual(steps);
  });

  test("a folder, or a file that is too large, is refused", () => {
    expect(() => plan({ file: { ...noFile(path), kind: "folder" }, here: undefined })).toThrow(
      "cannot be fetched",
    );
    expect(() => plan({ file: there("", { size: 2 ** 30 }), here: undefined })).toThrow("cannot be fetched");
  });
});
