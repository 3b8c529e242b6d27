import { isIPv6 } from "node:net";

/** A range in a host's name: `[01:20]`, `[a:f]`, `[0:10:2]`. */
const range = String.raw`\[(?:[a-z]:[a-z]|\d+:\d+)(?::\d+)?\]`;
const label = String.raw`(?:[\p{L}\p{N}_]|${range})(?:[\p{L}\p{N}_-]|${range})*(?<![_-])`;
const hostName = new RegExp(`^${label}(?:\\.${label})*$`, "iu");
const hexRange = /\[[\da-f]+:[\da-f]+(?::\d+)?\]/gi;

/** Whether Ansible takes it for a host's name or address; ranges may be in it. */
export function isHostName(text: string): boolean {
  return hostName.test(text) || isIPv6(text.replaceAll(hexRange, "1"));
}

/**
 * The port behind a host's name, as Ansible reads it: `host:22`, `[2001:db8::1]:22`. What does not look like it is a name as
 * a whole, and so is an IPv6 address without brackets.
 */
export function splitPort(text: string): { name: string; port?: number } {
  const [, bracketed, behind] = /^\[(.+)\]:(\d+)$/.exec(text) ?? [];
  const [, plain, port] = /^((?:[^:[\]]|\[[^\]]*\])*):(\d+)$/.exec(text) ?? [];
  const name = bracketed ?? plain;
  return name !== undefined && isHostName(name) ? { name, port: Number(behind ?? port) } : { name: text };
}
