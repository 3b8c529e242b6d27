import { rawScript, type Script, sh } from "../../host/sh.ts";
import type { Consequence, Step } from "../step.ts";

/** The routing protocol's number by which our routes are known: `ip route show proto 202`. */
export const routeProtocol = 202;

export interface RouteStep {
  /** Destination network. */
  to: string;
  /** The next hop; none for a route that only names a device. */
  via?: string;
  dev?: string;
  /** What leads there now, as `ip route` prints it. */
  was?: string | null;
}

/** A route that comes back at boot. A destination has one; another one to it is replaced, and restored by the undo. */
export function route({ to, via, dev, was = null }: RouteStep): Step {
  const words = [via && `via ${via}`, dev && `dev ${dev}`].filter(Boolean).join(" ");
  return {
    kind: "route",
    what: `route ${to}`,
    from: was,
    to: words,
    resource: ["route", to],
    perform: sh`cw_route_put ${to} ${words}`,
    touches: ["route", "unit:causeway-network.service"],
    causes: [],
  };
}

/** The line by which a route comes back at boot. */
export function keptRoute({ to, via, dev }: Pick<RouteStep, "to" | "via" | "dev">): string {
  return [to, via && `via ${via}`, dev && `dev ${dev}`, `proto ${routeProtocol}`].filter(Boolean).join(" ");
}

/** The line by which a rule comes back at boot. */
export function keptRule({ table, chain, spec, comment, place }: RuleStep): string {
  return `${table} ${place === "first" ? "-I" : "-A"} ${chain} ${ruleWords(spec, comment)}`;
}

/** Takes the routes to a destination away. */
export function noRoute({ to, was }: { to: string; was: string }): Step {
  return { ...route({ to, was }), to: null, perform: sh`cw_route_drop ${to}` };
}

export interface RuleStep {
  table: "filter" | "nat" | "mangle" | "raw";
  chain: string;
  /** The specification in the order and spelling in which `iptables-save` prints it, without the comment. */
  spec: string;
  /** Who owns the rule; it is how it is found again. */
  comment: string;
  /** First in its chain, or last. */
  place: "first" | "last";
}

/** A rule of iptables that comes back at boot and whenever Docker restarts. */
export function rule({ table, chain, spec, comment, place }: RuleStep): Step {
  const whole = ruleWords(spec, comment);
  return {
    kind: "rule",
    what: `rule ${table} ${chain} ${spec}`,
    from: null,
    to: place === "first" ? "first in its chain" : "last in its chain",
    resource: ["rule", table, chain, whole],
    perform: sh`cw_rule_put ${place === "first" ? "-I" : "-A"} ${table} ${chain} ${whole}`,
    touches: ["rule", "unit:causeway-network.service"],
    causes: [],
  };
}

/** Takes one rule away, found by its exact specification. */
export function noRule({ table, chain, spec }: { table: string; chain: string; spec: string }): Step {
  return {
    kind: "rule",
    what: `rule ${table} ${chain} ${spec}`,
    from: "present",
    to: null,
    resource: ["rule", table, chain, spec],
    perform: sh`cw_rule_drop ${table} ${chain} ${spec}`,
    touches: ["rule", "unit:causeway-network.service"],
    causes: [],
  };
}

/** The specification with its owner's comment before the target, as it goes to the shell. */
export function ruleWords(spec: string, comment: string): string {
  const quoted = sh`-m comment --comment ${comment}`.text;
  const target = spec.indexOf("-j ");
  return target < 0 ? `${spec} ${quoted}` : `${spec.slice(0, target)}${quoted} ${spec.slice(target)}`;
}

export interface SysctlStep {
  key: string;
  value: string | number;
  /** The running value, if there is one. */
  was?: string | null;
}

/** A kernel setting, now and at every boot. */
export function sysctl({ key, value, was = null }: SysctlStep): Step {
  return {
    kind: "sysctl",
    what: `sysctl ${key}`,
    from: was,
    to: String(value),
    resource: ["sysctl", key],
    perform: sh`cw_sysctl_put ${key} ${String(value)}`,
    touches: [`sysctl:${key}`],
    causes: [],
  };
}

export interface LinkStep {
  name: string;
  /** The commands that make it and give it its addresses; they are run again at every boot. */
  make: Script;
  /** What it is, for a person: `macvlan on eth0, 172.16.10.254/32`. */
  to: string;
  was?: string | null;
  causes?: readonly Consequence[];
}

/** A network interface that is made by hand; one of that name is made anew. */
export function link({ name, make, to, was = null, causes = [] }: LinkStep): Step {
  return {
    kind: "link",
    what: `link ${name}`,
    from: was,
    to,
    resource: ["link", name],
    perform: sh`cw_link_put ${name} ${make.text}`,
    touches: ["link", "route", "unit:causeway-network.service"],
    causes,
  };
}

/** Takes an interface away. Who made it has to say why it is not restored. */
export function noLink({
  name,
  was,
  irreversible,
}: {
  name: string;
  was: string;
  irreversible: string;
}): Step {
  return {
    ...link({ name, make: rawScript(""), to: "", was }),
    to: null,
    perform: sh`cw_link_drop ${name}`,
    irreversible,
  };
}
