import { describe, expect, test } from "vitest";
import type { Step } from "../../src/task/step.ts";
import { wireguardKey } from "../../tasks/wireguard-key.ts";
import { planWords } from "./words.ts";

type State = Parameters<typeof wireguardKey.definition.present>[0];
const publicKey = "b7s0OhUzDyD6K9NTIdCubuDz8hK1fj3T63gkolk1TRI=";
const whole: State = { file: "600", publicKey, hasWg: true };
const plan = (state: Partial<State>) =>
  wireguardKey.definition.present({ ...whole, ...state }, { name: "wg-causeway0" });

describe("wireguard-key plans", () => {
  test.each<[string, Partial<State>, string[]]>([
    ["nothing, where a key is", {}, []],
    [
      "a new one",
      { file: "absent", publicKey: "", hasWg: false },
      ["file /etc/wireguard/wg-causeway0.key: — → (secret) a new private key, mode 600"],
    ],
    [
      "nothing yet, where only wg is missing",
      { publicKey: "", hasWg: false },
      ["later: wg is installed first, which reads the key that is there"],
    ],
  ])("%s", (_, state, expected) => expect(planWords(plan(state))).toEqual(expected));

  test("a step that is a secret's, and whose command holds none", () => {
    const [step] = plan({ file: "absent", publicKey: "" }) as Step[];
    expect(step).toMatchObject({ secret: true, resource: ["file", "/etc/wireguard/wg-causeway0.key"] });
    expect(step?.diff).toBeUndefined();
  });
});

test.each<[string, Partial<State>, RegExp]>([
  ["one that others can read", { file: "644" }, /others than root can read/],
  ["what is no key", { publicKey: "" }, /is not a private key of WireGuard's/],
])("refuses %s", (_, state, words) => expect(() => plan(state)).toThrow(words));
