import { createHash } from "node:crypto";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { strToU8, zipSync } from "fflate";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Archive } from "../../src/archives/archive.ts";
import { fetchedMember } from "../../src/archives/fetched.ts";
import { gatewayBridge } from "../../src/gateway-bridge/gateway-bridge.ts";
import { HostReader, ReadMemory } from "../../src/host/reader.ts";
import type { Session } from "../../src/host/session.ts";
import { rawScript, type Script, Secret, sh } from "../../src/host/sh.ts";
import { connectSsh } from "../../src/host/ssh.ts";
import { hostLibrary } from "../../src/journal/library.ts";
import { hostScript } from "../../src/journal/script.ts";
import { localFile } from "../../src/kinds/file/pushed-file.ts";
import { step } from "../../src/kinds/index.ts";
import { labConnection } from "../../src/lab/index.ts";
import { packageDir } from "../../src/package-dir.ts";
import { missingPortRules, readFirewall } from "../../src/peer-ports/peer-ports.ts";
import { later, type Step } from "../../src/task/step.ts";
import { traces } from "../../tasks/flanneld-config/traces.ts";
import { macvlanShim } from "../../tasks/macvlan-shim.ts";
import { differences, snapshot } from "./snapshot.ts";
import { full, inFull, useLab } from "./support.ts";

const lab = useLab("test-kinds", 2, 1);
const host = "docker-200";
let session: Session;
let runs = 0;

beforeAll(async () => {
  const { privateKeyFile, knownHostsFile } = labConnection(lab.spec);
  const address = lab.spec.hosts[0]?.address ?? "";
  session = await connectSsh(
    {
      name: host,
      kind: "ssh",
      address,
      user: "root",
      become: false,
      privateKeyFile,
      knownHostsFiles: [knownHostsFile],
    },
    { hostKeyChecking: "strict", connectTimeoutMs: 10_000, commandTimeoutMs: 120_000, sshConfigFile: "none" },
  );
});
afterAll(() => session.close());

const reader = () => new HostReader(new ReadMemory(session));
const nextRun = () => `20260101T00000${runs}Z-${String(++runs).padStart(4, "0")}`;

/** The libraries that lie on the host: only what is not there is sent. */
const libraries = async () =>
  [...(await session.run("ls /var/lib/causeway 2>/dev/null")).stdout.matchAll(/^lib-(.*)\.sh$/gm)].map(
    ([, hash = ""]) => hash,
  );

/** Performs steps as the engine does; gives the code, what was said, and the journal's paths of the steps. */
async function perform(steps: readonly Step[]) {
  const run = nextRun();
  const head = (await session.run("cat /var/lib/causeway/head 2>/dev/null")).stdout.trim();
  const actions = steps.map((one, i) => ({
    does: "step" as const,
    n: String(i + 1).padStart(4, "0"),
    identity: { owner: "test", task: "test", key: String(i), scope: "host" as const, play: 0 },
    step: one,
  }));
  for (const { push } of steps) {
    if (!push) continue;
    const { from } = push;
    const file = typeof from === "string" ? from : await fetchedMember(from, new AbortController().signal);
    await session.push(file, push.to);
  }
  const script = hostScript({
    run,
    host,
    head,
    who: "test",
    record: `{"id":"${run}"}`,
    libraries: await libraries(),
    actions,
    due: [],
  });
  const result = await session.run(`${script.text}\ncode=$?\ncw_unlock\nexit $code`);
  await session.run(
    `. /var/lib/causeway/lib-${hostLibrary().hash}.sh; cw_unlock; rm -f /var/lib/causeway/parked-*`,
  );
  return { ...result, entries: actions.map((a) => `${run}/${a.n}`) };
}

function undo(entries: readonly string[]) {
  const calls = [...entries].reverse().map((e) => `cw_undo "$CW/runs/${e}" || exit 1`);
  return session.run(`. /var/lib/causeway/lib-${hostLibrary().hash}.sh\n${calls.join("\n")}`);
}

const on = (script: string) => lab.must(host, script);

const bridge = (name: string, address: string) =>
  step.link({
    name,
    make: rawScript(
      `ip link add ${name} type bridge && ip addr add ${address} dev ${name} && ip link set ${name} up`,
    ),
    to: "bridge",
  });
/** A list of routes, each through a host of the lab's network. */
const routesTo = (all: Readonly<Record<string, number>>, gone: readonly string[] = []) =>
  step.routes({
    name: "test",
    routes: Object.entries(all).map(([to, host]) => ({ to, via: `${lab.net}.${host}` })),
    gone,
    was: null,
    words: "there",
  });

const sleeping = (name: string, time: string) =>
  step.dockerContainer({
    name,
    image: "busybox",
    options: [],
    command: ["sleep", time],
    was: null,
    to: time,
  });

const evilRule = {
  table: "filter",
  chain: "FORWARD",
  spec: "-s 10.9.3.0/24 -j ACCEPT",
  comment: 'y $(touch /opt/evaluated) it\'s `touch /opt/evaluated`; * \\ "q"',
} as const;

const noBridge = (name: string) => step.noLink({ name, was: "bridge" });

/** A repository in which the tool needs a newer library than the one that is installed. */
const repository = `set -e; mkdir -p /root/repo; cd /root/repo
build() {
  mkdir -p /tmp/deb/DEBIAN
  printf 'Package: %s\\nVersion: %s\\nArchitecture: all\\nMaintainer: x\\nDescription: x\\n%s' "$1" "$2" "$3" >/tmp/deb/DEBIAN/control
  dpkg-deb -b /tmp/deb "/root/repo/$1_$2.deb" >/dev/null
  { cat /tmp/deb/DEBIAN/control
    printf 'Filename: ./%s_%s.deb\\nSize: %s\\nSHA256: %s\\n\\n' "$1" "$2" "$(stat -c %s "$1_$2.deb")" "$(sha256sum <"$1_$2.deb" | cut -c 1-64)"
  } >>Packages
  rm -r /tmp/deb
}
build cw-lib 1 ''; dpkg -i cw-lib_1.deb >/dev/null
build cw-lib 2 ''; build cw-tool 1 'Depends: cw-lib (>= 2)
'
echo 'deb [trusted=yes] file:/root/repo ./' >/etc/apt/sources.list.d/cw.list
apt-get -q update >/dev/null`;

/** A zip with one program; the host serves it to itself, and the controller has it in its cache. */
const zip = zipSync({ "tool-v1/tool": strToU8("#!/bin/sh\necho zipped\n"), "tool-v1/README": strToU8("x") });
const zipSum = createHash("sha256").update(zip).digest("hex");
const cached = join(packageDir, ".cache/archives", zipSum);
const zipped = (fetch: Archive["fetch"]): Archive => ({
  url: "http://127.0.0.1:8091/tool.zip",
  sha256: zipSum,
  fetch,
});
beforeAll(() => {
  mkdirSync(cached, { recursive: true });
  writeFileSync(join(cached, "archive"), zip);
});
afterAll(() => rmSync(cached, { recursive: true, force: true }));

const serve = `mkdir -p /root/www/tool-v1 && cd /root/www
printf '#!/bin/sh\necho packed\n' >tool-v1/tool; printf '#!/bin/sh\necho control\n' >tool-v1/toolctl
tar -czf tool.tar.gz tool-v1
echo ${Buffer.from(zip).toString("base64")} | base64 -d >tool.zip
busybox httpd -p 127.0.0.1:8091 -h /root/www`;

async function packed(): Promise<Archive> {
  const sha256 = (await on("sha256sum </root/www/tool.tar.gz")).slice(0, 64);
  return { url: "http://127.0.0.1:8091/tool.tar.gz", sha256, fetch: "host" };
}

