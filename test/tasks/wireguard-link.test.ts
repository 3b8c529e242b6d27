import { execFileSync } from "node:child_process";
import { describe, expect, test } from "vitest";
import { marker, peersText, scriptText, unitText } from "../../tasks/wireguard-link/files.ts";
import { askDump, besideThose, peersIn, readDump } from "../../tasks/wireguard-link/peers.ts";
import { wireguardLink } from "../../tasks/wireguard-link.ts";
import { fileWith, noFile } from "./files.ts";
import { planWords } from "./words.ts";

type State = Parameters<typeof wireguardLink.definition.present>[0];
type Params = Parameters<typeof wireguardLink.definition.present>[1];

const [own, first, second] = ["A", "B", "C"].map((letter) => `${letter.repeat(43)}=`) as [
  string,
  string,
  string,
];
const paths = {
  peers: "/etc/wireguard/wg0.conf",
  script: "/etc/wireguard/wg0.up",
  unit: "/etc/systemd/system/wg0.service",
};
const wanted: Params = {
  name: "wg0",
  implementation: "wireguard-go",
  address: "192.168.100.1/24",
  port: 51820,
  mtu: 1420,
  keepalive: 0,
  peers: [
    { name: "two", public_key: second, endpoint: "10.0.0.202:51820", subnets: ["192.168.210.0/24"] },
    { name: "one", public_key: first, endpoint: "10.0.0.201:51820", subnets: ["192.168.200.0/24"] },
  ],
};
const known = [
  { name: "one", publicKey: first, endpoint: "10.0.0.201:51820", subnets: ["192.168.200.0/24"] },
  { name: "two", publicKey: second, endpoint: "10.0.0.202:51820", subnets: ["192.168.210.0/24"] },
];
const dump = [
  `${own}\t51820\toff`,
  `${first}\t10.0.0.201:51820\t192.168.200.0/24\t1795803928\t476\t532\toff`,
  `${second}\t(none)\t192.168.210.0/24\t0\t0\t0\toff`,
];
test("an endpoint of IPv6 stands in brackets, and is read back as it was", () => {
  const [one] = known;
  const peers = one ? [{ ...one, endpoint: "[fd00:10::201]:51820" }] : [];
  const text = peersText(wanted, peers);
  expect(text).toContain("\nEndpoint = [fd00:10::201]:51820\n");
  expect(peersIn(text)).toEqual(peers);
});

const unit = (over: Partial<State["unit"]> = {}): State["unit"] => ({
  name: "wg0.service",
  present: true,
  active: "active",
  sub: "running",
  enabled: "enabled",
  needsReload: false,
  fragmentPath: paths.unit,
  dropIns: [],
  sets: [],
  mainPid: 1,
  execStart: "",
  commandLine: "",
  ...over,
});
const link = { name: "wg0", index: 4, mtu: 1420, up: true, kind: "tun" };
const whole: State = {
  peers: fileWith(paths.peers, peersText(wanted, known)),
  script: fileWith(paths.script, scriptText(wanted)),
  unitFile: fileWith(paths.unit, unitText(wanted)),
  unit: unit(),
  publicKey: own,
  running: readDump(dump.join("\n")),
  links: [link],
  addresses: [{ dev: "wg0", cidr: "192.168.100.1/32", address: "192.168.100.1", prefix: 32 }],
  listeners: ['0.0.0.0:51820 users:(("wireguard-go",pid=325,fd=17))'],
};
const bare: State = {
  peers: noFile(paths.peers),
  script: noFile(paths.script),
  unitFile: noFile(paths.unit),
  unit: unit({ present: false, active: "inactive", enabled: "" }),
  publicKey: own,
  running: undefined,
  links: [],
  addresses: [],
  listeners: [],
};
const plan = (state: Partial<State>, over: Partial<Params> = {}) =>
  planWords(wireguardLink.definition.present({ ...whole, ...state }, { ...wanted, ...over }));
const told = (words: string) => [`owed: reload wg0 (wg0: ${words})`];
const running = (...lines: string[]) => ({ running: readDump(lines.join("\n")) });

