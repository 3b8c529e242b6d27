import { describe, expect, test } from "vitest";
import { differences, snapshot } from "./snapshot.ts";
import { doneBy, idle, inFull, type RunEventLike, useLab } from "./support.ts";

const lab = useLab("test-restart", 31, 2);
const [first = "", second = ""] = lab.names;
const playbook = "playbooks/static-route.ts";
const leave = ["-e", "interrupt_containers=true"];

interface Fate {
  name: string;
  networks: string[];
  policy: string;
  returns: string;
  awaySeconds?: number;
}

/** What the run says of the containers of a host: `web (shop) yes`. */
const fatesOf = (events: readonly RunEventLike[], state: string, host = first) =>
  events
    .flatMap((e) =>
      e.type === "containers" && e.state === state && e.host === host ? (e.containers as Fate[]) : [],
    )
    .map(({ name, networks, policy, returns }) => `${name} (${[...networks, policy].join(", ")}) ${returns}`)
    .sort();

const runningOn = async (host: string) =>
  (await lab.must(host, "docker ps --format '{{.Names}}'")).split("\n").filter(Boolean).sort();

const refuses = async (args: readonly string[], words: RegExp, name = playbook) => {
  const before = await Promise.all(lab.names.map((host) => snapshot(lab, host)));
  for (const more of [["--check"], []]) {
    const { code, stderr } = await lab.run(name, [...args, ...more]);
    expect(stderr).toMatch(words);
    expect(code).toBe(2);
  }
  for (const [index, host] of lab.names.entries())
    expect(differences(before[index] ?? [], await snapshot(lab, host)), host).toEqual([]);
};

/** Containers of every sort that a restart of Docker ends, with a quick end. */
const everySort = `docker network create shop >/dev/null
start() { docker run -d --init "$@" busybox sleep 100000 >/dev/null || exit 1; }
start --name web --network shop
start --name shop_db_1 --network shop --restart unless-stopped --label com.docker.compose.project=shop
start --name agent --network host --restart always
start --name alone --network none --restart always
start --name worker --restart on-failure
start --rm --name scratch`;

describe.sequential("containers that end with Docker", () => {
  test("are named by network and restart policy, and the operator's to give, before the first step anywhere", async () => {
    await lab.must(first, everySort);
    await refuses(
      [],
      /^docker-200: this run restarts or stops Docker.*\n.*6 containers; back again: .*agent \(host\)/m,
    );

    const check = await lab.events(playbook, ["--check", ...leave]);
    expect(fatesOf(check.events, "planned")).toEqual([
      "agent (host, always) yes",
      "alone (none, always) yes",
      "scratch (bridge, rm) no",
      "shop_db_1 (shop, unless-stopped) yes",
      "web (shop, no) no",
      "worker (bridge, on-failure) after an error",
    ]);
    expect(fatesOf(check.events, "planned", second)).toEqual([]);
  });

  test("and are told afterwards: which are back, after how long, and which are not", async () => {
    const { code, events } = await lab.events(playbook, leave);
    expect(code).toBe(0);
    // Its init ends with the code of a signal, which is an error.
    expect(fatesOf(events, "ended")).toEqual([
      "agent (host, always) yes",
      "alone (none, always) yes",
      "scratch (bridge, rm) no",
      "shop_db_1 (shop, unless-stopped) yes",
      "web (shop, no) no",
      "worker (bridge, on-failure) yes",
    ]);
    const told = events.flatMap((e) => (e.type === "containers" ? (e.containers as Fate[]) : []));
    expect(told.filter(({ returns, awaySeconds = 0 }) => returns === "yes" && awaySeconds > 0)).toHaveLength(
      4,
    );
    expect(await runningOn(first)).toEqual(["agent", "alone", "shop_db_1", "worker"]);
    const recap = events.find(({ type }) => type === "recap")?.hosts?.[first] as { notBack?: string[] };
    expect(recap.notBack?.sort()).toEqual(["scratch", "web"]);

    const again = await lab.events(playbook, []);
    expect(doneBy(again)).toEqual(idle(lab.names));
    expect(again.events.filter(({ type }) => type === "containers")).toEqual([]);
  });

  test("are asked for by an undo, too: the same words, the same leave", async () => {
    await refuses(
      [],
      /^docker-200: this run restarts or stops Docker.*\n.*4 containers; back again: /m,
      "playbooks/reset.ts",
    );
    const check = await lab.events("playbooks/reset.ts", ["--check", ...leave]);
    expect(fatesOf(check.events, "planned")).toHaveLength(4);
    const { code, events } = await lab.events("playbooks/reset.ts", leave);
    expect(code).toBe(0);
    expect(fatesOf(events, "ended")).toHaveLength(4);
    expect(await runningOn(first)).toEqual(["agent", "alone", "shop_db_1", "worker"]);
    await lab.must(first, "docker rm -f $(docker ps -aq) && docker network rm shop");
  });

  test("one that was started after the plan is not ended either: the script looks once more", async () => {
    const late = lab.playbook(
      "late.ts",
      `import { defineTask, definePlaybook, owed, restart, sh, step, Type } from "causeway";
const params = Type.Object({});
const made = (name: string, file: string, item: (is: boolean) => ReturnType<typeof owed> | ReturnType<typeof step.run>) =>
  defineTask({ name, summary: name, params, key: () => name,
    read: (host) => host.read(sh\`[ -e \${file} ]\`),
    present: ({ code }) => (code === 0 ? [] : [item(true)]) })({});
const starts = () => made("starts", "/run/started", () => step.run({ what: "a container", to: "runs",
  do: sh\`docker run -d --name late busybox sleep 100000 && touch /run/started\`, done: sh\`[ -e /run/started ]\`, undo: sh\`docker rm -f late; rm /run/started\` }));
const restarts = () => made("restarts", "/run/restarted", () => owed(restart("docker"), "it is old"));
export default definePlaybook({ name: "late", summary: "late", vars: params, plays: [
  { title: "one", hosts: "docker-200", tasks: () => [starts()] },
  { title: "two", hosts: "docker-200", tasks: () => [restarts()] },
] });
`,
    );
    const { code, stdout } = await lab.run(late, []);
    expect(stdout).toMatch(
      /this run restarts or stops Docker[^\n]*\n[^\n]*late \(bridge, restart policy no\)/,
    );
    expect(code).toBe(2);
    expect(await runningOn(first)).toEqual(["late"]);
    expect((await lab.run("playbooks/reset.ts", [])).code).toBe(0);
  });
});

