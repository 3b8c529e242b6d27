/** Measures Causeway side by side with what it is compared to; docs/bench.md says how to read it. */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { ensureImage } from "../src/lab/image.ts";
import { labConnection, labDown, labUp } from "../src/lab/index.ts";
import type { LabSpec } from "../src/lab/types.ts";
import { packageDir } from "../src/package-dir.ts";
import { ansiblePlaybook, installAnsible } from "./ansible.ts";
import { ansibleExec, causewayExec, clushExec } from "./exec.ts";
import { journalCosts } from "./journal.ts";
import { type Command, type Cost, measure, sideBySide, table } from "./measure.ts";
import { processesStarted } from "./processes.ts";
import { fiveReads, staticRouteReads } from "./same-reads.ts";
import { type Measured, schemeSpeeds, schemesOf2022, schemesOfToday } from "./schemes.ts";
import { addresses, type ManyHosts, startSshd, subnet } from "./sshd.ts";
import { switchCosts } from "./switch.ts";

const parts = ["start-up", "lab", "many", "growth", "exec", "journal", "switch", "schemes"];
const { values } = parseArgs({
  options: {
    part: { type: "string", multiple: true, default: parts },
    "with-ansible": { type: "boolean", default: false },
    rounds: { type: "string", default: "3" },
  },
});
const rounds = Math.min(20, Math.max(1, Number(values.rounds) || 3));

const run = join(packageDir, "run");
const playbook = join(packageDir, "playbooks/static-route.ts");
const lab: LabSpec = {
  name: "bench",
  subnet: "10.214.20.0/24",
  image: "bullseye",
  hosts: [200, 201, 202].map((n) => ({ name: `docker-${n}`, address: `10.214.20.${n}` })),
};

const addressesOfLab = lab.hosts.map(({ address }) => address);