/** A package that somebody makes and installs, with more lines of its control file. */
const somebodys = (name: string, more: string) =>
  `cd /; mkdir -p /tmp/deb/DEBIAN; printf 'Package: ${name}\\nVersion: 1\\nArchitecture: all\\nMaintainer: x\\nDescription: x\\n${more}' >/tmp/deb/DEBIAN/control; dpkg-deb -b /tmp/deb /tmp/mine.deb && dpkg -i /tmp/mine.deb; rm -r /tmp/deb /tmp/mine.deb`;

/** Per kind: what the host has before, and the steps that are planned against it. */
const kinds: [string, string, () => Promise<Step[]> | Step[]][] = [
  [
    "file: a new one in a new folder",
    "",
    async () => [step.file({ was: await reader().file("/opt/a/b/c.conf"), content: "x\n" })],
  ],
  [
    "file: another content, with its mode and owner",
    "printf 'old\\n' >/etc/cw-a; chmod 640 /etc/cw-a; chown ops:ops /etc/cw-a",
    async () => [
      step.file({
        was: await reader().file("/etc/cw-a"),
        content: "it's new\n",
        mode: "600",
        owner: "root:root",
      }),
    ],
  ],
  [
    "file: taken away",
    "printf 'no newline' >/etc/cw-b",
    async () => [step.file({ was: await reader().file("/etc/cw-b"), content: null })],
  ],
  [
    "file: through a symbolic link, which stays one",
    "echo old >/etc/cw-target; ln -sf cw-target /etc/cw-link",
    async () => [step.file({ was: await reader().file("/etc/cw-link"), content: "new\n" })],
  ],
  [
    "file: a secret",
    "",
    async () => [
      step.file({
        was: await reader().file("/etc/cw-secret"),
        content: new Secret("hunter2\n"),
        mode: "600",
      }),
    ],
  ],
  [
    "file: a secret that the host makes itself",
    "",
    async () => [
      step.madeFile({ path: "/etc/cw-keys/made", make: sh`od -An -tx1 -N8 /dev/urandom`, to: "a number" }),
    ],
  ],
  [
    "file: a mount of its own",
    "echo old >/etc/cw-m; mount --bind /etc/cw-m /etc/cw-m",
    async () => [step.file({ was: await reader().file("/etc/cw-m"), content: "new\n" })],
  ],
  [
    "file: pushed from the controller",
    "",
    async () => [
      step.pushedFile({
        was: await reader().file("/opt/bin/run"),
        from: localFile(join(packageDir, "run")),
        mode: "755",
      }),
    ],
  ],
  [
    "file: two out of a .tar.gz that the host fetches, and their note",
    `${serve}; echo old >/usr/local/bin/toolctl; rm -f /usr/local/bin/tool`,
    async () => [
      step.unpacked({
        was: await reader().file("/usr/local/bin/tool"),
        archive: await packed(),
        member: "tool-v1/tool",
      }),
      step.unpacked({
        was: await reader().file("/usr/local/bin/toolctl"),
        archive: await packed(),
        member: "toolctl",
      }),
      step.unpackedNote({
        was: await reader().file("/usr/local/lib/causeway/tool.source"),
        archive: await packed(),
        files: ["/usr/local/bin/tool", "/usr/local/bin/toolctl"],
      }),
    ],
  ],
  ...(["host", "controller"] as const).map((fetch): [string, string, () => Promise<Step[]>] => [
    `file: out of a .zip, fetched by the ${fetch}`,
    "",
    async () => [
      step.unpacked({
        was: await reader().file(`/usr/local/bin/zipped-${fetch}`),
        archive: zipped(fetch),
        member: "tool",
      }),
    ],
  ]),
  [
    "json: keys beside those of its owner",
    `printf '{\\n\\t"debug": true,\\n\\t"bip": "1.1.1.1/24"\\n}' >/etc/cw-json`,
    async () => [
      step.jsonKeys({ was: await reader().file("/etc/cw-json"), keys: { bip: "10.1.0.1/24", mtu: 1400 } }),
    ],
  ],
  [
    "json: a new file",
    "",
    async () => [step.jsonKeys({ was: await reader().file("/etc/cw-new.json"), keys: { a: 1 } })],
  ],
  ["package", "", () => [step.packages({ names: ["etcd-client"] })]],
  [
    "package: with one that it upgrades, which stays",
    repository,
    () => [step.packages({ names: ["cw-tool"] })],
  ],
  ["package: a daemon, which is not started", "", () => [step.packages({ names: ["etcd-server"] })]],
  [
    "unit: stopped and disabled",
    `printf '[Service]\nExecStart=/bin/sleep 9999\n[Install]\nWantedBy=multi-user.target\n' >/etc/systemd/system/cw-on.service; systemctl daemon-reload; systemctl enable -q --now cw-on.service`,
    () => [
      step.unit({ name: "cw-on.service", active: false, enabled: false, was: "enabled, active" }),
      step.unit({ name: "dbus.socket", active: true, was: "active" }),
    ],
  ],
  [
    "unit: enabled and started",
    "systemctl disable -q --now cw-on.service",
    () => [step.unit({ name: "cw-on.service", active: true, enabled: true, was: "disabled, inactive" })],
  ],
  [
    "unit: a masked one, enabled",
    "mkdir -p /usr/local/lib/systemd/system; mv /etc/systemd/system/cw-on.service /usr/local/lib/systemd/system; systemctl daemon-reload; systemctl mask -q cw-on.service",
    () => [step.unit({ name: "cw-on.service", enabled: true, active: true, was: "masked, inactive" })],
  ],
  ["route: a new one", "", () => [step.route({ to: "10.99.0.0/24", via: `${lab.net}.1` })]],
  [
    "route: another next hop",
    `ip route add 10.98.0.0/24 via ${lab.net}.1 metric 5`,
    () => [step.route({ to: "10.98.0.0/24", via: `${lab.net}.1` })],
  ],
  [
    "route: taken away",
    `ip route add 10.97.0.0/24 via ${lab.net}.1 proto 9`,
    () => [step.noRoute({ to: "10.97.0.0/24", was: "x" })],
  ],
  [
    "routes: a new list, over a route of somebody's own and beside another metric",
    `ip route add 10.89.1.0/24 via ${lab.net}.1; ip route add 10.89.2.0/24 via ${lab.net}.1 metric 7`,
    () => [routesTo({ "10.89.0.0/24": 2, "10.89.1.0/24": 2, "10.89.2.0/24": 2, "10.89.3.1/32": 2 })],
  ],
  [
    "routes: one more, one less, one elsewhere",
    "",
    () => [
      routesTo({ "10.89.5.0/24": 3, "10.89.7.0/24": 3 }),
      routesTo({ "10.89.5.0/24": 2, "10.89.8.0/24": 3 }, ["10.89.7.0/24"]),
    ],
  ],
  [
    "chain: new, with what leads to it",
    "",
    () => [
      step.chain({
        table: "filter",
        name: "CAUSEWAY-TEST",
        rules: ["-s 10.9.1.0/24 -j ACCEPT", "-s 10.9.2.0/24 -j DROP"],
      }),
      step.rule({ table: "filter", chain: "INPUT", spec: "-j CAUSEWAY-TEST", comment: "c", place: "first" }),
    ],
  ],
  [
    "chain: other rules",
    "iptables -N CAUSEWAY-TEST2; iptables -A CAUSEWAY-TEST2 -s 10.9.2.1 -m comment --comment 'it'\\''s \"so\" $(touch /opt/evaluated)' -j ACCEPT; iptables -A FORWARD -j CAUSEWAY-TEST2",
    () => [step.chain({ table: "filter", name: "CAUSEWAY-TEST2", rules: ["-s 10.9.1.0/24 -j ACCEPT"] })],
  ],
  [
    "IPv6: a chain of ip6tables, and what leads to it in front of others",
    "ip6tables -A FORWARD -s fd00:9::/64 -j ACCEPT",
    () => [
      step.chain({
        table: "ip6:filter",
        name: "CAUSEWAY-TEST6",
        rules: ["-s fd00:9:1::/64 -d fd00:9:2::/64 -j ACCEPT", "-j RETURN"],
      }),
      step.chain({ table: "ip6:nat", name: "CAUSEWAY-TEST6", rules: ["-s fd00:9:1::/64 -j ACCEPT"] }),
      step.rule({
        table: "ip6:filter",
        chain: "FORWARD",
        spec: "-j CAUSEWAY-TEST6",
        comment: "of ip6tables",
        place: "first",
      }),
      step.noRule({ table: "ip6:filter", chain: "FORWARD", spec: "-s fd00:9::/64 -j ACCEPT" }),
    ],
  ],
  [
    "IPv6: a list of routes, one of which led elsewhere, and a single one",
    `ip -6 addr replace fd00:9::200/64 dev host0 nodad
ip -6 route add fd00:9:1::/64 via fd00:9::7`,
    () => [
      step.routes({
        name: "six",
        routes: [
          { to: "fd00:9:1::/64", via: "fd00:9::201" },
          { to: "fd00:9:2::/64", via: "fd00:9::202" },
          { to: "fd00:9:3::1/128", dev: "host0" },
          { to: "10.99.66.0/24", dev: "host0" },
        ],
        was: null,
        words: "4",
      }),
      step.route({ to: "fd00:9:4::/64", via: "fd00:9::204" }),
    ],
  ],
  [
    "rule: with a comment that a shell would run",
    "iptables -A FORWARD -s 10.9.3.1 -m comment --comment 'x $(touch /opt/evaluated); `touch /opt/evaluated` * \"q\"' -j ACCEPT; iptables -A FORWARD -s 10.9.3.2 -j ACCEPT",
    () => [
      step.rule({ ...evilRule, place: "first" }),
      step.noRule({
        table: "filter",
        chain: "FORWARD",
        spec: '-s 10.9.3.1/32 -m comment --comment "x $(touch /opt/evaluated); `touch /opt/evaluated` * \\"q\\"" -j ACCEPT',
      }),
    ],
  ],
  [
    "rule: new, with a blank in its comment",
    "",
    () => [
      step.rule({
        table: "filter",
        chain: "DOCKER-USER",
        spec: "-s 10.9.0.0/16 -j ACCEPT",
        comment: "it's ours",
        place: "first",
      }),
    ],
  ],
  [
    "rule: put in front of others, and back to its place",
    "for i in 1 2 3; do iptables -A FORWARD -s 10.8.1.$i -m comment --comment 'no. '$i -j ACCEPT; done",
    () => [
      step.rule({
        table: "filter",
        chain: "FORWARD",
        spec: "-s 10.8.1.2/32 -j ACCEPT",
        comment: "no. 2",
        place: "first",
      }),
    ],
  ],
  [
    "rule: taken away from between others",
    "iptables -t nat -A POSTROUTING -s 10.8.2.0/24 -j RETURN; iptables -t nat -A POSTROUTING -s 10.8.3.0/24 ! -d 10.0.0.0/8 -j MASQUERADE; iptables -t nat -A POSTROUTING -s 10.8.4.0/24 -j RETURN",
    () => [
      step.noRule({
        table: "nat",
        chain: "POSTROUTING",
        spec: "-s 10.8.3.0/24 ! -d 10.0.0.0/8 -j MASQUERADE",
      }),
    ],
  ],
  [
    "file: taken away, and its folder after it",
    "mkdir -m 755 /etc/cw-folder && echo a >/etc/cw-folder/conf",
    async () => [
      step.file({ was: await reader().file("/etc/cw-folder/conf"), content: null }),
      step.run({
        what: "folder",
        from: "there",
        to: "gone",
        do: sh`rmdir /etc/cw-folder`,
        done: sh`[ ! -d /etc/cw-folder ]`,
        undo: sh`:`,
      }),
    ],
  ],
  [
    "rules: several taken away from before another, and back in their order",
    "for i in 1 2 3 4; do iptables -A FORWARD -s 10.8.5.$i/32 -j ACCEPT; done",
    () =>
      [1, 2, 3].map((i) =>
        step.noRule({ table: "filter", chain: "FORWARD", spec: `-s 10.8.5.${i}/32 -j ACCEPT` }),
      ),
  ],
  [
    "rule: taken away",
    "iptables -A FORWARD -s 10.8.0.0/16 -j ACCEPT",
    () => [step.noRule({ table: "filter", chain: "FORWARD", spec: "-s 10.8.0.0/16 -j ACCEPT" })],
  ],
  [
    "sysctl",
    "echo 2 >/proc/sys/net/ipv4/conf/all/rp_filter",
    () => [step.sysctl({ key: "net.ipv4.conf.all.rp_filter", value: 0 })],
  ],
  [
    "link",
    "",
    () => [
      step.link({
        name: "cw0",
        make: sh`ip link add cw0 type bridge && ip addr add 10.96.0.1/24 dev cw0 && ip link set cw0 up`,
        to: "bridge",
      }),
    ],
  ],
  [
    "link: in place of somebody's, with what hung on it",
    `ip link add cw-in type veth peer name cw-out && ip link add cw6 type bridge stp_state 1 && ip link set cw-in master cw6
ip link set cw6 address 02:00:00:00:77:01; ip link set cw6 mtu 1400
ip addr add 10.96.6.1/24 brd + dev cw6; ip addr add 10.96.6.9/24 dev cw6 label cw6:x; ip -6 addr add fd00:6::1/64 nodad dev cw6
ip link set cw6 up; ip route add 10.96.7.0/24 via 10.96.6.2 proto static; ip route add 10.96.8.0/24 dev cw6 metric 9 table 77; ip -6 route add fd00:7::/64 via fd00:6::2`,
    () => [bridge("cw6", "10.96.9.1/24")],
  ],
  [
    "link: taken away, a macvlan that is down, and a port of a bridge",
    "ip link add cw-p7 type bridge && ip link set cw-p7 up && ip link add cw-br7 type bridge && ip link add cw7 link cw-p7 address 02:00:00:00:77:07 type macvlan mode private && ip addr add 10.96.17.1/32 dev cw7 && ip link set cw7 master cw-br7",
    () => [noBridge("cw7")],
  ],
  [
    "user: a new one, whose group is there already",
    "groupadd --gid 4321 cw-new",
    () => [
      step.user({ name: "cw-new", exists: false, createHome: true, groups: ["adm"], was: null, to: "new" }),
    ],
  ],
  [
    "user: another shell and another group, twice",
    "useradd --create-home --shell /bin/false --comment 'it is mine' --groups adm cw-mate",
    () => [
      step.user({ name: "cw-mate", exists: true, shell: "/bin/sh", groups: ["users"], was: "x", to: "y" }),
      step.user({ name: "cw-mate", exists: true, group: "users", comment: "", was: "y", to: "z" }),
    ],
  ],
  [
    "container: a new one, whose words have blanks and what a shell would run",
    "",
    () => [
      step.dockerContainer({
        name: "cw-run",
        image: "busybox",
        options: ["--env", "A=it's $(touch /opt/evaluated) `touch /opt/evaluated` b"],
        command: ["sleep", "1000"],
        was: null,
        to: "new",
      }),
    ],
  ],
  [
    "container: made anew twice, and the first is back",
    "",
    () => ["1001", "1002", "1003"].map((time) => sleeping("cw-anew", time)),
  ],
  [
    "network: new",
    "",
    () => [
      step.dockerNetwork({ name: "cw-net", driver: "bridge", subnet: "10.95.0.0/24", labels: { a: "b c" } }),
    ],
  ],
  [
    "network: made anew, its containers with their addresses",
    "docker network create --subnet 10.94.0.0/24 cw-old && docker run -d --name cw-c --network cw-old --ip 10.94.0.77 busybox sleep 1000 && docker create --name cw-s --network cw-old --ip 10.94.0.78 busybox true",
    () => [
      step.dockerNetwork({
        name: "cw-old",
        driver: "bridge",
        subnet: "10.94.0.0/24",
        gateway: "10.94.0.200",
      }),
    ],
  ],
  [
    "network: made anew, its containers with their aliases, in IPv6 as well",
    "docker network create --ipv6 --subnet fd00:cafe::/64 --subnet 10.92.0.0/24 cw-six && docker run -d --name cw-e --network cw-six --network-alias web --network-alias db busybox sleep 1000",
    () => [step.dockerNetwork({ name: "cw-six", driver: "bridge", subnet: "10.92.0.0/24" })],
  ],
  [
    "network: made anew in both families, with addresses that were asked for and that were not",
    `docker network create --ipv6 --subnet fd00:cafe:1::/64 --subnet 10.92.1.0/24 cw-both
docker create --name cw-last --network cw-both --ip6 fd00:cafe:1::77 busybox true
for c in 1 2 3; do docker run -d --name cw-$c --network cw-both busybox sleep 1000; done; docker rm -f cw-1`,
    () => [
      step.dockerNetwork({
        name: "cw-both",
        driver: "bridge",
        subnet: "10.92.1.0/24",
        gateway: "10.92.1.200",
        six: { subnet: "fd00:cafe:1::/64", gateway: "fd00:cafe:1::99" },
      }),
    ],
  ],
  [
    "network: beside one that its name would mean as an expression",
    "docker network create --subnet 10.94.1.0/24 lan-10 && docker create --name lan-c --network lan-10 --ip 10.94.1.7 busybox true",
    () => [step.dockerNetwork({ name: "lan.10", driver: "bridge", subnet: "10.95.1.0/24" })],
  ],
  [
    "network: made anew, with two containers of which one's name would mean the other's",
    "docker network create --subnet 10.94.2.0/24 cw-two && docker create --name cw-x --network cw-two --ip 10.94.2.7 busybox true && docker create --name cw.x --network cw-two --ip 10.94.2.8 busybox true",
    () => [step.dockerNetwork({ name: "cw-two", driver: "bridge", subnet: "10.94.2.0/25" })],
  ],
  [
    "network: taken away, its containers with their addresses",
    "docker network create --subnet 10.93.0.0/24 cw-go && docker run -d --name cw-d --network cw-go --ip 10.93.0.9 busybox sleep 1000",
    () => [step.noDockerNetwork({ name: "cw-go", was: "x" })],
  ],
  [
    "swarm: started, with its bridge",
    "",
    async () => [
      ...gatewayBridge(await reader().docker()),
      step.startSwarm({ address: `${lab.net}.200`, dataPort: 4789, pool: "10.90.0.0/16", prefix: 24 }),
    ],
  ],
  [
    "a daemon's user and folder, and the one above it",
    "",
    () => [
      step.systemUser({ name: "cw-user", home: "/var/lib/cw-user" }),
      step.folder({ path: "/var/lib/cw-user/data", owner: "cw-user" }),
    ],
  ],
  [
    "a daemon's user in a group that is there",
    "groupadd --system cw-group",
    () => [step.systemUser({ name: "cw-group", home: "/" })],
  ],
  [
    "run",
    "",
    () => [
      step.run({
        what: "a mark",
        to: "there",
        do: sh`touch /opt/mark`,
        done: sh`[ -e /opt/mark ]`,
        undo: sh`rm -f /opt/mark`,
      }),
    ],
  ],
  [
    "run: scripts of several lines, with quotes",
    "",
    () => [
      step.run({
        what: "two marks",
        to: "there",
        do: sh`touch /opt/mark1; touch "/opt/it's"`,
        done: rawScript(`[ -e /opt/mark1 ] &&\n[ -e "/opt/it's" ]`),
        undo: rawScript(`rm -f /opt/mark1\n# it's\n\nrm -f "/opt/it's"`),
      }),
    ],
  ],
];

