import { describe, expect, test } from "vitest";
import type { ProbeHost, ProbeRun } from "../../src/index.ts";
import { storeHealth } from "../../tasks/store-health.ts";

const members = ["docker-200", "docker-201", "docker-202"].map((name) => ({
  name,
  address: `10.0.0.${name.slice(-3)}`,
}));

interface Said {
  code?: number;
  stdout?: string;
  stderr?: string;
}

/** The hosts that take part, and what a member's programs print there. */
const hosts = (said: Readonly<Record<string, Said>>) =>
  Object.entries(said).map(
    ([name, answer]) =>
      ({
        name,
        sh: async () => ({ code: 0, stdout: "", stderr: "", ...answer }),
      }) as unknown as ProbeHost,
  );

const run = { say: () => {}, evidence: false, allPairs: false } as unknown as ProbeRun;

async function found(store: "etcd" | "consul", said: Readonly<Record<string, Said>>) {
  const { cells, notes } = await storeHealth({ store, members }).run(hosts(said), run);
  return {
    well: cells.filter(({ ok }) => ok).length,
    failed: cells.filter(({ ok }) => !ok).map(({ from, to, cause }) => `${from} → ${to}: ${cause}`),
    notes,
  };
}

const list = members
  .map(({ name, address }) => `8e9e05c5, started, ${name}, http://${address}:2380, http://${address}:2379\n`)
  .join("");
const etcd = (last = "well", of = list) => ({
  stdout: `${of}-- 10.0.0.200\nwell\n-- 10.0.0.201\nwell\n-- 10.0.0.202\n${last}\n`,
});

describe("etcd", () => {
  test("each member finds all members well", async () => {
    const all = { "docker-200": etcd(), "docker-201": etcd(), "docker-202": etcd() };
    expect(await found("etcd", all)).toEqual({ well: 9, failed: [], notes: [] });
  });

  test("one that is down is named by each other one, and by itself", async () => {
    const away = "http://10.0.0.202:2379 is unhealthy: context deadline exceeded";
    const down = { code: 1, stderr: "Error: context deadline exceeded\n" };
    const { well, failed } = await found("etcd", {
      "docker-200": etcd(`{"level":"warn"}\n${away}`),
      "docker-201": etcd(away),
      "docker-202": down,
    });
    expect(well).toBe(4);
    expect(failed).toEqual([
      `docker-200 → docker-202: etcd on docker-202 is not well: ${away}`,
      `docker-201 → docker-202: etcd on docker-202 is not well: ${away}`,
      ...members.map(
        ({ name }) =>
          `docker-202 → ${name}: etcd on docker-202 gives no list of its members: Error: context deadline exceeded`,
      ),
    ]);
  });

  test("one that is in the list and never started is no member yet", async () => {
    const { failed } = await found("etcd", {
      "docker-200": etcd("well", list.replace("started, docker-202", "unstarted, ")),
    });
    expect(failed).toEqual([
      "docker-200 → docker-202: etcd on docker-200 does not know docker-202 (10.0.0.202) as a member",
    ]);
  });

  test("a member that takes no part is asked of by the others; where none takes part nothing is proved", async () => {
    const { well, notes } = await found("etcd", { "docker-200": etcd(), other: {} });
    expect(well).toBe(3);
    expect(notes).toHaveLength(2);
    await expect(found("etcd", { other: {} })).rejects.toThrow("no member of etcd could be asked");
  });
});

describe("consul", () => {
  // As consul 1.8.7 prints it.
  const peers = (
    votes = "true",
  ) => `Node        ID                                    Address          State     Voter  RaftProtocol
docker-200  2d1c0a6a-6f6d-8a3b-0d4c-1a2b3c4d5e6f  10.0.0.200:8300  leader    true   3
docker-201  3d1c0a6a-6f6d-8a3b-0d4c-1a2b3c4d5e6f  10.0.0.201:8300  follower  true   3
docker-202  4d1c0a6a-6f6d-8a3b-0d4c-1a2b3c4d5e6f  10.0.0.202:8300  follower  ${votes}   3
`;
  const alive = (...last: readonly number[]) =>
    `Node        Address          Status  Type    Build  Protocol  DC   Segment\n${last
      .map((n) => `docker-${n}  10.0.0.${n}:8301  alive   server  1.8.7  2         dc1  <all>\n`)
      .join("")}`;
  const consul = (votes?: string, ...last: readonly number[]) => ({
    stdout: `${peers(votes)}--\n${alive(200, 201, ...last)}`,
  });

  test("each server knows all voters, and finds them alive", async () => {
    const all = Object.fromEntries(members.map(({ name }) => [name, consul("true", 202)]));
    expect(await found("consul", all)).toEqual({ well: 9, failed: [], notes: [] });
  });

  test("one that is not alive, or does not vote, or a server without a leader is named", async () => {
    const { failed } = await found("consul", {
      "docker-200": consul("true"),
      "docker-201": consul("false", 202),
      "docker-202": {
        code: 1,
        stderr: "Error getting peers: Unexpected response code: 500 (No cluster leader)\n",
      },
    });
    expect(failed.slice(0, 3)).toEqual([
      "docker-200 → docker-202: consul on docker-202 is not well: not alive among consul's members",
      "docker-201 → docker-202: consul on docker-201 does not know docker-202 (10.0.0.202) as a member",
      "docker-202 → docker-200: consul on docker-202 gives no list of its members: Error getting peers: Unexpected response code: 500 (No cluster leader)",
    ]);
    expect(failed).toHaveLength(5);
  });
});
