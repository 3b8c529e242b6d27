import { join } from "node:path";
import { expect } from "vitest";
import { packageDir } from "../../src/package-dir.ts";
import { differences, snapshot } from "./snapshot.ts";
import { inFull, recapOf, stepsOf, useLab } from "./support.ts";

const lab = useLab("test-failing", 77, 1);
const [host = ""] = lab.names;
const playbook = join(packageDir, "test/lab/playbooks/failing.ts");

inFull(
  "what fails by chance is tried again, what fails is rescued, and a run that succeeds takes the rescue back",
  async () => {
    await lab.reset();
    await lab.must(host, "rm -f /run/cw-luck");
    const start = await snapshot(lab, host);
    const files = () => lab.must(host, "ls /opt | tr '\\n' ' '");

    const first = await lab.events(playbook);
    expect(first.code).toBe(0);
    expect(recapOf(first.events)[host]).toMatchObject({ failed: 0, rescued: ["Be well"] });
    const warnings = first.events.flatMap((e) =>
      e.type === "message" && e.level === "warning" ? [e.text] : [],
    );
    expect(warnings).toEqual([
      expect.stringMatching(/^command luck failed, and is tried again in 0.1 s, 1 of 2\n[\s\S]*no luck/),
      expect.stringMatching(/^“Be well” failed, and its rescue is done instead\n/),
    ]);
    expect(await files()).toBe("always luck rescued ");

    // Of the first try nothing is left over; the play that failed is tried anew, and rescued again.
    const second = await lab.events(playbook);
    expect(second.code).toBe(0);
    expect(second.events.flatMap((e) => (e.type === "message" ? [e.text] : [])).join()).not.toContain(
      "command luck",
    );
    expect(stepsOf(second.events, false)).toEqual([]);

    const well = await lab.events(playbook, ["-e", "well=true"]);
    expect(well.code).toBe(0);
    expect(recapOf(well.events)[host]).not.toHaveProperty("rescued");
    expect(await files()).toBe("always luck well ");

    const last = await lab.events(playbook, ["-e", "well=true"]);
    expect(last.code).toBe(0);
    expect(
      last.events.flatMap((e) => (e.type === "message" && e.level === "warning" ? [e.text] : [])),
    ).toEqual([]);
    expect(stepsOf(last.events, false)).toEqual([]);

    expect((await lab.run("playbooks/reset.ts")).code).toBe(0);
    await lab.must(host, "rm -f /run/cw-luck");
    expect(differences(start, await snapshot(lab, host))).toEqual([]);
  },
);