/** What is another case of a kind that has its row already; for `npm run test:full`. */
const further = new Set([
  "file: through a symbolic link, which stays one",
  "file: a mount of its own",
  "json: a new file",
  "package: with one that it upgrades, which stays",
  "package: a daemon, which is not started",
  "unit: a masked one, enabled",
  "route: a new one",
  "route: taken away",
  "rule: new, with a blank in its comment",
  "rule: taken away from between others",
  "rule: taken away",
  "network: made anew, its containers with their addresses",
  "unit: enabled and started",
  "network: made anew, its containers with their aliases, in IPv6 as well",
  "network: made anew in both families, with addresses that were asked for and that were not",
  "network: taken away, its containers with their addresses",
  "a daemon's user in a group that is there",
  "run: scripts of several lines, with quotes",
]);
const rows = kinds.filter(([name]) => full || !further.has(name));

/** The host as it is. What was upgraded on the way stays so: its older version is in no repository, as a rule. */
async function now(): Promise<string[]> {
  // An address of IPv6 has its route once the kernel has looked for another one that has it.
  await on(
    "for _ in $(seq 50); do ip -6 -o addr show scope global tentative | grep -q . || break; sleep .1; done",
  );
  return (await snapshot(lab, host, true)).map((line) => line.replace(/^(package ii +cw-lib) .*/, "$1"));
}