describe("wireguard-link plans", () => {
  test.each<[string, string[], string[]]>([
    [
      "a bare host",
      plan(bare),
      [
        `file ${paths.peers}: — → 15 lines, mode 600`,
        `file ${paths.script}: — → 18 lines, mode 700`,
        `file ${paths.unit}: — → 17 lines, mode 644 ⇒ daemon-reload`,
        "unit wg0.service: not there → enabled, active",
      ],
    ],
    ["nothing, when all is as it should be", plan({}), []],
    [
      "nothing yet, where a peer's key is not made",
      plan(bare, { peers: [{ name: "one", subnets: ["192.168.200.0/24"] }] }),
      ["later: the keys of one are made first"],
    ],
    [
      "another peer, without a restart",
      plan({}, { peers: wanted.peers.slice(1) }),
      [`file ${paths.peers}: 15 lines, mode 600 → 9 lines, mode 600 ⇒ reload wg0`],
    ],
    [
      "nothing, where a peer only is not to be lost",
      plan({}, { peers: wanted.peers.slice(1), keep: true }),
      [],
    ],
    [
      "another MTU, without a restart",
      plan({}, { mtu: 1380 }),
      [`file ${paths.script}: 18 lines, mode 600 → 18 lines, mode 700 ⇒ reload wg0`],
    ],
    [
      "another implementation",
      plan({}, { implementation: "kernel" }),
      [`file ${paths.unit}: 17 lines, mode 600 → 18 lines, mode 600 ⇒ daemon-reload, restart wg0`],
    ],
    [
      "a unit that does not run",
      plan({ unit: unit({ active: "failed" }), running: undefined, links: [], listeners: [] }),
      ["unit wg0.service: enabled, failed → enabled, active"],
    ],
    [
      "one that would not come back",
      plan({ unit: unit({ enabled: "disabled" }) }),
      ["unit wg0.service: disabled, active → enabled, active"],
    ],
    [
      "an interface that is gone under its unit",
      plan({ running: undefined, links: [], listeners: [] }),
      ["owed: restart wg0 (wg0: its unit is active, and the interface is gone)"],
    ],
    ["another key than its file's", plan({ publicKey: second }), told("it has another key than its file")],
    [
      "another port than it listens on",
      plan({ ...running((dump[0] ?? "").replace("51820", "4500"), ...dump.slice(1)), listeners: [] }),
      told("it listens on port 4500"),
    ],
    ["an MTU that somebody changed", plan({ links: [{ ...link, mtu: 1500 }] }), told("its MTU is 1500")],
    ["one that somebody took down", plan({ links: [{ ...link, up: false }] }), told("it is down")],
    ["an address that is gone", plan({ addresses: [] }), told("it has no address")],
    [
      "a peer that it was not told",
      plan(running(dump[0] ?? "", dump[2] ?? "")),
      told("it lets nothing through to one"),
    ],
    [
      "subnets that somebody took from a peer",
      plan(running(dump[0] ?? "", (dump[1] ?? "").replace("192.168.200.0/24", "10.9.9.0/24"), dump[2] ?? "")),
      told("it lets 10.9.9.0/24 through to one"),
    ],
    [
      "a peer of somebody's",
      plan(running(...dump, `${"D".repeat(43)}=\t(none)\t10.9.9.0/24\t0\t0\t0\toff`)),
      told(`it has a peer ${"D".repeat(43)}= that is none`),
    ],
    [
      "nothing more where every peer has to have answered, and one has not",
      plan({}, { met: true }),
      ["later: no answer from two yet, over UDP 51820"],
    ],
    [
      "nothing, once they have",
      plan(running(dump[0] ?? "", dump[1] ?? "", (dump[2] ?? "").replace("\t0\t", "\t1795803929\t")), {
        met: true,
      }),
      [],
    ],
    [
      "nothing where a peer is followed to another endpoint",
      plan(running(dump[0] ?? "", (dump[1] ?? "").replace("10.0.0.201", "10.0.0.99"), dump[2] ?? "")),
      [],
    ],
  ])("%s", (_, found, expected) => expect(found).toEqual(expected));
});

