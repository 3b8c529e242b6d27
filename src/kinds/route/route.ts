import { sh } from "../../host/sh.ts";
import type { Step } from "../../task/step.ts";

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

/** Takes the routes to a destination away. */
export function noRoute({ to, was }: { to: string; was: string }): Step {
  return { ...route({ to, was }), to: null, perform: sh`cw_route_drop ${to}` };
}
