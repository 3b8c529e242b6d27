import { afterEach, beforeAll, describe, expect, test } from "vitest";
import { differences, snapshot } from "./snapshot.ts";
import { doneBy, idle, inFull, useLab } from "./support.ts";

const lab = useLab("test-rules", 38, 2);
const [first = "", second = ""] = lab.names;
const playbook = "playbooks/static-route.ts";
const verify = "playbooks/verify.ts";

/** What each pair that failed was said to fail by. */
const causesOf = async (args: readonly string[] = []) => {
  const { code, stdout } = await lab.run(verify, args);
  return { code, causes: [...stdout.matchAll(/^ {2}✗ \S+ → \S+: (.*)$/gm)].map(([, cause]) => cause) };
};

const converges = async (args: readonly string[] = []) => {
  const { code, stderr } = await lab.run(playbook, args);
  expect(code, stderr).toBe(0);
  const again = await lab.events(playbook);
  expect(again.code).toBe(0);
  expect(doneBy(again)).toEqual(idle(lab.names));
};

/** Refused by a check and by a run, which leave every host as it is. */
const refuses = async (words: RegExp) => {
  const before = await Promise.all(lab.names.map((host) => snapshot(lab, host)));
  for (const more of [["--check"], []]) {
    const { code, stderr } = await lab.run(playbook, more);
    expect(stderr).toMatch(words);
    expect(code).toBe(2);
  }
  for (const [index, host] of lab.names.entries())
    expect(differences(before[index] ?? [], await snapshot(lab, host)), host).toEqual([]);
};

const cis = "/etc/sysctl.d/99-cis.conf";
const flush = "iptables -F; iptables -t nat -F";
/** As the reload of a firewall's service does it: chains go, too. */
const wipe = "printf '*filter\\n:FORWARD DROP\\nCOMMIT\\n*nat\\nCOMMIT\\n' | iptables-restore";
const config = "/etc/docker/daemon.json";
/** Docker is started more often here than systemd would have it. */
const restart = "systemctl reset-failed docker; systemctl restart docker";

beforeAll(async () => {
  const { code, stderr } = await lab.run(playbook);
  expect(code, stderr).toBe(0);
});

