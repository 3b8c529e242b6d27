import { expect } from "vitest";
import { differences, snapshot } from "./snapshot.ts";
import { inFull, type RunEventLike, useLab } from "./support.ts";

const lab = useLab("test-verbose", 82, 1);
const [host = ""] = lab.names;

/** A unit that says hello to the host's log; its step ends once somebody has heard it, and leaves something running. */
const speaking = `import { definePlaybook, defineTask, rawScript, restart, step, Type } from "causeway";
const unit = "/etc/systemd/system/cw-speaks.service";
const speaks = defineTask({ name: "speaks", summary: "x", params: Type.Object({}), key: () => "", read: (host) => host.file(unit),
  present: (was) => was.kind === "file" ? [] : [step.run({ what: "unit cw-speaks", to: "there", touches: ["file:" + unit],
    do: rawScript(\`printf '[Service]\\\\nExecStart=/bin/sh -c "echo hello; exec sleep 1000"\\\\n' >\${unit} && systemctl daemon-reload || exit 1
echo building; printf '@cw failed 0001 perform 0\\\\n'; until [ -e /run/cw-heard ]; do sleep 0.1; done; sleep 1000 & echo done\`),
    done: rawScript("[ -e " + unit + " ]"), undo: rawScript("systemctl stop cw-speaks; rm -f " + unit + " && systemctl daemon-reload"),
    causes: [restart("cw-speaks")] })] });
export default definePlaybook({ name: "speaks", summary: "x", vars: Type.Object({}),
  plays: [{ title: "Speak", hosts: "docker", tasks: () => [speaks({})] }] });
`;

const said = (events: readonly RunEventLike[], what: string) =>
  events.flatMap((e) => (e.type === "output" && e.what === what ? (e.lines as string[]) : []));

inFull(
  "with -v a step is heard while it goes on, and a restart by its unit's words; an undo that needs none says so",
  async () => {
    const start = await snapshot(lab, host);
    const playbook = lab.playbook("speaks.ts", speaking);
    // Without -v nothing of it is told, and it costs as many round trips.
    await lab.must(host, "touch /run/cw-heard");
    const quiet = await lab.fine(playbook);
    expect(quiet.events.filter(({ type }) => type === "output")).toEqual([]);
    const inventory = lab.inventory();
    expect((await lab.run("rollback", ["--output", "json"], inventory)).code).toBe(0);
    await lab.must(host, "rm /run/cw-heard");

    const loud = await lab.follow(playbook, ["-v"], async (event) => {
      // The step ends only once this was heard.
      if (event.type === "output" && (event.lines as string[]).includes("building"))
        await lab.must(host, "touch /run/cw-heard");
    });
    expect(loud.code).toBe(0);
    expect(said(loud.events, "unit cw-speaks")).toEqual(["building", "@cw failed 0001 perform 0", "done"]);
    expect(said(loud.events, "restart cw-speaks")).toContain("hello");
    const trips = [quiet, loud].map(
      ({ events }) => events.find((e) => e.type === "disconnected")?.roundTrips,
    );
    expect(trips[1]).toBe(trips[0]);

    const back = await lab.run("rollback", ["--output", "json"], inventory);
    const events = back.stdout
      .split("\n")
      .filter(Boolean)
      .map((line) => JSON.parse(line) as RunEventLike);
    expect(back.code).toBe(0);
    expect(events.flatMap((e) => (e.type === "consequence" ? [`${e.what} ${e.state}`] : []))).toEqual([
      "restart cw-speaks spared",
    ]);
    await lab.must(host, "pkill -x -f 'sleep 1000'; rm -f /run/cw-heard");
    expect(differences(start, await snapshot(lab, host))).toEqual([]);
  },
);