describe.sequential("performed and undone, a host is what it was", () => {
  test.each(rows)("%s", async (_name, before, plan) => {
    if (before) await on(before);
    const start = await now();
    const steps = await plan();
    const { code, stdout, stderr, entries } = await perform(steps);
    expect({ code, stdout: stdout.replaceAll(/@cw (start|done) \d+\n/g, ""), stderr }).toEqual({
      code: 0,
      stdout: "",
      stderr: "",
    });
    expect(differences(start, await now())).not.toEqual([]);
    expect(await undo(entries)).toMatchObject({ code: 0 });
    expect(differences(start, await now())).toEqual([]);
    // Twice is fine.
    expect(await undo(entries)).toMatchObject({ code: 0 });
  });

  test("a network is the one of that very name: not one that it means as an expression, or whose id begins so", async () => {
    await on(
      "ip link add cw-p type bridge && docker network create -d macvlan --subnet 10.94.3.0/24 -o parent=cw-p lan-20",
    );
    const network = (await on("docker network inspect -f '{{.Id}}' lan-20")).slice(0, 4);
    await on(
      `docker network create ${network} && docker create --name cw-m --network lan-20 busybox true && docker create --name cw-n --network ${network} busybox true`,
    );
    const shim = (name: string) =>
      macvlanShim({
        name: "macvlan-shim",
        network: name,
        address: "10.94.3.9",
        ip_range: "10.94.3.0/25",
      }).plan(reader());
    expect(await shim("lan.20")).toEqual([later("the network lan.20 does not exist yet")]);
    expect(await shim("lan-20")).toMatchObject([{ what: "link macvlan-shim" }]);
    const names = async (name: string) => (await reader().networkMembers(name)).map((m) => m.name);
    expect([await names(network), await names("lan-20")]).toEqual([["cw-n"], ["cw-m"]]);
    const call = `. /var/lib/causeway/lib-${hostLibrary().hash}.sh; cw_network_members ${network}`;
    expect((await session.run(call)).stdout).toMatch(/^cw-n \S+\n$/);
    await on(`docker rm cw-m cw-n; docker network rm lan-20 ${network}; ip link del cw-p`);
  });

  test("undone when they were only intended", async () => {
    const start = await now();
    const plans = await Promise.all(rows.map(([, , plan]) => plan()));
    const steps = plans.flat().map((one) => ({ ...one, perform: rawScript("exit 9") }));
    const { code, entries } = await perform(steps);
    expect(code).toBe(71);
    expect(await undo(entries)).toMatchObject({ code: 0 });
    expect(differences(start, await now())).toEqual([]);
  });

  inFull.each([
    ["taken away", () => noBridge("cw1")],
    ["made anew with another address", () => bridge("cw1", "10.96.2.1/24")],
  ])("a link of ours, %s", async (_name, plan) => {
    const first = await perform([bridge("cw1", "10.96.1.1/24")]);
    const start = await now();
    const { code, entries } = await perform([plan()]);
    expect(code).toBe(0);
    expect(differences(start, await now())).not.toEqual([]);
    expect(await undo(entries)).toMatchObject({ code: 0 });
    expect(differences(start, await now())).toEqual([]);
    expect(await undo(first.entries)).toMatchObject({ code: 0 });
  });

  inFull("undone when it was cut off in the middle: a package that is only unpacked", async () => {
    const start = await now();
    const perform9 = rawScript(
      "cw_apt='apt-get -q --no-install-recommends'; cw_package_announce etcd-client; cd /tmp && apt-get -q download etcd-client && dpkg --unpack etcd-client*.deb; rm -f etcd-client*.deb; printf '#!/bin/sh\\n# causeway\\nexit 101\\n' >/usr/sbin/policy-rc.d; exit 9",
    );
    const { code, entries } = await perform([
      { ...step.packages({ names: ["etcd-client"] }), perform: perform9 },
    ]);
    expect(code).toBe(71);
    // What somebody installed between that and the undo is not ours.
    await on(somebodys("cw-bystander", ""));
    expect(await undo(entries)).toMatchObject({ code: 0 });
    await on("dpkg -s cw-bystander >/dev/null && dpkg --purge cw-bystander");
    expect(differences(start, await now())).toEqual([]);
  });

  inFull("a package that another step's package needs goes with that one", async () => {
    const start = await now();
    const first = await perform([step.packages({ names: ["etcd-server"] })]);
    const second = await perform([step.packages({ names: ["consul"] })]);
    expect(await undo(first.entries)).toMatchObject({ code: 0 });
    expect(await on("dpkg-query -W -f '${Package} ' etcd-server pipexec consul 2>/dev/null || true")).toBe(
      "consul pipexec ",
    );
    expect(await undo(second.entries)).toMatchObject({ code: 0 });
    expect(differences(start, await now())).toEqual([]);
  });

  inFull("a package that somebody's own package needs by now stays, and what needs it is named", async () => {
    await on(`[ -d /root/repo ] || {\n${repository}\n}`);
    const { entries } = await perform([step.packages({ names: ["cw-tool"] })]);
    await on(somebodys("cw-mine", "Depends: cw-tool\\n"));
    const call = `. /var/lib/causeway/lib-${hostLibrary().hash}.sh; cw_undo "$CW/runs/${entries[0]}"`;
    const { code, stdout } = await session.run(call);
    expect(code).toBe(3);
    expect(stdout).toMatch(/cw-mine depends on cw-tool/);
    await on("dpkg -s cw-tool >/dev/null && dpkg --purge cw-mine");
    expect(await undo(entries)).toMatchObject({ code: 0 });
    expect((await lab.on(host, "dpkg -s cw-tool")).code).not.toBe(0);
  });

  test("a route that somebody leads elsewhere since stays", async () => {
    await on(`ip route add 10.90.0.0/24 via ${lab.net}.1`);
    const { entries } = await perform([step.route({ to: "10.90.0.0/24", via: `${lab.net}.2` })]);
    await on(`ip route flush exact 10.90.0.0/24; ip route add 10.90.0.0/24 via ${lab.net}.3`);
    const call = `. /var/lib/causeway/lib-${hostLibrary().hash}.sh; cw_undo "$CW/runs/${entries[0]}"`;
    const { code, stdout } = await session.run(call);
    expect(code).toBe(3);
    expect(stdout).toContain(`via ${lab.net}.3`);
    expect(await on("ip route show exact 10.90.0.0/24")).toContain(`via ${lab.net}.3`);
    expect(await session.run(`${call} force`)).toMatchObject({ code: 0 });
    expect(await on("ip route show exact 10.90.0.0/24")).toContain(`via ${lab.net}.1`);
    await on("ip route flush exact 10.90.0.0/24");
  });

  test("a route of the kernel's own or of a routing daemon is not replaced, now or at boot, and nothing is changed", async () => {
    const via = `${lab.net}.2`;
    await on(
      "ip link add cw-theirs type bridge && ip addr add 10.87.1.1/24 dev cw-theirs && ip link set cw-theirs up",
    );
    await on(`ip route add 10.87.2.0/24 via ${lab.net}.1 proto bird metric 9`);
    const before = await snapshot(lab, host);
    for (const [steps, theirs] of [
      [[step.route({ to: "10.87.1.0/24", via })], "10.87.1.0/24 dev cw-theirs proto kernel"],
      [[routesTo({ "10.87.2.0/24": 2, "10.87.3.0/24": 2 })], "10.87.2.0/24 via"],
    ] as const) {
      const { code, stdout } = await perform(steps);
      expect(code).not.toBe(0);
      expect(stdout).toContain(`not replaced, because neither causeway nor a person made it: ${theirs}`);
    }
    expect(
      differences(before, await snapshot(lab, host)).filter((line) => !line.includes("/var/lib/causeway")),
    ).toEqual([]);
    await on("ip route del 10.87.2.0/24; ip link del cw-theirs");
    const { entries } = await perform([routesTo({ "10.87.1.0/24": 2, "10.87.3.0/24": 2 })]);
    await on("ip route del 10.87.1.0/24; ip route del 10.87.3.0/24");
    await on(
      "ip link add cw-theirs type bridge && ip addr add 10.87.1.1/24 dev cw-theirs && ip link set cw-theirs up",
    );
    expect(
      await on("systemctl restart causeway-network || true; journalctl -u causeway-network -n 5 -o cat"),
    ).toContain(
      `not replaced, because causeway did not make the route that is there: 10.87.1.0/24 via ${via}`,
    );
    expect(await on("ip route show root 10.87.0.0/16 | sed 's/ dev host0//'")).toBe(
      `10.87.1.0/24 dev cw-theirs proto kernel scope link src 10.87.1.1 \n10.87.3.0/24 via ${via} proto 202 \n`,
    );
    await on("ip link del cw-theirs");
    expect((await undo(entries)).code).toBe(0);
  });

  test("a list goes before the routes that are kept one by one, and gives them back", async () => {
    const via = `${lab.net}.3`;
    const first = await perform([
      step.route({ to: "10.89.5.0/24", via }),
      step.route({ to: "10.89.6.0/24", via }),
    ]);
    const start = await now();
    await on("setsid ip -4 monitor route >/run/cw-monitor 2>&1 & echo $! >/run/cw-monitor.pid; sleep 0.3");
    const { code, entries } = await perform([routesTo({ "10.89.5.0/24": 2, "10.89.8.0/24": 3 })]);
    expect(code).toBe(0);
    // Replaced, and at no time away.
    const seen = await on("sleep 0.3; kill $(cat /run/cw-monitor.pid); cat /run/cw-monitor");
    expect(seen).toContain(`10.89.5.0/24 via ${lab.net}.2`);
    expect(seen).not.toContain("Deleted");
    // What keeps one route alone is its own step's; at boot the list comes after it.
    const kept = (to: string, host: number) => `${to} via ${lab.net}.${host} proto 202\n`;
    expect(await on("cat /etc/causeway/routes/*")).toBe(
      kept("10.89.5.0/24", 3) + kept("10.89.6.0/24", 3) + kept("10.89.5.0/24", 2) + kept("10.89.8.0/24", 3),
    );
    await on("/etc/causeway/apply");
    expect(await on("ip route show 10.89.5.0/24")).toContain(`via ${lab.net}.2 `);
    expect(await undo(entries)).toMatchObject({ code: 0 });
    expect(differences(start, await now())).toEqual([]);
    expect(await undo(first.entries)).toMatchObject({ code: 0 });
    expect(await on("ip route show proto 202; ls /etc/causeway 2>/dev/null; true")).toBe("");
  });

  test("of a list the routes that somebody leads elsewhere since stay, and the rest goes back", async () => {
    await on(`ip route add 10.88.1.0/24 via ${lab.net}.1; ip route add 10.88.2.0/24 via ${lab.net}.1`);
    const { entries } = await perform([
      routesTo({ "10.88.1.0/24": 2, "10.88.2.0/24": 2, "10.88.3.0/24": 2 }),
    ]);
    await on(`ip route flush exact 10.88.1.0/24; ip route add 10.88.1.0/24 via ${lab.net}.3`);
    const call = `. /var/lib/causeway/lib-${hostLibrary().hash}.sh; cw_undo "$CW/runs/${entries[0]}"`;
    const there = () => on("ip route show root 10.88.0.0/16 | sed 's/ dev.*//'");
    const { code, stdout } = await session.run(call);
    expect({ code, stdout }).toMatchObject({ code: 3, stdout: expect.stringContaining(`via ${lab.net}.3`) });
    const back = `10.88.2.0/24 via ${lab.net}.1\n`;
    expect(await there()).toBe(`10.88.1.0/24 via ${lab.net}.3\n${back}`);
    expect(await session.run(`${call} force`)).toMatchObject({ code: 0 });
    expect(await there()).toBe(`10.88.1.0/24 via ${lab.net}.1\n${back}`);
    await on("ip route flush root 10.88.0.0/16");
  });

  test("a chain that somebody leads to since stays, with those words", async () => {
    const plan = step.chain({ table: "nat", name: "CAUSEWAY-TEST3", rules: ["-j RETURN"] });
    const { entries } = await perform([plan]);
    await on("iptables -t nat -A OUTPUT -j CAUSEWAY-TEST3");
    const call = `. /var/lib/causeway/lib-${hostLibrary().hash}.sh; cw_undo "$CW/runs/${entries[0]}"`;
    expect(await session.run(call)).toMatchObject({
      code: 3,
      stdout: expect.stringContaining("-A OUTPUT -j CAUSEWAY-TEST3"),
    });
    await on("iptables -t nat -D OUTPUT -j CAUSEWAY-TEST3");
    expect(await session.run(call)).toMatchObject({ code: 0 });
    expect((await lab.on(host, "iptables -t nat -S CAUSEWAY-TEST3")).code).not.toBe(0);
  });

  test("what is applied at boot executes nothing of a rule's text, and an older script for it is renewed", async () => {
    await on(
      "mkdir -p /etc/causeway; printf '#!/bin/sh\nexit 0\n' >/etc/causeway/apply; chmod 755 /etc/causeway/apply",
    );
    const list = routesTo({ "10.88.4.0/24": 2 });
    const chain = step.chain({ table: "filter", name: "CAUSEWAY-TEST4", rules: ["-j RETURN"] });
    const way = {
      table: "filter",
      chain: "FORWARD",
      spec: "-j CAUSEWAY-TEST4",
      comment: "w",
      place: "first",
    } as const;
    const { code, entries } = await perform([
      list,
      chain,
      step.rule(way),
      step.rule({ ...evilRule, place: "last" }),
    ]);
    expect(code).toBe(0);
    const looks =
      "iptables -S FORWARD | grep -e TEST4 -e 10.9.3.0/24; iptables -S CAUSEWAY-TEST4; ip route show root 10.88.0.0/16";
    const before = await on(looks);
    await on(
      "iptables-save | grep -v -e TEST4 -e 10.9.3.0/24 | iptables-restore; ip route flush root 10.88.0.0/16; ! iptables -S CAUSEWAY-TEST4 2>/dev/null",
    );
    await on("/etc/causeway/apply");
    expect(await on(looks)).toBe(before);
    expect(await undo(entries)).toMatchObject({ code: 0 });
    expect(await on("ls /opt/evaluated /etc/causeway 2>/dev/null; true")).toBe("");
  });

  test("ports that an earlier version closed by a rule for each address are closed by a chain, and back", async () => {
    const port = "-p tcp -m multiport --dports 7001,7002";
    const old = ["", "-s 127.0.0.0/8 ", "-s 10.84.0.1/32 ", "-s 10.84.0.2/32 "].map((source) =>
      step.rule({
        table: "filter",
        chain: "INPUT",
        spec: `${source}${port} -j ${source === "" ? "DROP" : "ACCEPT"}`,
        comment: "causeway:row",
        place: "first",
      }),
    );
    const begin = await now();
    const first = await perform(old);
    const start = await now();
    const ports = { tcp: [7001, 7002], from: ["10.84.0.1"], comment: "causeway:row" };
    const missing = async () => missingPortRules(await readFirewall(reader()), ports);
    // The chain, what leads to it, and then each of the old rules.
    const { code, entries } = await perform(await missing());
    expect({ code, steps: entries.length }).toEqual({ code: 0, steps: 2 + 4 });
    expect(await missing()).toEqual([]);
    expect(await on("iptables -S INPUT | grep 700; ls /etc/causeway/rules | wc -l")).toBe(
      `-A INPUT ${port} -m comment --comment "causeway:row" -j CAUSEWAY-PORT-7001\n1\n`,
    );
    expect(await undo(entries)).toMatchObject({ code: 0 });
    expect(differences(start, await now())).toEqual([]);
    expect(await undo(first.entries)).toMatchObject({ code: 0 });
    expect(differences(begin, await now())).toEqual([]);
  });

  test("of flannel's traces its own rules go, somebody's stay, and what their comment says is not run", async () => {
    const params = { network: "10.86.0.0/16" } as Parameters<typeof traces>[0];
    const start = await now();
    const { code, entries } = await perform([traces(params)]);
    expect(code).toBe(0);
    await on(`ip link add flannel.1 type bridge
iptables -A FORWARD -s 10.86.0.0/16 -j ACCEPT
iptables -A FORWARD -d 10.86.0.0/16 -m comment --comment "flanneld forward" -j ACCEPT
iptables -t nat -A POSTROUTING -s 10.86.0.0/16 ! -d 224.0.0.0/4 -j MASQUERADE`);
    const theirs = `iptables -A FORWARD -s 10.86.0.0/16 -d 10.9.9.0/24 -m comment --comment 'y $(touch /opt/evaluated)' -j ACCEPT`;
    await on(theirs);
    expect(await undo(entries)).toMatchObject({ code: 0 });
    await on(theirs.replace("-A", "-D"));
    expect(differences(start, await now())).toEqual([]);
  });

  test("a file that somebody wrote after a run was cut off before it stays", async () => {
    await on("echo before >/etc/cw-late");
    const was = await reader().file("/etc/cw-late");
    const cutOff = rawScript("exit 9");
    const { entries } = await perform([{ ...step.file({ was, content: "ours\n" }), perform: cutOff }]);
    await on("echo theirs >/etc/cw-late");
    expect(await undo(entries)).toMatchObject({ code: 1 });
    expect(await on("cat /etc/cw-late")).toBe("theirs\n");
  });

  inFull(
    "a link over a foreign one of that name, and a restart of Docker: the unit that keeps it is well",
    async () => {
      await on("ip link add cw5 type bridge");
      const { code, entries } = await perform([bridge("cw5", "10.96.5.1/24")]);
      expect(code).toBe(0);
      expect(await on("systemctl is-active causeway-network.service; ip -o -4 addr show cw5")).toMatch(
        /^active\n.*10\.96\.5\.1/,
      );
      // The unit follows Docker; the restart of Docker does not wait for it.
      await on("systemctl restart docker");
      const settled =
        "for _ in $(seq 100); do systemctl is-active -q causeway-network && break; sleep .1; done";
      expect(
        await on(`${settled}; systemctl is-active causeway-network.service; ip -o -4 addr show cw5`),
      ).toMatch(/^active\n.*10\.96\.5\.1/);
      expect(await undo(entries)).toMatchObject({ code: 0 });
      await on("ip link del cw5");
    },
  );
});

