import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import staticRoute from "../../playbooks/static-route.ts";
import { loadInventory } from "../../src/inventory/load.ts";
import { hostLibrary } from "../../src/journal/library.ts";
import type { Playbook } from "../../src/playbook/define.ts";
import { run } from "../../src/run/run.ts";
import { FakeHost, plainly } from "./fake-host.ts";

const folder = mkdtempSync(join(tmpdir(), "causeway-fleet-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const address = (i: number) => `10.0.${Math.floor(i / 200)}.${(i % 200) + 1}`;
const subnet = (i: number) => `172.${16 + Math.floor(i / 200)}.${i % 200}`;
const comment = "causeway:static-route";

/** A host that is what a script made of it: the chains as they stand in the script, and the routes of the whole fleet. */
function hostIn(size: number): FakeHost {
  const host = new FakeHost();
  const routes = Array.from({ length: size - 1 }, (_, i) => i + 1);
  const chains = () => [...(host.scripts[0] ?? "").matchAll(/\*(\w+)\n(:CAUSEWAY-\S+ .*\n[\s\S]*?)COMMIT/g)];
  const way = `-m comment --comment ${comment} -j CAUSEWAY-FORWARD`;
  const [inFilter, inNat] = [`FORWARD ${way}`, `POSTROUTING ${way}`];
  const kept: Record<string, () => string[]> = {
    routes: () => routes.map((i) => `peers-1:${subnet(i)}.0/24 via ${address(i)} proto 202`),
    chains: () => chains().flatMap(([text, table]) => text.split("\n").map((line) => `${table}-1:${line}`)),
    rules: () => [`a:filter -I ${inFilter}`, `b:nat -I ${inNat}`],
  };
  host.says = (script) => {
    const done = host.scripts.length > 0;
    const part = /cd \/etc\/causeway\/(\w+)/.exec(script)?.[1];
    if (part) return done ? ["enabled", ...(kept[part]?.() ?? [])].join("\n") : "disabled";
    if (script.includes("ip -4 route show"))
      return done ? routes.map((i) => `${subnet(i)}.0/24 via ${address(i)} dev e proto 202`).join("\n") : "";
    if (script.endsWith("iptables-save"))
      return chains()
        .map(([, table, text]) => `*${table}\n${text}-A ${table === "nat" ? inNat : inFilter}`)
        .join("\n");
    return /^(exec )?cat /.test(script) ? "1" : undefined;
  };
  return host;
}

/** Routes and rules of one host, in a fleet of that many, of which it alone takes part. */
async function firstRun(size: number, vars: object = {}): Promise<FakeHost> {
  const numbers = Array.from({ length: size }, (_, i) => i);
  const hosts = numbers.map((i) => [`h${i}`, { ansible_host: address(i), bip: `${subnet(i)}.1/24` }]);
  const file = join(folder, `${size}.yaml`);
  writeFileSync(
    file,
    JSON.stringify({ all: { children: { docker: { hosts: Object.fromEntries(hosts), vars } } } }),
  );
  const { facts: _, preflight: __, remarks: ___, ...rest } = staticRoute;
  const host = hostIn(size);
  const outcome = await run({
    ...plainly(new Map([["h0", host]])),
    playbook: {
      ...rest,
      plays: rest.plays.filter(({ title }) => !title.includes("docker0")),
    } as unknown as Playbook,
    inventory: await loadInventory([file]),
    limit: "h0",
  });
  expect(outcome.exitCode).toBe(0);
  return host;
}

const sizes = [3, 20, 200] as const;
const runs = new Map<number, FakeHost>();
beforeAll(async () => {
  for (const size of sizes) runs.set(size, await firstRun(size, { container_network: "172.16.0.0/15" }));
});
const of = (size: number) => runs.get(size) as FakeHost;

test.each(sizes)("a host in a fleet of %i: one script with five steps, and two trips", (size) => {
  const host = of(size);
  expect(host.scripts).toHaveLength(1);
  expect(host.performed.map((step) => step.split(" ")[0])).toEqual([
    "cw_routes_put",
    "cw_chain_put",
    "cw_chain_put",
    "cw_rule_put",
    "cw_rule_put",
  ]);
  expect(host.trips).toBe(of(3).trips);
});

test("its bytes grow with the lines of the routes alone", () => {
  const bytes = (size: number) => (of(size).scripts[0] ?? "").length - hostLibrary().text.length;
  const route = "172.16.100.0/24 via 10.0.0.101 proto 202\n".length;
  const destination = "172.16.100.0/24 ".length;
  // The line itself, and the destination with what is to be changed, in the journal's record and in the step.
  expect(bytes(200) - bytes(20)).toBeLessThanOrEqual(180 * (route + 4 * destination));
});

test("rules grow as the peers' subnets can be written in, where no network for all is given", async () => {
  const rules = async (size: number) =>
    ((await firstRun(size)).scripts[0]?.match(/^-A CAUSEWAY-FORWARD/gm) ?? []).length;
  expect(await rules(9)).toBeLessThan(3 * 8);
  expect(await rules(129)).toBe((await rules(65)) + 3);
});
