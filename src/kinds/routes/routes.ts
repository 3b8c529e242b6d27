import { sh } from "../../host/sh.ts";
import type { Step } from "../../task/step.ts";
import { keptRoute, type RouteStep } from "../route/route.ts";

export interface RoutesStep {
  /** By which the list is known on the host: `peers`. It begins with a letter. */
  name: string;
  /** The whole list. */
  routes: readonly Pick<RouteStep, "to" | "via" | "dev">[];
  /** Destinations of the list as it was that are no longer in it; what is ours there goes. */
  gone?: readonly string[];
  /** What is wrong now, in words; null where there is no such list. */
  was: string | null;
  /** What the step makes of it, in words. */
  words: string;
}

/**
 * A list of routes that come back at boot, kept as one file and put in place by one batch. To each destination exactly the
 * list's route leads; another one goes once that is there, and is restored by the undo.
 */
export function routes({ name, routes, gone = [], was, words }: RoutesStep): Step {
  const destinations = [...routes.map(({ to }) => to), ...gone].join(" ");
  const lines = routes.map(keptRoute).join("\n");
  return {
    kind: "routes",
    what: `routes ${name}`,
    from: was,
    to: words,
    resource: ["routes", name, destinations],
    perform: sh`cw_routes_put ${name} ${destinations} ${lines}`,
    touches: ["route", "unit:causeway-network.service"],
    causes: [],
  };
}
