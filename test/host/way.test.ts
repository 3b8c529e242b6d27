import { describe, expect, test } from "vitest";
import { learnKey, sshByHand } from "../../src/host/by-hand.ts";
import { defaultSshConfig } from "../../src/host/ssh-config.ts";
import { expanded, type Hop, jumpHost, nameOf } from "../../src/host/way.ts";

test.each([
  ["gate", { address: "gate" }],
  ["ops@gate:2222", { user: "ops", address: "gate", port: 2222 }],
  ["ssh://ops@gate:2222/", { user: "ops", address: "gate", port: 2222 }],
  ["ops@corp@gate", { user: "ops@corp", address: "gate" }],
  ["2001:db8::1", { address: "2001:db8::1" }],
  ["[2001:db8::1]:2222", { address: "2001:db8::1", port: 2222 }],
  ["root@[fe80::1%eth0]", { user: "root", address: "fe80::1%eth0" }],
])("the jump host %s", (text, expected) => {
  expect(jumpHost(text)).toEqual({ name: expected.address, kind: "ssh", become: false, ...expected });
});

test.each(["", "gate:port", "[2001:db8::1"])("no jump host: %s", (text) => {
  expect(() => jumpHost(text)).toThrow("cannot be read");
});

function hop(address: string, over: Partial<Hop> = {}): Hop {
  return {
    target: { name: address, kind: "ssh", address, become: false },
    config: defaultSshConfig(),
    host: "10.0.0.5",
    port: 2222,
    username: "ops",
    ...over,
  };
}

test("tokens and variables of ssh_config", () => {
  process.env.CAUSEWAY_TEST_WORD = "word";
  const text = "nc %h %p %r %n %% %x ${CAUSEWAY_TEST_WORD} ${CAUSEWAY_TEST_NONE}";
  expect(expanded(text, hop("web"))).toBe("nc 10.0.0.5 2222 ops web % %x word ${CAUSEWAY_TEST_NONE}");
});

test("a machine's name has its port unless that is 22", () => {
  expect(nameOf(hop("web"))).toBe("ops@10.0.0.5:2222");
  expect(nameOf(hop("web", { host: "fe80::1%eth0", port: 22 }))).toBe("ops@[fe80::1%eth0]");
});

describe("by hand", () => {
  test("the same ssh_config, key, port and user", () => {
    const target = { ...hop("web").target, user: "ops", port: 2222, privateKeyFile: "/k/id one" };
    expect(sshByHand(target)).toBe("ssh -i '/k/id one' -p 2222 ops@web");
    expect(sshByHand(target, "none")).toBe("ssh -F none -i '/k/id one' -p 2222 ops@web");
  });

  test.each([
    ["directly", [], {}, "ssh-keyscan -p 2222 10.0.0.5 >> /k/known"],
    [
      "by an alias",
      [],
      { hostKeyAlias: "web1" },
      "ssh-keyscan -p 2222 10.0.0.5 | sed 's/^[^ ]*/web1/' >> /k/known",
    ],
    ["through a jump host", ["gate"], {}, "ssh gate ssh-keyscan -p 2222 10.0.0.5 >> /k/known"],
    ["through two", ["outer", "gate"], {}, "ssh -J outer gate ssh-keyscan -p 2222 10.0.0.5 >> /k/known"],
    ["by a process", [], { proxyCommand: "nc %h %p" }, "ssh web, which asks, and remembers the answer"],
  ])("a host's key is asked for from where it is reached: %s", (_name, jumps, more, expected) => {
    const last = hop("web", { config: { ...defaultSshConfig(), ...more } });
    expect(learnKey([...jumps.map((name) => hop(name)), last], undefined, "/k/known")).toBe(expected);
  });
});
