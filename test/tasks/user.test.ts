import { describe, expect, test } from "vitest";
import { user } from "../../tasks/user.ts";
import { planWords } from "./words.ts";

type State = Parameters<typeof user.definition.present>[0];
type Given = Omit<Parameters<typeof user>[0], "name">;

const app = { uid: 1001, group: "app", groups: ["adm"], home: "/home/app", shell: "/bin/sh", comment: "" };
const items = (state: State["user"], given: Given, known = ["adm", "users", "staff"]) =>
  user.definition.present({ user: state, known }, { name: "app", ...given });
const plan = (...given: Parameters<typeof items>) => planWords(items(...given));

describe("user: state read → exact steps", () => {
  test.each<[string, State["user"], Given, string[]]>([
    ["none yet", undefined, {}, ["user app: — → as the system makes it"]],
    [
      "none yet, with all that can be said",
      undefined,
      { uid: 900, group: "staff", groups: ["adm"], home: "/srv", shell: "/bin/sh", comment: "An app" },
      ["user app: — → uid 900, group staff, groups adm, home /srv, shell /bin/sh, “An app”"],
    ],
    ["in place", app, { uid: 1001, groups: ["adm"], shell: "/bin/sh" }, []],
    ["in more groups than are asked for", { ...app, groups: ["adm", "users"] }, { groups: ["adm"] }, []],
    ["what only a new one gets", app, { create_home: true, system: true }, []],
    [
      "another shell, and one group more",
      app,
      { shell: "/bin/bash", groups: ["users"] },
      [
        "user app: uid 1001, group app, groups adm, home /home/app, shell /bin/sh → uid 1001, group app, groups adm,users, home /home/app, shell /bin/bash",
      ],
    ],
  ])("%s", (_, state, given, steps) => {
    expect(plan(state, given)).toEqual(steps);
  });

  test("of an old one only what differs is changed; its groups stay", () => {
    const [item] = items(app, { shell: "/bin/bash", groups: ["users"], home: "/home/app" });
    expect(item).toMatchObject({
      perform: { text: "usermod --groups adm,users --shell /bin/bash app" },
      resource: ["user", "app"],
    });
  });

  test("a group that an earlier task makes is waited for", () => {
    expect(plan(undefined, { groups: ["adm", "ops"] }, ["adm"])).toEqual([
      "later: the host has no group ops yet",
    ]);
  });

  test("another number is refused", () => {
    expect(() => plan(app, { uid: 1002 })).toThrow("the user app has another number");
  });
});