describe.sequential("a file is written whole or not at all", () => {
  test("not over a file that changed since it was read", async () => {
    await on("echo planned-against >/etc/cw-swap");
    const was = await reader().file("/etc/cw-swap");
    await on("echo somebody-else >/etc/cw-swap");
    const { code, stdout } = await perform([step.file({ was, content: "ours\n" })]);
    expect(code).toBe(71);
    expect(stdout).toContain("changed between the plan and now");
    expect(await on("cat /etc/cw-swap")).toBe("somebody-else\n");
  });

  test("not on a full disk: the old content stays, the error is clear, nothing is left beside it", async () => {
    await on("mkdir -p /mnt/full && mount -t tmpfs -o size=64k tmpfs /mnt/full && echo old >/mnt/full/f");
    const was = await reader().file("/mnt/full/f");
    const { code, stdout, entries } = await perform([step.file({ was, content: "x".repeat(200_000) })]);
    expect(code).toBe(71);
    expect(stdout).toMatch(/No space left on device/i);
    expect(await on("cat /mnt/full/f; ls -A /mnt/full")).toBe("old\nf\n");
    expect(await undo(entries)).toMatchObject({ code: 0 });
    expect(await on("cat /mnt/full/f")).toBe("old\n");
    await on("umount /mnt/full");
  });

  test("its temporary file is nobody else's to read", async () => {
    const look =
      "until ls -l /opt/slow/.causeway.* >/root/ls 2>/dev/null; do sleep 0.1; done; cut -c 1-10 /root/ls >/root/seen";
    const write = rawScript(
      `mkdir -p /opt/slow; { printf s; ${look}; } | cw_file_swap /opt/slow/f absent 644 0:0`,
    );
    const was = await reader().file("/opt/slow/f");
    const { code } = await perform([{ ...step.file({ was, content: "s" }), perform: write }]);
    expect(code).toBe(0);
    expect(await on("cat /root/seen; stat -c %a /opt/slow/f; rm -r /opt/slow /root/seen /root/ls")).toBe(
      "-rw-------\n644\n",
    );
  });

  test("a secret is in no entry of the journal but the bytes that undo needs", async () => {
    await on("printf 'old-hunter' >/etc/cw-s2; chmod 600 /etc/cw-s2");
    const was = await reader().file("/etc/cw-s2");
    const { entries } = await perform([step.file({ was, content: new Secret("new-hunter") })]);
    expect(await on("grep -rl new-hunter /var/lib/causeway || true")).toBe("");
    expect(
      await on(
        `grep -rl old-hunter /var/lib/causeway; stat -c %a /var/lib/causeway/runs/${entries[0]}.before`,
      ),
    ).toBe(`/var/lib/causeway/runs/${entries[0]}.before\n600\n`);
  });
});