describe("wireguard-link refuses", () => {
  test.each<[string, Partial<State>, RegExp]>([
    ["an interface of somebody's", { ...bare, links: [link] }, /causeway did not make wg0/],
    [
      "a unit of somebody's",
      { ...bare, unitFile: fileWith(paths.unit, "[Service]\nExecStart=/bin/true\n") },
      /causeway did not make wg0/,
    ],
    [
      "a port that is another program's",
      { ...bare, listeners: ['0.0.0.0:51820 users:(("tailscaled",pid=7,fd=3))'] },
      /UDP port 51820/,
    ],
    ["a unit that is masked", { unit: unit({ enabled: "masked" }) }, /masked/],
    [
      "a drop-in that starts something else",
      {
        unit: unit({
          sets: [{ path: "/etc/systemd/system/wg0.service.d/x.conf", key: "ExecStart", value: "/bin/true" }],
        }),
      },
      /would overrule/,
    ],
  ])("%s", (_, state, words) => expect(() => plan(state)).toThrow(words));
});

describe("what is only added to", () => {
  const at = (name: string, publicKey: string, ...subnets: string[]) => ({ name, publicKey, subnets });
  test.each([
    [
      "has a peer's old subnets beside its new ones",
      [at("one", first, "10.1.0.0/24")],
      [at("one", first, "10.2.0.0/24")],
      [at("one", first, "10.1.0.0/24", "10.2.0.0/24")],
    ],
    [
      "but none that another is to get",
      [at("one", first, "10.1.0.0/24"), at("two", second, "10.2.0.0/24")],
      [at("one", first, "10.2.0.0/24")],
      [at("one", first, "10.1.0.0/24"), at("two", second, "10.2.0.0/24")],
    ],
    [
      "has a peer that this run does not know of",
      [at("one", first, "10.1.0.0/24")],
      [at("two", second, "10.2.0.0/24")],
      [at("one", first, "10.1.0.0/24"), at("two", second, "10.2.0.0/24")],
    ],
    [
      "has one key a host: the new one",
      [at("one", second, "10.1.0.0/24")],
      [at("one", first, "10.1.0.0/24")],
      [at("one", second, "10.1.0.0/24")],
    ],
  ])("%s", (_, peers, there, expected) => expect(besideThose(peers, there)).toEqual(expected));
});

test("the peers of a file are read as they were written; no private key is in it", () => {
  const text = peersText({ ...wanted, keepalive: 25 }, known);
  expect(peersIn(text)).toEqual(known);
  expect(text.startsWith(marker)).toBe(true);
  expect(text).not.toMatch(/PrivateKey/);
});

test("of what wg prints the secrets stay on the host", () => {
  const shown = `private\t${own}\t51820\toff\n${first}\tpreshared\t(none)\t192.168.200.0/24\t0\t0\t0\toff\n`;
  const said = execFileSync(
    "sh",
    [
      "-c",
      `wg() { printf '${shown.replaceAll("\t", "\\t").replaceAll("\n", "\\n")}'; }\n${askDump("wg0").text}`,
    ],
    {
      encoding: "utf8",
    },
  );
  expect(said).not.toMatch(/private|preshared/);
  expect(readDump(said)).toEqual({
    publicKey: own,
    port: 51820,
    peers: new Map([[first, { subnets: ["192.168.200.0/24"], handshake: 0 }]]),
  });
});

describe("IPv6", () => {
  const six: Params = { ...wanted, address6: "fd00:30:100::1" };
  const own4 = { dev: "wg0", cidr: "192.168.100.1/32", address: "192.168.100.1", prefix: 32 };
  const own6 = { dev: "wg0", cidr: "fd00:30:100::1/128", address: "fd00:30:100::1", prefix: 128 };
  const local = { dev: "wg0", cidr: "fe80::9/64", address: "fe80::9", prefix: 64 };
  const state = (...addresses6: (typeof own6)[]): State => ({
    ...whole,
    script: fileWith(paths.script, scriptText(six)),
    addresses: [own4],
    addresses6,
  });

  test.each<[string, State, string[]]>([
    ["nothing where the interface has both addresses", state(own6, local), []],
    ["a reload where it has one", state(local), ["owed: reload wg0 (wg0: it has 192.168.100.1/32)"]],
  ])("%s", (_, now, steps) => {
    expect(planWords(wireguardLink.definition.present(now, six))).toEqual(steps);
  });

  test("the script of a link without it says nothing of it", () => {
    expect(scriptText(wanted)).not.toMatch(/ip -6/);
    expect(scriptText(six)).toMatch(/^ip -6 address replace fd00:30:100::1\/128 dev wg0 nodad/m);
  });
});
