import { rawScript, type Script, sh } from "../../host/sh.ts";
import type { Consequence, Step } from "../../task/step.ts";

export interface LinkStep {
  name: string;
  /** The commands that make it and give it its addresses; they are run again at every boot. */
  make: Script;
  /** What it is, for a person: `macvlan on eth0, 172.16.10.254/32`. */
  to: string;
  was?: string | null;
  causes?: readonly Consequence[];
}

/** A network interface that a command makes; an existing one of that name is replaced, and comes back with the undo. */
export function link({ name, make, to, was = null, causes = [] }: LinkStep): Step {
  return {
    kind: "link",
    what: `link ${name}`,
    from: was,
    to,
    resource: ["link", name],
    perform: rawScript(sh`cw_link_put ${name} ${make.text}`.text, make.secrets),
    touches: ["link", "route", "unit:causeway-network.service"],
    causes,
  };
}

/** Takes an interface away; its undo makes it again, with what hung on it. */
export function noLink({ name, was }: { name: string; was: string }): Step {
  return {
    ...link({ name, make: rawScript(""), to: "", was }),
    to: null,
    perform: sh`cw_link_drop ${name}`,
  };
}
