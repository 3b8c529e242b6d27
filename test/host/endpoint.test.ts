import { expect, test } from "vitest";
import { endpointOf, endpointWith, parseHostsFile } from "../../src/host/endpoint.ts";
import type { SshConfig } from "../../src/host/ssh-config.ts";

const known = {
  hosts: parseHostsFile(
    "127.0.0.1 localhost\n127.0.1.1\tcontroller  # me\n10.0.0.1 web Web.example\n10.0.0.9 web\n# 10.0.0.8 old\n",
  ),
  own: new Set(["10.0.0.77"]),
};

// Two targets are one machine where these are equal.
test.each<[string, string, number | undefined, Partial<SshConfig>, string]>([
  ["an address", "10.0.0.1", undefined, {}, "10.0.0.1 port 22"],
  ["the same with its port", "10.0.0.1", 22, {}, "10.0.0.1 port 22"],
  ["another port", "10.0.0.1", 2222, {}, "10.0.0.1 port 2222"],
  ["a port of ssh_config", "10.0.0.1", undefined, { port: 2222 }, "10.0.0.1 port 2222"],
  ["a name in /etc/hosts, the first line of two", "web", undefined, {}, "10.0.0.1 port 22"],
  ["another of its names, in capitals", "WEB.example", undefined, {}, "10.0.0.1 port 22"],
  ["an alias of ssh_config", "w", undefined, { hostName: "web" }, "10.0.0.1 port 22"],
  ["a name that only a name server knows", "db", undefined, {}, "db port 22"],
  ["localhost", "localhost", undefined, {}, "this machine"],
  ["this machine's own name", "controller", undefined, {}, "this machine"],
  ["an address of this machine", "10.0.0.77", undefined, {}, "this machine"],
  ["another loopback address", "127.0.0.5", undefined, {}, "this machine"],
  ["something that listens on this machine beside its sshd", "127.0.0.1", 2200, {}, "this machine port 2200"],
  ["behind a jump host", "10.0.0.1", undefined, { proxyJump: "gate" }, "10.0.0.1 port 22 through gate"],
  ["an address behind another", "10.0.0.1", undefined, { proxyJump: "b" }, "10.0.0.1 port 22 through b"],
])("%s", (_, address, port, config, endpoint) =>
  expect(endpointWith({ address, ...(port === undefined ? {} : { port }) }, config, known)).toBe(endpoint),
);

test("a local connection is this machine, whatever its address", async () => {
  const local = { name: "a", kind: "local", address: "10.0.0.5", become: false } as const;
  expect(await endpointOf(local, known)).toBe("this machine");
});