test("a secret that the host makes is in nothing of the journal, and marks the entry; where nothing is made, there is no file", async () => {
  const made = (make: Script) => step.madeFile({ path: "/etc/cw-made", make, to: "a number" });
  const { code, entries } = await perform([made(sh`printf 'it is hunter%s' "$((2 + 2))"`)]);
  expect(code).toBe(0);
  expect(await on("cat /etc/cw-made; stat -c %a /etc/cw-made")).toBe("it is hunter4\n600\n");
  expect(JSON.parse(await on(`cat /var/lib/causeway/runs/${entries[0]}.json`))).toMatchObject({
    secret: true,
  });
  expect(await on("grep -rl hunter4 /var/lib/causeway || true")).toBe("");
  expect(await undo(entries)).toMatchObject({ code: 0 });
  for (const nothing of [sh`false`, sh`true`])
    expect(await perform([made(nothing)])).toMatchObject({ code: 71 });
  expect(await on("ls /etc/cw-made 2>&1 || true")).toContain("No such file");
});

test("a secret of a link's commands is for root only, and marks the entry; one of an undo does, too", async () => {
  const secret = new Secret("it's hunter3");
  const link = step.link({ name: "cws", make: sh`: ${secret}; ip link add cws type bridge`, to: "bridge" });
  const run = step.run({ what: "it", to: "x", do: sh`:`, done: sh`true`, undo: sh`: ${secret}` });
  const { code, entries } = await perform([link, run]);
  expect(code).toBe(0);
  expect(await on("stat -c %a /etc/causeway/links/cws-*")).toBe("600\n");
  for (const entry of entries)
    expect(JSON.parse(await on(`cat /var/lib/causeway/runs/${entry}.json`))).toMatchObject({ secret: true });
  expect(await on("grep -rl hunter3 /var/lib/causeway --include=*.json || true")).toBe("");
  expect(await undo(entries)).toMatchObject({ code: 0 });
});

