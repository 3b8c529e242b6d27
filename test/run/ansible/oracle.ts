import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Outcome, Scenario } from "./scenarios.ts";

/** Why Ansible cannot be asked here; undefined where it can. */
export async function noAnsible(): Promise<string | undefined> {
  const version = await execute("ansible-playbook", ["--version"], tmpdir()).catch(() => undefined);
  return version?.code === 0 ? undefined : "no ansible-playbook here: apt-get install ansible-core";
}

/** Has Ansible do a scenario, on this machine alone: `local` hosts, and a port of the loopback where nobody answers. */
export async function askAnsible(scenario: Scenario): Promise<Outcome> {
  const folder = mkdtempSync(join(tmpdir(), "causeway-ansible-"));
  try {
    writeFileSync(join(folder, "inventory.json"), JSON.stringify(inventoryOf(scenario)));
    writeFileSync(join(folder, "play.yaml"), JSON.stringify(playsOf(scenario)));
    const { code, stdout } = await execute(
      "ansible-playbook",
      ["-i", "inventory.json", "play.yaml", "--forks", "12"],
      folder,
    );
    return outcomeOf(stdout, code);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function inventoryOf({ hosts, unreachable = [] }: Scenario) {
  const names = Array.from({ length: hosts }, (_, i) => `h${i + 1}`);
  const away = { ansible_connection: "ssh", ansible_host: "127.0.0.1", ansible_port: 1 };
  const connection = (name: string) => (unreachable.includes(name) ? away : { ansible_connection: "local" });
  return { all: { hosts: Object.fromEntries(names.map((name) => [name, connection(name)])) } };
}

function playsOf({ failing = [], serial, maxFailPercentage, anyErrorsFatal, twoPlays }: Scenario) {
  const policy = {
    ...(maxFailPercentage === undefined ? {} : { max_fail_percentage: maxFailPercentage }),
    ...(anyErrorsFatal ? { any_errors_fatal: true } : {}),
  };
  const play = (name: string, failed: readonly string[], over: object) => ({
    name,
    hosts: "all",
    gather_facts: false,
    ...policy,
    ...over,
    tasks: [{ raw: `case " ${failed.join(" ")} " in *" {{ inventory_hostname }} "*) false ;; esac` }],
  });
  const batches = serial === undefined ? {} : { serial };
  return twoPlays
    ? [play("first", failing, {}), play("second", [], batches)]
    : [play("only", failing, batches)];
}

/** Each batch is a heading of its own; below it stand the hosts that had their turn. */
function outcomeOf(stdout: string, exitCode: number): Outcome {
  const [, ...batches] = stdout.split(/^PLAY \[/m);
  const turns = (batches.at(-1)?.startsWith("RECAP") ? batches.slice(0, -1) : batches).map((text) => [
    ...(text.split(/^PLAY RECAP/m)[0]?.matchAll(/^(\w+): \[(\w+)\](?:: (\w+)!)?/gm) ?? []),
  ]);
  const named = (word: string) =>
    turns.flat().flatMap(([, , host = "", how]) => (how === word ? [host] : []));
  return {
    batches: turns.map((hosts) => inOrder(hosts.map(([, , host = ""]) => host))),
    failed: inOrder(named("FAILED")),
    unreachable: inOrder(named("UNREACHABLE")),
    exitCode,
  };
}

/** h2 before h10. */
export function inOrder(hosts: readonly string[]): string[] {
  return [...hosts].sort((a, b) => Number(a.slice(1)) - Number(b.slice(1)));
}

function execute(file: string, args: readonly string[], cwd: string) {
  return new Promise<{ code: number; stdout: string }>((resolve, reject) => {
    const env = {
      ...process.env,
      ANSIBLE_NOCOLOR: "1",
      ANSIBLE_HOST_KEY_CHECKING: "0",
      ANSIBLE_CONFIG: "none",
    };
    execFile(file, args, { cwd, env }, (error, stdout) => {
      if (error && typeof error.code !== "number") reject(error);
      else resolve({ code: Number(error?.code ?? 0), stdout });
    });
  });
}
