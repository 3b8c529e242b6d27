import type { Static, TObject } from "typebox";
import { throwAll } from "../errors.ts";
import type { Reader } from "../host/reader.ts";
import type { CommandOptions, CommandResult } from "../host/session.ts";
import type { Script } from "../host/sh.ts";
import type { HostView } from "../playbook/fleet.ts";
import type { Matrix } from "../report/events.ts";
import { validate } from "../schema/schema.ts";

/** A host that a probe may try things on. Whatever it starts there it takes away again. */
export interface ProbeHost extends HostView {
  readonly reader: Reader;
  sh(script: Script, options?: CommandOptions): Promise<CommandResult>;
}

export interface ProbeDefinition<P extends TObject> {
  name: string;
  summary: string;
  params: P;
  /** Looks and judges; changes nothing lasting, never runs in a plan. `say` tells a person what it is doing. */
  run: (hosts: readonly ProbeHost[], params: Static<P>, say: (doing: string) => void) => Promise<Matrix>;
}

export interface ProbeInstance {
  readonly probe: string;
  run(hosts: readonly ProbeHost[], say: (doing: string) => void): Promise<Matrix>;
}

export interface Probe<P extends TObject> {
  (params: Static<P>): ProbeInstance;
  readonly definition: ProbeDefinition<P>;
}

/** Defines a probe: it proves what the tasks only claim. */
export function defineProbe<P extends TObject>(definition: ProbeDefinition<P>): Probe<P> {
  const build = (params: Static<P>): ProbeInstance => {
    throwAll(
      validate(definition.params, params, { code: "playbook", subject: `parameters of ${definition.name}` }),
    );
    return { probe: definition.name, run: (hosts, say) => definition.run(hosts, params, say) };
  };
  return Object.assign(build, { definition });
}