describe.sequential("a file out of an archive is not unpacked", () => {
  const url = "http://127.0.0.1:8091/tool.tar.gz";
  const unpacked = async (over: Partial<Archive> = {}, member = "tool-v1/tool") =>
    step.unpacked({
      was: await reader().file("/opt/unpacked/tool"),
      archive: { ...(await packed()), ...over },
      member,
    });

  test.each<[string, string, () => Promise<Step>, RegExp]>([
    [
      "of another checksum",
      ":",
      () => unpacked({ sha256: "0".repeat(64) }),
      /found {4}sha256 [0-9a-f]{64}\n@cw \| expected sha256 0{64}/,
    ],
    [
      "that is not there",
      ":",
      () => unpacked({ url: `${url}.gone` }),
      /cannot fetch .*gone; nothing was changed\n.*fetch: controller/,
    ],
    [
      "without such a file",
      ":",
      () => unpacked({}, "absent"),
      /holds no file named absent:\n@cw \| tool-v1\//,
    ],
    [
      "with an unzip that is missing",
      "mv /usr/bin/unzip /root/; mv /bin/busybox /root/",
      () => unpacked(zipped("host"), "tool"),
      /neither unzip nor busybox.*fetch: controller/,
    ],
    [
      "without curl and wget",
      "mv /root/unzip /usr/bin/; mv /root/busybox /bin/; mv /usr/bin/curl /usr/bin/wget /root/ 2>/dev/null; true",
      () => unpacked(),
      /neither curl nor wget is on this host/,
    ],
    [
      "that is none",
      "mv /root/curl /root/wget /usr/bin/ 2>/dev/null; echo '<html>' >/root/www/tool.tar.gz",
      () => unpacked(),
      /neither a \.tar\.gz nor a \.zip/,
    ],
  ])("%s", async (_name, before, plan, message) => {
    await on(before);
    const everything = "find /opt /usr/local /tmp -printf '%p %m %s %T@\\n' | sort";
    const start = await on(everything);
    const { code, stdout } = await perform([await plan()]);
    expect(code).toBe(71);
    expect(stdout).toMatch(message);
    expect(await on(everything)).toBe(start);
  });
});

