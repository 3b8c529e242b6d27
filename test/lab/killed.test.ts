import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { linkName } from "../../playbooks/checks/wireguard.ts";
import { packageDir } from "../../src/package-dir.ts";
import { specLabel } from "../../tasks/docker-network.ts";
import { pathsOf } from "../../tasks/wireguard-link/files.ts";
import { differences, snapshot } from "./snapshot.ts";
import { execute, inFull, useLab } from "./support.ts";

const lab = useLab("test-killed", 33, 2);
const [first, second] = ["docker-200", "docker-201"];
const inventory = () => lab.inventory();
const route = "playbooks/static-route.ts";
const resetBook = "playbooks/reset.ts";

const both = () => Promise.all(lab.names.map((host) => snapshot(lab, host)));
let start: string[][];
beforeAll(async () => {
  // Docker's second start shows a gateway of its default network that its first one did not.
  await Promise.all(lab.names.map((host) => lab.must(host, "systemctl restart docker")));
  start = await both();
});

async function sinceStart(): Promise<string[]> {
  const now = await both();
  return now.flatMap((lines, i) => differences(start[i] ?? [], lines).map((d) => `${lab.names[i]} ${d}`));
}

/** What a command said, once it ended with that code. */
async function ended(
  result: Promise<{ code: number; stdout: string; stderr: string }>,
  code = 0,
): Promise<string> {
  const { code: found, stdout, stderr } = await result;
  const said = stdout + stderr;
  if (found !== code) throw new Error(`code ${found} instead of ${code}\n${said}`);
  return said;
}

const play = (playbook: string, ...args: string[]) =>
  lab.run(playbook, ["--no-verify", ...args], inventory());
const reset = (...args: string[]) => lab.run(resetBook, args, inventory());
const rollback = (...args: string[]) =>
  execute([join(packageDir, "run"), "rollback", "-i", inventory(), ...args], { cwd: lab.folder });
const journal = "/var/lib/causeway";