describe.sequential("with live-restore", () => {
  const address = "ip -o -4 addr show docker0 | awk '{ print $4 }'";
  const config = "/etc/docker/daemon.json";

  test("docker0 keeps its address while any container runs: refused beforehand, and the advice works", async () => {
    await lab.must(
      first,
      `mkdir -p /etc/docker; echo '{"live-restore": true}' >${config}; systemctl restart docker
docker network create shop >/dev/null; docker run -d --init --name app --network shop --restart always busybox sleep 100000`,
    );
    // Leave is of no use: nothing would end.
    await refuses(
      leave,
      /docker0 keeps its address while containers run, because of live-restore[\s\S]*docker stop app/,
    );
    await lab.must(first, "docker stop app");
    const { code, events } = await lab.events(playbook, []);
    expect(code).toBe(0);
    expect(events.filter(({ type }) => type === "containers")).toEqual([]);
    await lab.must(first, "docker start app");
    expect(await lab.must(first, address)).toBe("192.168.100.1/24\n");
    expect(doneBy(await lab.events(playbook, []))).toEqual(idle(lab.names));
  });

  test("an undo cannot give docker0 its old address back then: refused beforehand, and the advice works", async () => {
    await refuses(
      [],
      /^docker-200 \[docker-bip docker0\]: address of docker0 cannot be undone[\s\S]*docker stop app,/m,
      "playbooks/reset.ts",
    );
    expect(await lab.must(first, address)).toBe("192.168.100.1/24\n");
    await lab.must(first, "docker stop app");
    expect((await lab.run("playbooks/reset.ts", [])).code).toBe(0);
    expect(await lab.must(first, address)).toBe("172.17.0.1/16\n");
  });

  inFull("the other way out works, too: it is switched off, and the container ends", async () => {
    await lab.must(first, `rm ${config}; systemctl reload docker; docker start app`);
    const { code, events } = await lab.events(playbook, leave);
    expect(code).toBe(0);
    expect(fatesOf(events, "ended")).toEqual(["app (shop, always) yes"]);
    expect(await lab.must(first, address)).toBe("192.168.100.1/24\n");
    expect((await lab.run("playbooks/reset.ts", leave)).code).toBe(0);
  });
});

describe.sequential("in the other schemes", () => {
  const flannel = "src/lab/flanneld-stand-in.sh";

  inFull(
    "flannel names them before etcd is touched, although Docker's restart cannot be planned yet",
    async () => {
      await lab.reset();
      await lab.must(
        first,
        "docker run -d --init --name web --network host --restart always busybox sleep 100000",
      );
      const inventory = ["-e", `flannel_binary=${flannel}`];
      await refuses(
        inventory,
        /^docker-200: this run restarts or stops Docker.*\n.*web \(host\)\n.*no lease yet/m,
        "playbooks/flannel.ts",
      );
      const { code, events } = await lab.events("playbooks/flannel.ts", [...inventory, ...leave]);
      expect(code).toBe(0);
      expect(fatesOf(events, "ended")).toEqual(["web (host, always) yes"]);
    },
  );

  inFull("macvlan restarts nothing by itself, but what it undoes first does", async () => {
    await refuses(
      [],
      /^docker-200: this run restarts or stops Docker.*\n.*web \(host\)$/m,
      "playbooks/macvlan.ts",
    );
    expect((await lab.run("playbooks/macvlan.ts", leave)).code).toBe(0);
    expect(await runningOn(first)).toEqual(["web"]);
    // Nothing of flannel is left to undo, and macvlan restarts nothing: a reset needs no leave.
    expect((await lab.run("playbooks/reset.ts", [])).code).toBe(0);
    expect(await runningOn(first)).toEqual(["web"]);
    const next = await lab.events("playbooks/overlay.ts", leave);
    expect(next.code).toBe(0);
    expect(fatesOf(next.events, "ended")).toEqual(["web (host, always) yes"]);
  });
});
