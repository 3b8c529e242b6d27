import { describe, expect, test } from "vitest";
import { hostFindings } from "../../src/doctor/host.ts";
import { doctorLines, ofHosts } from "../../src/report/doctor.ts";
import { painter } from "../../src/report/paint.ts";

const good: Readonly<Record<string, string>> = {
  uid: "0",
  systemd: "systemd 257 (257.9-1)",
  ip: "ip utility, iproute2-6.15.0",
  iptables: "iptables v1.8.11 (nf_tables)",
  client: "/usr/bin/docker",
  docker: "26.1.5",
  free: "/dev/sda1 20000000 1000000 19000000 5% /",
  clock: "1000",
};

function findings(changed: Readonly<Record<string, string>> = {}, os = "ID=debian\n") {
  const lines = Object.entries({ ...good, ...changed }).map(([name, value]) => `${name}=${value}\n`);
  return hostFindings({ text: `${lines.join("")}${os}`, asked: 999.5, answered: 1000.5 });
}
const faults = (changed: Readonly<Record<string, string>>, os?: string) =>
  findings(changed, os)
    .filter(({ level }) => level !== "ok")
    .map(({ about, level, fix }) => [about, level, fix]);

test("a host that has everything has no fault", () => {
  expect(findings().map(({ about, level }) => `${about} ${level}`)).toEqual(
    ["root", "systemd", "iproute2", "iptables", "Docker", "disk", "clock"].map((about) => `${about} ok`),
  );
});

describe("what a host lacks, with the fix", () => {
  test.each<[string, Record<string, string>, string, string | undefined]>([
    ["root missing", { uid: "1000" }, "", "give -b, or set ansible_become: true in the inventory"],
    ["systemd missing", { systemd: "" }, "", undefined],
    ["iproute2 missing", { ip: "" }, "", "apt-get install -y iproute2"],
    ["iptables missing", { iptables: "" }, "ID=ubuntu\n", "apt-get install -y iptables"],
    ["iptables missing", { iptables: "" }, 'ID="rocky"\nID_LIKE="rhel"\n', "dnf install -y iptables-nft"],
    ["Docker missing", { docker: "" }, "", "systemctl enable --now docker"],
    ["Docker missing", { docker: "", client: "" }, "ID=debian\n", "apt-get install -y docker.io"],
    ["Docker missing", { docker: "", client: "" }, "ID=rocky\n", undefined],
    ["disk missing", { free: "/dev/sda1 100 90 10239 99% /" }, "", "du -xh -d 2 /var | sort -h | tail"],
    ["disk warning", { free: "/dev/sda1 100 90 409600 99% /" }, "", "du -xh -d 2 /var | sort -h | tail"],
    ["disk warning", { free: "" }, "", undefined],
    ["clock warning", { clock: "1100" }, "", "timedatectl set-ntp true"],
    ["clock warning", { clock: "900" }, "", "timedatectl set-ntp true"],
  ])("%s: %j", (words, changed, os, fix) => {
    expect(faults(changed, os || undefined)).toEqual([[...words.split(" "), fix]]);
  });

  test("an answer that took long tells nothing of a clock", () => {
    const text = Object.entries(good).map(([name, value]) => `${name}=${value}\n`);
    const late = hostFindings({ text: text.join(""), asked: 900, answered: 1090 });
    expect(late.find(({ about }) => about === "clock")?.level).toBe("ok");
  });
});

test("hosts that lack the same are one line, with a command that can be pasted", () => {
  const all = ["web1", "web2", "web3", "db1"].flatMap((host) =>
    findings(host === "db1" ? { uid: "7" } : { iptables: "" })
      .filter(({ about }) => ["root", "iptables"].includes(about))
      .map((finding) => ({ ...finding, host })),
  );
  const section = { title: "the hosts", findings: ofHosts(all, "-i 'my hosts' -b") };
  expect(doctorLines([section], painter(false))).toEqual([
    "the hosts",
    "  ok       root: the session is root's  (3 hosts: web[1:3])",
    "  missing  iptables: not on the PATH  (3 hosts: web[1:3])",
    "           do: run exec web1,web2,web3 -i 'my hosts' -b -- 'apt-get install -y iptables'",
    "  missing  root: the session is that of user 7  (1 host: db1)",
    "           do: give -b, or set ansible_become: true in the inventory",
    "  ok       iptables: iptables v1.8.11 (nf_tables)  (1 host: db1)",
  ]);
});