/** Commands of which each call is seen before it runs: `sync` is written down, and the nth of all kills the script. */
const watched = `mkdir -p /run/cw-watch; cat >/run/cw-watch/.watch <<'END'
#!/bin/sh
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
name=\${0##*/}
[ "$name" != sync ] || echo "$@" >>/run/cw-synced
read -r n </run/cw-count
n=$((n + 1))
echo $n >/run/cw-count
[ "$n" != "$CW_KILL_AT" ] || kill -KILL -- "-$CW_GROUP"
exec "$name" "$@"
END
chmod 755 /run/cw-watch/.watch
for c in /usr/bin/* /usr/sbin/* /bin/* /sbin/*; do [ -x "$c" ] && ln -sf .watch "/run/cw-watch/\${c##*/}"; done; true`;

/** Performs steps in a shell of their own, which is killed with all it started at its nth command. */
async function performWatched(steps: readonly Step[], killAt = 0) {
  const run = nextRun();
  const head = (await session.run("cat /var/lib/causeway/head 2>/dev/null")).stdout.trim();
  const actions = steps.map((one, i) => ({
    does: "step" as const,
    n: String(i + 1).padStart(4, "0"),
    identity: { owner: "test", task: "test", key: String(i), scope: "host" as const, play: 0 },
    step: one,
  }));
  const { text } = hostScript({
    run,
    host,
    head,
    who: "test",
    record: `{"id":"${run}"}`,
    libraries: await libraries(),
    actions,
    due: [],
  });
  const begin = `CW_GROUP=$$ CW_KILL_AT=${killAt} PATH=/run/cw-watch:$PATH; export CW_GROUP CW_KILL_AT PATH`;
  await session.run(
    sh`printf '%s\n' ${`${begin}\n${text}`} >/run/cw-script; echo 0 >/run/cw-count; : >/run/cw-synced`.text,
  );
  await session.run("setsid -w sh /run/cw-script; true");
  const entries = (await session.run(`cd /var/lib/causeway/runs; ls -d ${run}/[0-9]*.json 2>/dev/null`))
    .stdout;
  return {
    count: Number(await on("cat /run/cw-count")),
    entries: entries
      .trim()
      .split("\n")
      .filter(Boolean)
      .map((e) => e.replace(".json", "")),
  };
}

describe.sequential("a script that is watched", () => {
  const plan = async () => [
    step.file({ was: await reader().file("/opt/k/l/file"), content: "new\n" }),
    step.jsonKeys({ was: await reader().file("/etc/cw-k.json"), keys: { a: 1 } }),
    step.sysctl({ key: "net.ipv4.conf.all.log_martians", value: 1 }),
    step.route({ to: "10.91.0.0/24", via: `${lab.net}.1` }),
    routesTo({ "10.91.7.0/24": 2, "10.91.8.0/24": 2 }),
    step.chain({ table: "filter", name: "CAUSEWAY-K", rules: ["-j RETURN"] }),
    step.rule({
      table: "filter",
      chain: "DOCKER-USER",
      spec: "-s 10.91.0.0/16 -j ACCEPT",
      comment: "k",
      place: "first",
    }),
    bridge("cwk", "10.91.1.1/24"),
    step.dockerNetwork({ name: "cw-kn", driver: "bridge", subnet: "10.91.2.0/24", gateway: "10.91.2.9" }),
    step.unit({ name: "ssh.service", enabled: false, was: "enabled, active" }),
    step.file({ was: await reader().file("/etc/cw-k.conf"), content: null }),
  ];
  beforeAll(async () => {
    await on(watched);
    await on(
      "echo '{ \"b\": 2 }' >/etc/cw-k.json; echo keep >/etc/cw-k.conf; docker network create --subnet 10.91.2.0/24 cw-kn; docker create --name cw-kc --network cw-kn --ip 10.91.2.7 busybox true",
    );
    // The first route, rule or link of all brings the unit; it is there for none of them.
    await on("systemctl enable -q ssh.service");
  });

  test("has its journal on disk before the first step, and a file before it gets its name", async () => {
    const mark = step.run({
      what: "a mark",
      to: "there",
      do: sh`echo first-step >>/run/cw-synced`,
      done: sh`false`,
      undo: sh`true`,
    });
    const was = await reader().file("/opt/k/file");
    const { entries } = await performWatched([mark, step.file({ was, content: "x" })]);
    const run = entries[0]?.split("/")[0];
    const log = (await on("cat /run/cw-synced")).trim().split("\n");
    expect(log).toHaveLength(5);
    for (const file of [
      "run.json",
      "0001.json.new",
      "0001.res",
      "0001.was",
      "0002.json.new",
      "0002.before.folder",
    ])
      expect(log[0]).toContain(`/var/lib/causeway/runs/${run}/${file}`);
    expect(log[0]).toContain("/var/lib/causeway/head.new");
    expect(log[1]).toBe(`-- /var/lib/causeway/runs/${run} /var/lib/causeway/runs /var/lib/causeway`);
    expect(log[2]).toBe("first-step");
    expect(log[3]).toBe(`-- /opt/k/.causeway.${run}-0002 /var/lib/causeway/runs/${run}/0002.now`);
    expect(log[4]).toBe("-- /opt/k");
    expect(await undo(entries)).toMatchObject({ code: 0 });
  });

  inFull(
    "killed at any of its commands, it leaves what undo restores to the last byte",
    async () => {
      const start = await now();
      const whole = await performWatched(await plan());
      expect(whole.entries).toHaveLength(11);
      expect(await undo(whole.entries)).toMatchObject({ code: 0 });
      expect(differences(start, await now())).toEqual([]);
      for (let n = 1; n <= whole.count; n += 1) {
        const { entries } = await performWatched(await plan(), n);
        expect({ n, ...(await undo(entries)) }).toMatchObject({ n, code: 0 });
        expect({ n, left: differences(start, await now()) }).toEqual({ n, left: [] });
      }
    },
    7_200_000,
  );
});

describe.sequential("the snapshot notices", () => {
  let state: string[];
  test("nothing where nothing changed", async () => {
    await on("printf x >/etc/cw-byte; chmod 644 /etc/cw-byte");
    state = await snapshot(lab, host);
    expect(differences(state, await snapshot(lab, host))).toEqual([]);
  });

  test.each([
    ["one byte", "printf y >/etc/cw-byte"],
    ["a mode", "chmod 600 /etc/cw-byte"],
    ["an owner", "chown ops /etc/cw-byte"],
    ["a rule", "iptables -t nat -A POSTROUTING -s 10.1.1.1 -j ACCEPT"],
    ["a route", `ip route add 10.88.0.0/24 via ${lab.net}.1`],
    ["an address", "ip addr add 10.87.0.1/24 dev docker0"],
    ["a link", "ip link add cw9 type bridge"],
    ["a unit", "systemctl stop ssh.service"],
    ["a disabled unit", "systemctl disable -q ssh.service"],
    ["a package", "dpkg --purge busybox-static"],
    ["a sysctl", "echo 0 >/proc/sys/net/ipv4/ip_forward"],
    ["a network", "docker network create seen"],
    ["a container", "docker create --name seen busybox true"],
  ])("%s", async (_name, change) => {
    await on(change);
    const after = await snapshot(lab, host);
    expect(differences(state, after)).not.toEqual([]);
    state = after;
  });
});
