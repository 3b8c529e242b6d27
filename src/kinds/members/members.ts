import { sh } from "../../host/sh.ts";
import type { NetworkMember } from "../../host/tools/docker.ts";
import { journalFolder } from "../../journal/folder.ts";
import { contains, networkOf, parseAddress } from "../../net/ipv4.ts";
import type { Step } from "../../task/step.ts";

/** Where a host remembers which containers left a network while it is recreated: name, address and aliases, a line each. */
export function leftFile(network: string): string {
  return `${journalFolder}/left/${network}`;
}

/** A container as a message names it: `web (10.0.0.5)`, `web (10.0.0.5, fd00::5)`. */
export function memberWords({ name, address, asked, six }: NetworkMember): string {
  const has = [asked || address, six?.asked || six?.address].filter(Boolean);
  return has.length > 0 ? `${name} (${has.join(", ")})` : name;
}

/** Those that were started with an address which a network in this subnet does not have. */
export function lostAddresses(members: readonly NetworkMember[], subnet: string): NetworkMember[] {
  const network = networkOf(subnet);
  const fits = (text: string) => network !== undefined && contains(network, parseAddress(text) ?? -1);
  return members.filter(({ asked }) => asked !== "" && !fits(asked));
}

/** Disconnects this host's containers from a network that another host is about to recreate; they are recorded. */
export function leaveNetwork({ name, who }: { name: string; who: string }): Step {
  return {
    kind: "members",
    what: `containers on ${name}`,
    from: who,
    to: "disconnected, until it is recreated",
    resource: ["members", name, "leave"],
    perform: sh`cw_members_leave ${name}`,
    touches: ["docker", "link", "rule", "shared:docker", `file:${leftFile(name)}`],
    causes: [],
  };
}

/** Puts them back, with their aliases, and with their addresses where the network has them. */
export function returnToNetwork({ name, who }: { name: string; who: string }): Step {
  return {
    ...leaveNetwork({ name, who }),
    from: "disconnected",
    to: `${who} reconnected`,
    resource: ["members", name, "return"],
    perform: sh`cw_members_return ${name}`,
  };
}
