import { describe, expect, test } from "vitest";
import { parseAtRisk } from "../../src/host/tools/containers.ts";
import { endedWords, fateOf, fateWords } from "../../src/run/container-words.ts";
import { ended, endedUnits } from "../../src/run/containers.ts";
import { restart } from "../../src/task/step.ts";

interface Told {
  name: string;
  running?: boolean;
  startedAt?: string;
  finishedAt?: string;
  policy?: string;
  removed?: boolean;
  service?: string | null;
  networks?: readonly string[];
}

/** A line as the host's shell function prints it. */
const told = ({ name, networks = ["bridge"], ...over }: Told) =>
  JSON.stringify({
    id: `id-${name}`,
    name: `/${name}`,
    running: true,
    exitCode: 0,
    startedAt: "2026-03-04T10:00:00.123456789Z",
    finishedAt: "0001-01-01T00:00:00Z",
    policy: "no",
    removed: false,
    service: null,
    ...over,
    networks: [...networks, null],
  });

const runs = (...containers: Told[]) => containers.map((one) => `runs ${told(one)}`);
const words = (...containers: Told[]) =>
  fateWords(parseAtRisk(["ends docker", ...runs(...containers)]).containers.map(fateOf));

describe("what will become of containers that end with Docker", () => {
  test("follows from their restart policies, and is told with their networks", () =>
    expect(
      words(
        { name: "web", policy: "always", networks: ["n1", "n2"] },
        { name: "db", policy: "unless-stopped" },
        { name: "job", networks: ["host"] },
        { name: "worker", policy: "on-failure" },
        { name: "tmp", removed: true },
        { name: "app.1", service: "app" },
      ),
    ).toBe(
      "6 containers; back again: web (n1, n2), db (bridge); back again only after an error: worker (bridge, restart policy on-failure); replaced by swarm: app.1 (bridge); not back: job (host, restart policy no), tmp (bridge, started with --rm, so removed)",
    ));

  test("many are counted, and some of them named", () =>
    expect(
      words(...Array.from({ length: 20 }, (_, i) => ({ name: `w${i}`, policy: "always", networks: [] }))),
    ).toBe("20 containers; back again: 20, such as w0, w1, w2, w3, w4, w5, w6, w7"));

  test("Docker of an older API says no policy by an empty word", () =>
    expect(words({ name: "old", policy: "" })).toContain("old (bridge, restart policy no)"));
});

describe("what became of them", () => {
  const later = { startedAt: "2026-03-04T11:00:03.5Z", finishedAt: "2026-03-04T11:00:02.25Z", running: true };
  const fates = (before: Told[], after: Told[]) =>
    ended({ atRisk: ["ends docker", ...runs(...before)], returned: after.map(told) });

  test("by Docker's own times: back, after how long, or not", () => {
    const all = fates(
      [{ name: "web", policy: "always" }, { name: "job" }, { name: "tmp", removed: true }],
      [
        { name: "web", ...later, policy: "always" },
        { name: "job", ...later, running: false },
      ],
    );
    expect(all.map(({ returns, awaySeconds }) => [returns, awaySeconds])).toEqual([
      ["yes", 1.3],
      ["no", undefined],
      ["no", undefined],
    ]);
    expect(endedWords(all)).toBe(
      "3 containers; back: web after 1.3 s; not back: job (bridge, restart policy no), tmp (bridge, started with --rm, so removed)",
    );
  });

  test("one that went on is not told of", () =>
    expect(fates([{ name: "web" }], [{ name: "web" }])).toEqual([]));
});

describe("the units that a script restarts or stops", () => {
  const causes = [restart("docker")];
  test.each([
    ["a restart", [{ what: "x", resource: "file /etc/x", to: "1 line", causes }], ["docker"]],
    [
      "a unit that is stopped",
      [{ what: "x", resource: "unit flanneld.service", to: "disabled, inactive", causes: [] }],
      ["flanneld.service"],
    ],
    [
      "a unit that was not there",
      [{ what: "x", resource: "unit flanneld.service", to: "not there", causes: [] }],
      ["flanneld.service"],
    ],
    [
      "none where one is started",
      [{ what: "x", resource: "unit flanneld.service", to: "enabled, active", causes: [] }],
      [],
    ],
  ])("%s", (_, changes, units) => expect([...endedUnits(changes).keys()]).toEqual(units));
});
