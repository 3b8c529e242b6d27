import type { Algorithms } from "ssh2";
import { CausewayError } from "../errors.ts";
import type { HostKeyCheck } from "./host-key.ts";
import { knownAlgorithms, knownLines } from "./known-hosts.ts";
import type { AlgorithmList, SshConfig } from "./ssh-config.ts";
import { type Hop, nameOf } from "./way.ts";

/** What the two sides of a handshake offered, by the names that ssh2's debug lines have for a list. */
export type Handshake = Record<string, { local?: string; remote?: string }>;

/** No algorithm in common with a host, as ssh2 has them; OpenSSH's own ssh may have one. */
export class NoneInCommon extends CausewayError {
  readonly list: AlgorithmList;
  readonly offered: readonly string[];

  constructor(
    list: AlgorithmList,
    offered: readonly string[],
    message: string,
    detail: CausewayError["detail"],
  ) {
    super("unreachable", message, detail);
    this.list = list;
    this.offered = offered;
  }
}

/** What is called how: in ssh2's errors, in its debug lines, in ssh_config and sshd_config, and by people. */
const lists: readonly { error: RegExp; debug: string; keyword: string; what: string }[] = [
  { error: /key exchange algorithm/, debug: "KEX method", keyword: "KexAlgorithms", what: "key exchange" },
  {
    error: /host key format/,
    debug: "Host key format",
    keyword: "HostKeyAlgorithms",
    what: "type of host key",
  },
  { error: /C->S cipher/, debug: "C->S cipher", keyword: "Ciphers", what: "cipher" },
  { error: /S->C cipher/, debug: "S->C cipher", keyword: "Ciphers", what: "cipher" },
  { error: /C->S MAC/, debug: "C->S MAC", keyword: "MACs", what: "MAC" },
  { error: /S->C MAC/, debug: "S->C MAC", keyword: "MACs", what: "MAC" },
];

/** What is offered to a host: what ssh_config says, else ssh2's own lists; a host is asked first for the keys it is known by. */
export function algorithmsFor(
  { algorithms: asked }: Pick<SshConfig, "algorithms">,
  { name, files }: Pick<HostKeyCheck, "name" | "files">,
): Algorithms {
  // A host known by one type of key shows another unless it is asked for that one, and would be refused.
  const known = knownAlgorithms(knownLines(files, name), name);
  const keys = asked.hostkeyalgorithms;
  const first = keys ? [...known.filter((type) => keys.includes(type)), ...keys] : known;
  const own: Partial<Record<keyof Algorithms, readonly string[] | undefined>> = {
    kex: asked.kexalgorithms,
    cipher: asked.ciphers,
    hmac: asked.macs,
  };
  const given = Object.entries(own).flatMap(([list, names]) => (names ? [[list, exactly(names)]] : []));
  const serverHostKey = keys ? exactly(first) : { remove: patterns(known), prepend: patterns(known) };
  return { ...Object.fromEntries(given), ...(first.length > 0 ? { serverHostKey } : {}) } as Algorithms;
}

/** These and no others, in their order. */
function exactly(names: readonly string[]) {
  return { remove: [/./], append: patterns(names) };
}

/** Of names that are patterns, ssh2 leaves out those that it has not; of others it makes an error. */
function patterns(names: readonly string[]): RegExp[] {
  return names.map((name) => new RegExp(`^${name.replaceAll(/[.+]/g, "\\$&")}$`));
}

/** Takes from ssh2's debug lines what both sides offer. */
export function overhearing(handshake: Handshake): (line: string) => void {
  return (line) => {
    const [, side, list = "", names = ""] = /^Handshake: \((local|remote)\) ([^:]+): (.*)$/.exec(line) ?? [];
    if (side === "local" || side === "remote") handshake[list] = { ...handshake[list], [side]: names };
  };
}

/** The error of a handshake in which both sides had no algorithm in common; nothing for any other. */
export function noneInCommon(error: unknown, handshake: Handshake, hop: Hop): NoneInCommon | undefined {
  const { message } = error as Error;
  const list = /no matching/.test(message) ? lists.find((one) => one.error.test(message)) : undefined;
  if (!list) return undefined;
  const { local, remote } = handshake[list.debug] ?? {};
  const [ours, theirs] = [namesOf(local), namesOf(remote)];
  const name = list.keyword.toLowerCase() as AlgorithmList;
  const isConfigured = hop.config.algorithms[name] !== undefined;
  const by = isConfigured ? `${list.keyword} of ssh_config leaves` : "causeway has";
  return new NoneInCommon(name, theirs, `the host and causeway have no ${list.what} in common`, {
    found: `${nameOf(hop)} offers ${theirs.join(", ")}`,
    expected: ours.length > 0 ? `one of these, which ${by}: ${ours.join(", ")}` : `an algorithm; ${by} none`,
    advice: adviceFor(
      list.keyword,
      theirs.filter((name) => oldOnes.test(name)),
      isConfigured,
      hop,
    ),
    cause: error,
  });
}

/** The algorithms of a list; among those of the key exchange are marks of the protocol, too. */
function namesOf(list = ""): string[] {
  return list.split(",").filter((name) => name !== "" && !/^(ext-info-|kex-strict-)/.test(name));
}

/** What ssh2 has and offers only where it is told to, and OpenSSH's own ssh_config takes. */
const oldOnes =
  /^(diffie-hellman-group(1|14|-exchange)-sha1|ssh-dss|(aes(128|192|256)|3des)-cbc|hmac-(md5|md5-96|sha1-96))$/;

function adviceFor(keyword: string, old: readonly string[], isConfigured: boolean, { target }: Hop): string {
  if (isConfigured) return `correct ${keyword} for ${target.address} in ssh_config`;
  if (old.length > 0)
    return `allow the old one, for this host alone, at the top of your ssh_config:\nHost ${target.address}\n  ${keyword} +${old.join(",")}`;
  return `allow one of these in the host's sshd_config (${keyword}), beside those it has, and reload sshd; or install an OpenSSH here whose ssh has one that the host offers: it is used then`;
}