describe.sequential("a journal that cannot be believed", () => {
  test("lost, or of the host that this one was copied from: named, nothing is done, and the way out works", async () => {
    await ended(play(route));
    const applied = await both();

    await lab.must(second, `mv ${journal} /run/kept`);
    const lost = await ended(reset("-l", second), 2);
    expect(lost).toMatch(/docker-201[\s\S]*no journal says how to undo it/);
    expect(lost).toContain("/etc/causeway/apply");
    expect(lost).toContain('rule in filter: -A DOCKER-USER -m comment --comment "causeway:static-route"');
    expect(lost).toContain(`route 192.168.100.0/24 via ${lab.net}.200`);

    // As a copy of the first host's machine has it.
    const copy = await lab.must(first, `tar -C ${journal} -czf - . | base64 -w 0`);
    await lab.must(
      second,
      `mkdir -m 700 ${journal}; echo ${copy.trim()} | base64 -d | tar -C ${journal} -xzf -`,
    );
    for (const result of [reset(), play(route), rollback("--check")]) {
      const said = await ended(result, 2);
      expect(said).toMatch(/docker-201: the journal on this host is another host's/);
      expect(said).toContain(`mv ${journal} ${journal}.of-docker-200`);
    }
    const found = `mv ${journal} ${journal}.of-docker-200`;
    await lab.must(second, `${found} && rm -r ${journal}.of-docker-200 && mv /run/kept ${journal}`);
    expect(await both()).toEqual(applied);

    await ended(reset());
    expect(await sinceStart()).toEqual([]);
  });

  inFull("of yesterday: a reset says what it does not know, and the way out works", async () => {
    await ended(play(route));
    await lab.must(second, `cp -a ${journal} /run/yesterday`);
    await ended(play("playbooks/macvlan.ts"));
    await lab.must(second, `mv ${journal} /run/today; cp -a /run/yesterday ${journal}`);
    const said = await ended(reset(), 2);
    expect(said).toMatch(/docker-201 +warning: its journal ends before run \S+, which changed it/);
    expect(said).toMatch(/what a later run did on this host was in no journal/);
    // macvlan's network is still there, and nothing on it says whose it is.
    for (const again of [reset(), reset("-l", second), reset("--check")])
      expect(await ended(again, 2)).toMatch(/docker-201[\s\S]*what a later run did .* was in no journal/);
    await lab.must(second, `rm -r ${journal} /run/yesterday; mv /run/today ${journal}`);
    await ended(reset());
    expect(await sinceStart()).toEqual([]);
  });

  inFull("none at all: each thing that says it is causeway's is named, until it is gone", async () => {
    const wireguard = linkName({ wg_generation: 0 });
    const made = [
      [
        "chain in nat: CAUSEWAY-FORWARD",
        "iptables -t nat -N CAUSEWAY-FORWARD",
        "iptables -t nat -X CAUSEWAY-FORWARD",
      ],
      [
        "rule in ip6:filter: -A FORWARD",
        "ip6tables -A FORWARD -m comment --comment causeway:x -j ACCEPT",
        "ip6tables -D FORWARD -m comment --comment causeway:x -j ACCEPT",
      ],
      [
        "route fd00:99::/64",
        "ip -6 route add fd00:99::/64 dev lo proto 202",
        "ip -6 route del fd00:99::/64 dev lo",
      ],
      [`link ${wireguard}`, `ip link add ${wireguard} type bridge`, `ip link del ${wireguard}`],
      [
        pathsOf(wireguard).key,
        `mkdir /etc/wireguard && touch ${pathsOf(wireguard).key}`,
        "rm -r /etc/wireguard",
      ],
      [
        "/etc/systemd/system/causeway-network.service",
        "ln -s /run/gone /etc/systemd/system/causeway-network.service",
        "rm /etc/systemd/system/causeway-network.service",
      ],
      [
        "container marked",
        "docker create --label causeway.words=x --name marked busybox true",
        "docker rm marked",
      ],
      ["network marked", `docker network create --label ${specLabel}=x marked`, "docker network rm marked"],
    ];
    await lab.must(second, made.map(([, make]) => make).join(" && "));
    for (const args of [["--check"], []]) {
      const said = await ended(reset(...args), 2);
      expect(made.filter(([found = ""]) => !said.includes(found))).toEqual([]);
      expect(said).not.toContain("docker-200: what causeway made");
    }
    await lab.must(second, made.map(([, , unmake]) => unmake).join(" && "));
    await ended(reset());
    expect(await sinceStart()).toEqual([]);
  });

  inFull("that others can write to: nothing of it is believed", async () => {
    await ended(play(route));
    await lab.must(first, `chmod 777 ${journal}`);
    for (const result of [reset(), reset("--check"), play(route), rollback()]) {
      const said = await ended(result, 2);
      expect(said).toMatch(/found +drwxrwxrwx root:root \/var\/lib\/causeway\n/);
      expect(said).toContain(`chown -R root:root ${journal} && chmod -R go-rwx ${journal}`);
    }
    await lab.must(first, `chown -R root:root ${journal} && chmod -R go-rwx ${journal}`);
    await ended(reset());
    expect(await sinceStart()).toEqual([]);
  });

  inFull("damaged: nothing is restored from it, all else is; and all is once it is repaired", async () => {
    await ended(play(route));
    // What undoing the kernel's forwarding setting, or the rules, needs.
    const harmed = (
      await lab.must(first, `cd ${journal}/runs/*; f=$(ls [0-9]*.before | head -n 1); echo $f; echo x >>$f`)
    ).trim();
    for (const args of [["--check"], []]) {
      const said = await ended(reset(...args), 2);
      expect(said).toMatch(/is left as it is: what its undo needs is damaged/);
      expect(said).toContain(`${harmed} in ${journal}/runs/`);
    }
    expect((await sinceStart()).filter((line) => line.startsWith(second))).toEqual([]);
    await lab.must(first, `cd ${journal}/runs/*; sed -i '$d' ${harmed}`);
    await ended(reset());
    expect(await sinceStart()).toEqual([]);
  });

  inFull(
    "cut short, of a newer version, without its library: named, and a library is sent again",
    async () => {
      await ended(play(route));
      const entry = (await lab.must(first, `ls ${journal}/runs/*/0001.json`)).trim();
      await lab.must(first, `cp ${entry} /root/entry; : >${entry}`);
      expect(await ended(reset(), 2)).toMatch(
        /the journal on this host is damaged: the host is left as it is/,
      );
      await lab.must(first, `cp /root/entry ${entry}; rm /root/entry; echo 3 >${journal}/format`);
      expect(await ended(reset(), 2)).toMatch(/written by a newer causeway/);
      await lab.must(first, `echo 2 >${journal}/format; rm ${journal}/lib-*.sh`);
      await ended(reset());
      expect(await sinceStart()).toEqual([]);
    },
  );
});
