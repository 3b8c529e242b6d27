import type { Static, TObject } from "typebox";
import { throwAll } from "../errors.ts";
import type { Reader } from "../host/reader.ts";
import type { CommandOptions, CommandResult, Companion } from "../host/session.ts";
import type { Script } from "../host/sh.ts";
import type { HostView } from "../playbook/fleet.ts";
import { validate } from "../schema/schema.ts";
import { answeredFor } from "../thrown.ts";
import type { Matrix } from "./matrix.ts";
import type { Watcher, WatchRun } from "./watched.ts";

/** A host that a probe may try things on. Whatever it starts there it takes away again. */
export interface ProbeHost extends HostView {
  readonly reader: Reader;
  sh(script: Script, options?: CommandOptions): Promise<CommandResult>;
  /** Starts a script that goes on beside what the run does there, and passes its lines on as they come. */
  accompany(script: Script, onLine: (line: string) => void): Promise<Companion>;
}

/** What a run gives its probes. */
export interface ProbeRun {
  /** Tells a person what it is doing. */
  say(doing: string): void;
  /** Whether the command line asks for `--evidence`. */
  readonly evidence: boolean;
  /** Whether it asks for `--all-pairs`: nothing is left to a sample. */
  readonly allPairs: boolean;
  /** Only pairs in which one of these hosts takes part; all of them without it. */
  readonly among?: ReadonlySet<string>;
  /** Keeps a file on this machine, below the run's own folder, for its owner only; gives the folder. */
  keep(name: string, content: Uint8Array): Promise<string>;
}

export interface ProbeDefinition<P extends TObject> {
  name: string;
  summary: string;
  params: P;
  /** Looks and judges; changes nothing lasting, never runs in a plan. */
  run: (hosts: readonly ProbeHost[], params: Static<P>, run: ProbeRun) => Promise<Matrix>;
  /**
   * Begins to watch what a run costs, for `--watch`: it goes on beside all steps and restarts, and changes nothing lasting.
   * Resolves once it sees what works now.
   */
  watch?: (hosts: readonly ProbeHost[], params: Static<P>, run: WatchRun) => Promise<Watcher>;
}

export interface ProbeInstance {
  readonly probe: string;
  run(hosts: readonly ProbeHost[], run: ProbeRun): Promise<Matrix>;
  watch?(hosts: readonly ProbeHost[], run: WatchRun): Promise<Watcher>;
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
    const prove = answeredFor(`probe ${definition.name}`, definition.run);
    const watch = definition.watch && answeredFor(`probe ${definition.name}: watch`, definition.watch);
    return {
      probe: definition.name,
      run: (hosts, run) => prove(hosts, params, run),
      ...(watch ? { watch: (hosts, run) => watch(hosts, params, run) } : {}),
    };
  };
  return Object.assign(build, { definition });
}