describe.sequential("rules that do nothing", () => {
  test("flushed ones, Docker's and ours: named as the cause, and brought back by one run", async () => {
    await lab.must(first, flush);
    const { code, causes } = await causesOf();
    expect(code).toBe(3);
    for (const cause of causes)
      expect(cause).toMatch(
        /^rules flushed: nothing leads to DOCKER-USER on docker-200, so it drops it by FORWARD policy DROP/,
      );
    expect(causes).toHaveLength(2);
    const check = await lab.events(playbook, ["--check"]);
    expect(
      check.events.filter(({ type, state }) => type === "consequence" && state === "planned"),
    ).toHaveLength(1);
    await converges();
    expect(await lab.must(first, "iptables -S FORWARD; iptables -t nat -S POSTROUTING")).toMatch(
      /-j DOCKER-USER[\s\S]*-j MASQUERADE/,
    );
  });

  inFull(
    "forwarding that a later file switches off: named as the cause, and refused by that file's name",
    async () => {
      await lab.must(second, `echo net.ipv4.ip_forward=0 >${cis}; sysctl -p ${cis}`);
      const { code, causes } = await causesOf();
      expect(code).toBe(3);
      expect(new Set(causes)).toEqual(
        new Set([`forwarding off: docker-201 does not forward (net.ipv4.ip_forward = 0); ${cis} says so`]),
      );
      await refuses(
        /^docker-201 .*: \/etc\/sysctl\.d\/99-cis\.conf would overrule net\.ipv4\.ip_forward = 1/m,
      );
      await lab.must(second, `sed -i /ip_forward/d ${cis}`);
      await converges();
      await lab.must(
        second,
        `rm ${cis}; sysctl --system >/dev/null 2>&1; [ "$(cat /proc/sys/net/ipv4/ip_forward)" = 1 ]`,
      );
    },
  );

  inFull("flushed under a running container: leave is asked for, and works", async () => {
    await lab.must(first, `docker run -d --init --name app busybox sleep 100000; ${flush}`);
    await refuses(
      /^docker-200: this run restarts or stops Docker.*\n.*app[^\n]*\n.*Docker's rules, which were flushed: nothing leads to DOCKER-USER/m,
    );
    await converges(["-e", "interrupt_containers=true"]);
    await lab.must(first, "docker rm -f app");
  });

  inFull("gone with their chains, as by the reload of a firewall's service", async () => {
    await lab.must(first, wipe);
    await converges();
    expect(await lab.must(first, "iptables -S FORWARD; cat /etc/causeway/rules/*")).toMatch(
      /-j DOCKER-USER[\s\S]*^filter -I DOCKER-USER/m,
    );
    // Ours was in FORWARD until Docker's came back.
    expect(await lab.must(first, "cat /etc/causeway/rules/*")).not.toContain("filter -I FORWARD");
  });

  inFull(
    "a Docker that makes no rules: ours are in FORWARD, and nothing that is kept names a chain that is gone",
    async () => {
      const before = await lab.must(first, `cat ${config}`);
      await lab.must(first, `sed -i 's/{/{"iptables": false,/' ${config}; ${wipe}; ${restart}; true`);
      expect((await lab.on(first, "systemctl is-active causeway-network")).stdout.trim()).toBe("failed");
      await converges();
      const kept = await lab.must(first, "cat /etc/causeway/rules/*");
      expect(kept).toContain("filter -I FORWARD");
      expect(kept).not.toContain("DOCKER-USER");
      await lab.must(first, `${restart}; systemctl start causeway-network`);
      expect((await causesOf()).code).toBe(0);

      await lab.must(first, `cat >${config} <<'END'\n${before}\nEND\n${restart}`);
      await converges();
      expect(await lab.must(first, "cat /etc/causeway/rules/*")).not.toContain("filter -I FORWARD");
    },
  );

  inFull("forwarding that an earlier file would switch off at the next boot: ours wins", async () => {
    const early = "/etc/sysctl.d/10-net.conf";
    await lab.must(second, `echo net.ipv4.conf.all.forwarding=0 >${early}`);
    await converges();
    await lab.must(second, 'sysctl --system >/dev/null 2>&1; [ "$(cat /proc/sys/net/ipv4/ip_forward)" = 1 ]');
    await lab.must(second, `rm ${early}`);
  });

  describe.sequential("in the other iptables", () => {
    const open =
      "iptables-legacy -P FORWARD ACCEPT; for table in filter nat; do iptables-legacy -t $table -F; iptables-legacy -t $table -X; done";
    afterEach(() => lab.must(first, open));

    inFull("a closed FORWARD: named as the cause, refused, and the advice works", async () => {
      await lab.must(first, "iptables-legacy -P FORWARD DROP");
      const { code, causes } = await causesOf();
      expect(code).toBe(3);
      for (const cause of causes)
        expect(cause).toMatch(
          /^FORWARD drop: docker-200 drops it by FORWARD policy DROP .* in the other iptables, iptables-legacy$/,
        );
      await refuses(
        /^docker-200 .*: the other iptables of this host, iptables-legacy, drops what is forwarded/m,
      );
      await lab.must(first, open);
      await converges();
    });

    inFull("rules of ours, from before somebody switched it", async () => {
      await lab.must(
        first,
        "iptables-legacy -N CAUSEWAY-FORWARD; iptables-legacy -A CAUSEWAY-FORWARD -j ACCEPT",
      );
      await refuses(
        /^docker-200 .*: rules of causeway's are in the other iptables of this host, iptables-legacy/m,
      );
    });
  });

  inFull(
    "a full /tmp on a host: told of what could not be captured, and of what Docker could not run",
    async () => {
      await lab.must(
        second,
        "mount -t tmpfs -o size=64k none /tmp; dd if=/dev/zero of=/tmp/full bs=1k; true",
      );
      try {
        const { code, causes } = await causesOf(["--evidence"]);
        expect(code).toBe(3);
        expect(causes).toEqual([
          "evidence: not captured: no space left in /tmp on docker-201",
          expect.stringMatching(
            /^the ping could not be tried: Docker on docker-201 ran nothing in its container: .*no space left/,
          ),
        ]);
      } finally {
        await lab.must(second, "umount -l /tmp");
      }
    },
  );

  inFull("after all of this, an undo leaves nothing of it", async () => {
    expect((await lab.run("playbooks/reset.ts")).code).toBe(0);
    for (const host of lab.names)
      expect(await lab.must(host, "iptables-save; ls /etc/causeway 2>&1; ls /etc/sysctl.d")).not.toMatch(
        /CAUSEWAY|causeway-net|apply/,
      );
  });
});
