import { sh } from "causeway";
import { type ByHand, type Process, type Setting, settings, unmanaged } from "./by-hand.ts";

/** One thing that was made by hand, and the command that removes it. */
export interface Find {
  message: string;
  found: string;
  remove: string;
}

/** Something that commands typed by hand leave on a host. */
export interface Trace {
  /** It is looked for on every host, also where another one's Docker is used: a firewall, a process. */
  onAnyHost?: true;
  finds(byHand: ByHand): readonly Find[];
}

/** Flags in the command line of docker.service as somebody wrote it. */
export function flags(byHand: ByHand, pattern: RegExp): Setting[] {
  return commands(byHand).flatMap(({ path, value }) =>
    (value.match(pattern) ?? []).map((flag) => ({ path, value: flag })),
  );
}

export function commands({ unit }: ByHand): Setting[] {
  return settings(unit, "ExecStart");
}

/** Flags of one file, and the command that takes them out of it. */
export function flagFind(message: string, found: readonly Setting[]): Find {
  const path = found[0]?.path ?? "";
  const words = found.map(({ value }) => value);
  const expressions = words.flatMap((word) => ["-e", `s| *${pattern(word)}||g`]);
  return { message, found: `${words.join(" ")} in ${path}`, remove: edit(path, expressions) };
}

export function edit(path: string, expressions: readonly string[]): string {
  return sh`sed -i ${expressions} ${path} && systemctl daemon-reload && systemctl restart docker`.text;
}

/** A text as a basic regular expression of sed's, between bars. */
export function pattern(text: string): string {
  return text.replaceAll(/[\\.*[\]^$|]/g, "\\$&");
}

/** A daemon that was started from a login: by its name, and by what it `does` that another program of that name does not. */
export function startedByHand(name: string, does: (one: Process) => boolean = () => true): Trace {
  return {
    onAnyHost: true,
    finds: ({ processes }) => {
      const found = unmanaged(processes).filter((one) => one.name === name && does(one));
      const pids = found.map(({ pid }) => pid);
      if (pids.length === 0) return [];
      return [
        {
          message: `${name} runs, but no unit started it: it will be gone after a reboot`,
          found: found.map(({ pid, program }) => `process ${pid}, ${program}`).join("; "),
          remove: `kill ${pids.join(" ")}`,
        },
      ];
    },
  };
}
