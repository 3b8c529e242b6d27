import { execFile } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import staticRoute from "../../playbooks/static-route.ts";
import type { CommandResult, Session } from "../../src/host/session.ts";
import { loadInventory } from "../../src/inventory/load.ts";
import type { Playbook } from "../../src/playbook/define.ts";
import { run } from "../../src/run/run.ts";

const folder = mkdtempSync(join(tmpdir(), "causeway-idle-"));
const root = join(folder, "root");
const started = join(folder, "started");
let docker: Server;

/** What the programs of a host with Docker say, as far as it matters to what is asked next. */
const programs: Record<string, string> = {
  systemctl: `case $1 in
cat) printf '# /lib/systemd/system/docker.service\\nEnvironmentFile=-${root}/etc/default/docker\\nExecStart=/usr/sbin/dockerd -H fd:// $DOCKER_OPTS\\n' ;;
show) printf 'LoadState=loaded\\nActiveState=active\\nMainPID=77\\n' ;;
esac`,
  curl: `head='HTTP/1.1 200 OK\\r\\nServer: Docker/20.10.5 (linux)\\r\\n\\r\\n'
printf "$head[]\\n$head[]\\n"`,
  ip: "true",
  "iptables-save": "true",
  docker: "exit 1",
};

const files: Record<string, string> = {
  "run/docker.pid": "77",
  "proc/77/comm": "dockerd\n",
  "proc/77/cmdline": "dockerd\0-H\0fd://\0",
  "proc/77/cgroup": "0::/system.slice/docker.service\n",
  "proc/78/comm": "etcd\n",
  "proc/79/comm": "flanneld\n",
  "proc/79/cgroup": "9:name=systemd:/\n1:cpu:/\n0::/system.slice/flanneld.service\n",
  "proc/79/stat": "79 (flanneld) S 1 79 79 0\n",
  "proc/78/cgroup": "12:pids:/user.slice\n1:name=systemd:/user.slice/user-0.slice/session-3.scope\n0::/\n",
  "proc/78/stat": "78 (etcd) S 1 78 78 0\n",
  "proc/sys/kernel/hostname": "h1\n",
  "proc/sys/net/ipv4/ip_forward": "1\n",
  "etc/docker/daemon.json": "{}\n",
  "etc/default/docker": '#DOCKER_OPTS="--dns 8.8.8.8"\nDOCKER_OPTS="--bip=10.9.0.1/24 --mtu=1400"\n',
  "var/lib/causeway/head": "\n",
};

function executable(path: string, script: string): void {
  writeFileSync(path, `#!/bin/sh\n${script}\n`);
  chmodSync(path, 0o755);
}

beforeAll(async () => {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(root, name, ".."), { recursive: true });
    writeFileSync(join(root, name), text);
  }
  const bin = join(folder, "bin");
  mkdirSync(bin);
  for (const [name, says] of Object.entries(programs))
    executable(join(bin, name), `echo ${name} >>${started}\n${says}`);
  for (const name of ["cat", "grep", "sed", "stat", "sha256sum", "tr", "cut", "head", "awk", "date", "id"]) {
    const real = ["/usr/bin", "/bin"].map((at) => join(at, name)).find((path) => existsSync(path));
    if (real) executable(join(bin, name), `echo ${name} >>${started}\nexec ${real} "$@"`);
  }
  docker = createServer();
  mkdirSync(join(root, "var/run"));
  await new Promise<void>((ready) => docker.listen(join(root, "var/run/docker.sock"), ready));
});

afterAll(async () => {
  await new Promise((ended) => docker.close(ended));
  rmSync(folder, { recursive: true });
});

/** A host whose files lie below a folder, and whose programs write down that they were started. */
function session(name: string): Session {
  const stats = { roundTrips: 0, commands: 0, connectMs: 0 };
  return {
    name,
    push: () => Promise.reject(new Error("an idle run sends nothing")),
    beside: () => Promise.reject(new Error("an idle run sends nothing")),
    through: [],
    accompany: () => Promise.reject(new Error("an idle run starts nothing beside it")),
    close: async () => {},
    stats,
    run: (script) => {
      stats.commands += 1;
      const there = script.replaceAll(
        /(?<![\w.:/])\/(?=(?:run|proc|etc|var|usr\/local\/lib|usr\/lib|lib)\/)/g,
        `${root}/`,
      );
      return new Promise<CommandResult>((resolve) =>
        execFile("/bin/sh", ["-c", there], { env: { PATH: join(folder, "bin") } }, (error, stdout, stderr) =>
          resolve({ stdout, stderr, code: error ? Number(error.code) : 0 }),
        ),
      );
    },
  };
}

test("a look at a host of three for static-route starts these programs, and no other", async () => {
  const found: string[] = [];
  const book: Playbook = {
    ...(staticRoute as unknown as Playbook),
    preflight: ({ hosts }) => {
      found.push(JSON.stringify(hosts[0]?.facts));
      return [];
    },
  };
  const { outcome, commands } = await look(book);
  expect(outcome.exitCode).toBe(0);
  expect(commands).toBe(17);
  expect(readFileSync(started, "utf8").trim().split("\n").sort()).toEqual(
    [
      // The journal, which holds nothing, and who may write to it; of what comes back at boot there is nothing yet.
      ...["grep", "stat"],
      // daemon.json: its mode, its checksum and its text.
      ...["stat", "sha256sum", "cat"],
      // docker.service as it lies on disk and as it runs, with the command line of its process.
      ...["systemctl", "systemctl", "cat"],
      // Docker, routes, addresses, rules, ip_forward and the files that set it.
      ...["curl", "ip", "ip", "iptables-save", "cat", "grep"],
      // What Docker says of itself; as it says nothing here, by its command line as well.
      ...["curl"],
    ].sort(),
  );
  // What was looked for with the shell alone was found.
  expect(JSON.parse(found[0] ?? "")).toMatchObject({
    hostname: "h1",
    firewall: "",
    docker: "20.10.5",
    byHand: {
      variables: [{ path: `${root}/etc/default/docker`, name: "DOCKER_OPTS", flag: "--bip=10.9.0.1/24" }],
      processes: [
        { name: "etcd", pid: "78", cgroup: "/user.slice/user-0.slice/session-3.scope" },
        { name: "flanneld", pid: "79", cgroup: "/system.slice/flanneld.service" },
      ],
    },
  });
});

async function look(playbook: Playbook) {
  const inventory = join(folder, "inventory.json");
  const hosts = Object.fromEntries(
    [1, 2, 3].map((n) => [`h${n}`, { ansible_host: `10.0.0.${n}`, bip: `10.9.${n}.1/24` }]),
  );
  writeFileSync(inventory, JSON.stringify({ all: { children: { docker: { hosts } } } }));
  const sessions: Session[] = [];
  const outcome = await run({
    playbook,
    inventory: await loadInventory([inventory]),
    extraVars: new Map(),
    limit: "h1",
    check: true,
    verify: false,
    forks: 1,
    session: { hostKeyChecking: "strict", connectTimeoutMs: 1000, commandTimeoutMs: 1000 },
    connect: async ({ name }) => {
      const opened = session(name);
      sessions.push(opened);
      return opened;
    },
    reporter: { event: () => {}, close: async () => {} },
    interrupted: new AbortController().signal,
    breakLock: false,
    verbose: false,
  });
  return { outcome, commands: sessions[0]?.stats.commands };
}