const folder = mkdtempSync(join(tmpdir(), "causeway-bench-"));
try {
  console.log(`node ${process.versions.node}, ${cpus().length} × ${cpus()[0]?.model}; medians`);
  const ansible = values["with-ansible"];
  if (ansible) installAnsible();
  else console.log("without Ansible and Mitogen: --with-ansible installs what is missing and measures them");
  if (values.part.includes("start-up")) await startUp();
  if (values.part.includes("lab")) await threeLabHosts(ansible);
  if (values.part.includes("journal")) await journal();
  if (values.part.includes("switch")) await switched();
  if (values.part.includes("schemes")) await speeds();
  if (values.part.includes("many")) await manyHosts(ansible);
  if (values.part.includes("growth")) await growth();
  if (values.part.includes("exec")) await exec(ansible);
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** What a command costs before it does anything, against an empty node and the launcher with a node that does nothing. */
async function startUp(): Promise<void> {
  const fake = join(folder, "bin");
  mkdirSync(fake);
  writeFileSync(join(fake, "node"), "#!/bin/sh\nexit 0\n");
  chmodSync(join(fake, "node"), 0o755);
  await measure({ argv: [run, playbook, "--list-tasks"] });
  const costs = await sideBySide(
    {
      "node -e 0": { argv: ["node", "-e", "0"] },
      "the launcher alone": { argv: [run, "--help"], env: { PATH: `${fake}:${process.env.PATH}` } },
      "./run --help": { argv: [run, "--help"] },
      "./run static-route.ts --list-tasks": { argv: [run, playbook, "--list-tasks"] },
    },
    rounds * 5,
  );
  const unit = wall(costs, "node -e 0") + wall(costs, "the launcher alone");
  costs.set("node -e 0 and the launcher: the yardstick", { wallMs: unit, cpuMs: 0, peakMb: 0 });
  console.log(table("Start-up", costs, "node -e 0 and the launcher: the yardstick"));
}

async function threeLabHosts(ansible: boolean): Promise<void> {
  try {
    await labUp(lab, (message) => console.log(message));
    await nothingToDo(ansible);
  } finally {
    await labDown(lab);
  }
}

async function journal(): Promise<void> {
  const [host] = lab.hosts;
  const one: LabSpec = {
    ...lab,
    name: "bench-one",
    subnet: "10.214.21.0/24",
    hosts: host ? [{ ...host, address: "10.214.21.200" }] : [],
  };
  try {
    await labUp(one, (message) => console.log(message));
    await journalCosts(one, rounds, console.log);
  } finally {
    await labDown(one);
  }
}

async function switched(): Promise<void> {
  try {
    await labUp(lab, (message) => console.log(message));
    await switchCosts({ lab, ...labAsHosts() }, rounds, console.log);
  } finally {
    await labDown(lab);
  }
}

async function speeds(): Promise<void> {
  await speedsOn("docker28", schemesOfToday);
  await speedsOn("bullseye", schemesOf2022);
}

async function speedsOn(image: LabSpec["image"], schemes: readonly Measured[]): Promise<void> {
  const two: LabSpec = {
    name: "bench-two",
    subnet: "10.214.120.0/24",
    image,
    hosts: [200, 201].map((n) => ({ name: `docker-${n}`, address: `10.214.120.${n}` })),
  };
  try {
    await labUp(two, (message) => console.log(message));
    const flannel_binary = join(packageDir, "src/lab/flanneld-stand-in.sh");
    await schemeSpeeds({ lab: two, ...labAsHosts(two, { flannel_binary }) }, schemes, rounds, console.log);
  } finally {
    await labDown(two);
  }
}

/** The lab's hosts as if they were anybody's. */
function labAsHosts(
  of = lab,
  vars: Record<string, unknown> = {},
): {
  inventory: string;
  sshConfig: string;
  privateKeyFile: string;
  knownHostsFile: string;
} {
  const inventory = join(folder, "lab.json");
  const { privateKeyFile, knownHostsFile } = labConnection(of);
  const hosts = Object.fromEntries(
    of.hosts.map(({ name, address }, i) => [
      name,
      { ansible_host: address, bip: `192.168.${100 + i}.1/24`, ansible_ssh_private_key_file: privateKeyFile },
    ]),
  );
  writeFileSync(inventory, inventoryOf(hosts, { ansible_user: "root", ...vars }));
  return { inventory, sshConfig: sshConfig("lab", knownHostsFile), privateKeyFile, knownHostsFile };
}

async function nothingToDo(ansible: boolean): Promise<void> {
  const { inventory, sshConfig: config, privateKeyFile, knownHostsFile } = labAsHosts();
  const causeway: Command = {
    argv: [run, playbook, "-i", inventory, "--ssh-config", config, "--no-verify"],
  };
  await measure(causeway);
  const commands: Record<string, Command> = {
    "three parallel `ssh HOST true`": sshTrue(config, privateKeyFile),
    "the bare loop, `true`": bareLoop({ port: 22, keyFile: privateKeyFile }, "true", addressesOfLab),
    causeway,
    "causeway, in a terminal": inTerminal(causeway),
  };
  if (ansible) {
    const same = { folder, inventory, knownHosts: knownHostsFile, reads: staticRouteReads };
    commands["ansible, pipelining, raw"] = ansiblePlaybook({ ...same, name: "lab", module: "raw" });
  }
  const title = "Three lab hosts, playbooks/static-route.ts, nothing to do (raw: lab hosts have no Python)";
  console.log(table(title, await sideBySide(commands, rounds), "causeway"));
  for (const name of ["three parallel `ssh HOST true`", "causeway"]) {
    const command = commands[name];
    if (command)
      console.log(
        `processes and threads that start on a host, ${name}: ${await processesStarted(lab, () => measure(command))}`,
      );
  }
}

/** What anybody would type: OpenSSH itself on all hosts at once. */
function sshTrue(config: string, keyFile: string): Command {
  const one = (address: string) => `ssh -F ${config} -i ${keyFile} root@${address} true &`;
  return { argv: ["sh", "-c", `${addressesOfLab.map(one).join("\n")}\nwait`] };
}

function bareLoop(to: { port: number; keyFile: string }, command: string, hosts: readonly string[]): Command {
  const script = join(packageDir, "bench/bare-loop.mjs");
  return { argv: ["node", script, String(to.port), to.keyFile, command, ...hosts] };
}

async function manyHosts(ansible: boolean): Promise<void> {
  await ensureImage(lab, (message) => console.log(message));
  const sshd = await startSshd(folder, lab);
  try {
    await fleetOf(100, sshd, ansible, rounds);
    await fleetOf(1000, sshd, false, Math.min(rounds, 2));
  } finally {
    await sshd.stop();
  }
}

/** Five reads on each of so many addresses: the loop, Causeway, and where it takes minutes at most, the others. */
async function fleetOf(count: number, sshd: ManyHosts, ansible: boolean, rounds: number): Promise<void> {
  const names = addresses(count);
  const inventory = join(folder, `many-${count}.json`);
  writeFileSync(
    inventory,
    inventoryOf(Object.fromEntries(names.map((name) => [name, {}])), {
      ansible_user: "root",
      ansible_port: sshd.port,
      ansible_ssh_private_key_file: sshd.keyFile,
    }),
  );
  const loop = (command: string) => bareLoop(sshd, command, names);
  const config = sshConfig("many", sshd.knownHosts);
  const reads = join(packageDir, "bench/reads.ts");
  // All handshakes are one sshd's work here: it may take longer than a host of its own would. The loop waits as long.
  const patience = ["--timeout", "60"];
  const causeway: Command = { argv: [run, reads, "-i", inventory, "--ssh-config", config, ...patience] };
  await measure({ argv: [run, reads, "-i", inventory, "--list-tasks"] });
  const yardstick = "the bare loop, five reads in one exec";
  const costs = await sideBySide(
    {
      "the bare loop, `true`": loop("true"),
      [yardstick]: loop(fiveReads.join("; ")),
      causeway,
      "causeway, in a terminal": inTerminal(causeway),
    },
    rounds,
  );
  if (ansible) {
    const same = { folder, inventory, knownHosts: sshd.knownHosts, reads: fiveReads };
    const others = {
      "ansible, pipelining, raw": ansiblePlaybook({ ...same, name: "raw", module: "raw" }),
      "ansible, pipelining, command": ansiblePlaybook({ ...same, name: "command", module: "command" }),
      "mitogen, command": ansiblePlaybook({ ...same, name: "mitogen", module: "command", mitogen: true }),
    };
    // A minute each: once is enough. One that does not come to its end takes nothing from the others' table.
    for (const [name, command] of Object.entries(others))
      await measure(command).then(
        (cost) => costs.set(name, cost),
        (error: Error) => console.log(`${name}: ${error.message}`),
      );
  }
  console.log(table(`${count} hosts on one sshd, five reads each, nothing to do`, costs, yardstick));
}

/**
 * Fleets of growing size in which every host has a task for every other, beside the loop that reads the same. Once a run
 * takes more than a minute, larger fleets are left out.
 */
async function growth(): Promise<void> {
  await ensureImage(lab, (message) => console.log(message));
  const sshd = await startSshd(mkdtempSync(join(folder, "growth-")), lab);
  try {
    for (const count of [3, 20, 100, 200, 400]) {
      const wallMs = await fleetOfPeers(count, sshd);
      if (wallMs < 60_000) continue;
      console.log("that took more than a minute: larger fleets are left out");
      break;
    }
  } finally {
    await sshd.stop();
  }
}

async function fleetOfPeers(count: number, sshd: ManyHosts): Promise<number> {
  sshd.pretendRoutes(count);
  const names = addresses(count);
  const inventory = join(folder, `growth-${count}.json`);
  const hosts = Object.fromEntries(names.map((name, i) => [name, { subnet: subnet(i) }]));
  const vars = {
    ansible_user: "root",
    ansible_port: sshd.port,
    ansible_ssh_private_key_file: sshd.keyFile,
  };
  writeFileSync(inventory, inventoryOf(hosts, vars));
  const playbook = [run, join(packageDir, "bench/peers.ts"), "-i", inventory];
  await measure({ argv: [...playbook, "--syntax-check"] });
  const config = sshConfig("growth", sshd.knownHosts);
  const causeway: Command = { argv: [...playbook, "--ssh-config", config, "--timeout", "60"] };
  const yardstick = "the bare loop, the routes in one exec";
  const loop = bareLoop(sshd, "ip -4 route show table main", names);
  const costs = await sideBySide({ [yardstick]: loop, causeway }, Math.min(rounds, 2));
  const title = `${count} hosts on one sshd, a task for each of ${count - 1} peers, nothing to do`;
  console.log(table(title, costs, yardstick));
  return wall(costs, "causeway");
}

/** One command on 300 addresses of one sshd. */
async function exec(others: boolean): Promise<void> {
  await ensureImage(lab, (message) => console.log(message));
  const sshd = await startSshd(mkdtempSync(join(folder, "exec-")), lab);
  try {
    const hosts = addresses(300);
    const inventory = join(folder, "exec.json");
    const vars = {
      ansible_user: "root",
      ansible_port: sshd.port,
      ansible_ssh_private_key_file: sshd.keyFile,
    };
    writeFileSync(inventory, inventoryOf(Object.fromEntries(hosts.map((name) => [name, {}])), vars));
    const what = { folder, run, inventory, sshConfig: sshConfig("exec", sshd.knownHosts), sshd, hosts };
    const causeway = causewayExec(what);
    await measure({ argv: [run, "exec", "--help"] });
    const costs = await sideBySide(
      {
        "the bare loop": bareLoop(sshd, "uname -r", hosts),
        "run exec": causeway,
        "run exec, in a terminal": inTerminal(causeway),
        ...(others ? { "clush -b": clushExec(what), "ansible -m raw": ansibleExec(what) } : {}),
      },
      rounds,
    );
    console.log(table("300 hosts on one sshd, one command", costs, "run exec"));
  } finally {
    await sshd.stop();
  }
}

function inventoryOf(hosts: Record<string, object>, vars: Record<string, unknown>): string {
  return JSON.stringify({ all: { children: { docker: { hosts, vars } } } });
}

function sshConfig(name: string, knownHosts: string): string {
  const file = join(folder, `${name}.ssh_config`);
  writeFileSync(file, `Host *\n  UserKnownHostsFile ${knownHosts}\n  GlobalKnownHostsFile none\n`);
  return file;
}

function inTerminal(command: Command): Command {
  return { ...command, terminal: true };
}

function wall(costs: ReadonlyMap<string, Cost>, name: string): number {
  return costs.get(name)?.wallMs ?? Number.NaN;
}
