import { CausewayError } from "../../src/errors.ts";
import type { Connect, Session } from "../../src/host/session.ts";
import { rawScript } from "../../src/host/sh.ts";
import type { RunEvent } from "../../src/run/events.ts";
import type { RunOptions } from "../../src/run/options.ts";
import type { Scope } from "../../src/task/define.ts";
import type { Step } from "../../src/task/step.ts";

/**
 * A host in memory, for the engine's planning only: a map of names to values. `cat NAME` reads one, and a performing
 * script sets what its steps say with `put NAME VALUE`. Nothing about a real host is proved with it.
 */
export class FakeHost {
  readonly values = new Map<string, string>();
  /** The steps that were performed, and the restarts, in order. */
  readonly performed: string[] = [];
  /** The scripts that performed them, whole. */
  readonly scripts: string[] = [];
  /** What a test has the host say to a script, where it has something to say. */
  says?: (script: string) => string | undefined;
  /** How runs ended here, as their last scripts say. */
  readonly ends: string[] = [];
  /** The connection is lost when a script holds this. */
  lostAt?: string;
  /** How often the step that sets a value still fails. */
  readonly failing = new Map<string, number>();
  trips = 0;
  journal = "";
  /** Steps whose values do not stick, although they succeed. */
  readonly forgetful = new Set<string>();

  session(name: string): Session {
    let waiting = 0;
    return {
      name,
      push: async (_, path) => {
        if (this.lostAt && path.includes(this.lostAt))
          throw new CausewayError("host", "the file could not be sent");
      },
      beside: async () => 0,
      through: [],
      accompany: () => Promise.reject(new CausewayError("host", "a host in memory has one shell")),
      close: async () => {},
      stats: { roundTrips: 0, commands: 0, connectMs: 0 },
      run: (script, options) => {
        // What is asked in one tick travels together.
        if (waiting++ === 0)
          setImmediate(() => {
            this.trips += 1;
            waiting = 0;
          });
        if (this.lostAt && script.includes(this.lostAt))
          return Promise.reject(new CausewayError("unreachable", "the connection was lost", { host: name }));
        return new Promise((resolve) =>
          setImmediate(() => resolve(this.#answer(script, (line) => options?.onLine?.(line, () => {})))),
        );
      },
    };
  }

  #answer(script: string, onLine?: (line: string) => void) {
    const said = this.says?.(script);
    if (said !== undefined) return { stdout: said, stderr: "", code: 0 };
    if (script.startsWith("cat ")) {
      const value = this.values.get(script.slice(4).trim());
      return { stdout: value ?? "", stderr: "", code: value === undefined ? 1 : 0 };
    }
    if (/^cw_begin \S/m.test(script)) return this.#perform(script, onLine);
    const end = /^cw_end \S+ (.*)$/m.exec(script)?.[1];
    if (end !== undefined) {
      this.ends.push(end);
      return { stdout: "", stderr: "", code: 0 };
    }
    return { stdout: this.journal, stderr: "", code: 0 };
  }

  #perform(script: string, onLine?: (line: string) => void) {
    this.scripts.push(script);
    const steps = [...script.matchAll(/cw_do\(\) \{ eval '?(.*?)'?; \}\ncw_perform (\d+)/gs)];
    for (const [, body = "", n = ""] of steps) {
      onLine?.(`@cw start ${n}`);
      const [verb, name = "", value = ""] = body.split(" ");
      const fails = this.failing.get(name) ?? 0;
      if (fails > 0) this.failing.set(name, fails - 1);
      if (verb === "fail" || fails > 0) {
        onLine?.(`@cw failed ${n} perform 9`);
        onLine?.("@cw | it broke");
        return { stdout: "", stderr: "", code: 71 };
      }
      this.performed.push(body);
      if (/^cw_live=\d/m.test(script))
        onLine?.(`@cw said ${Buffer.from(`${name} is on its way\n`).toString("base64")}`);
      if (verb === "put" && !this.forgetful.has(name)) this.values.set(name, value);
      onLine?.(`@cw done ${n}`);
    }
    for (const [, verb = "", unit = ""] of script.matchAll(/^cw_due (\S+) '(.*?)'/gm)) {
      const words = `${verb} ${unit}`.trim();
      onLine?.(`@cw begin ${words}`);
      this.performed.push(words);
      this.values.set(words, "done");
      onLine?.(`@cw end ${words}`);
    }
    return { stdout: "", stderr: "", code: 0 };
  }
}

/** Connects to hosts in memory; a name without one is unreachable. */
export function connectTo(hosts: ReadonlyMap<string, FakeHost>): Connect {
  return async ({ name }) => {
    const host = hosts.get(name);
    if (!host)
      throw new CausewayError("unreachable", "the host cannot be reached: it is not there", { host: name });
    return host.session(name);
  };
}

/** What a run over these hosts is given where a test asks for nothing special; its events go into the list. */
export function plainly(hosts: ReadonlyMap<string, FakeHost>, events: RunEvent[] = []) {
  return {
    extraVars: new Map(),
    check: false,
    verify: false,
    forks: 64,
    session: { hostKeyChecking: "strict", connectTimeoutMs: 1000, commandTimeoutMs: 1000 },
    connect: connectTo(hosts),
    reporter: { event: (event) => void events.push(event), close: async () => {} },
    interrupted: new AbortController().signal,
    breakLock: false,
    verbose: false,
  } satisfies Partial<RunOptions>;
}

/** A step that sets a value on a host in memory. */
export function put(name: string, value: string, over: Partial<Step> = {}): Step {
  return {
    kind: "run",
    what: name,
    from: null,
    to: value,
    resource: ["run", "true", "true"],
    perform: rawScript(`put ${name} ${value}`),
    touches: [`value:${name}`],
    causes: [],
    ...over,
  };
}

interface Did {
  playbook: string;
  owns: string;
  task: string;
  key: string;
  scope: Scope;
  what: string;
  to: string;
}

/** A host's journal: one run of a playbook, R1, and the one thing that it did there, which stands. */
export function journalOf({ playbook, owns, what, ...did }: Did): string {
  const record = { id: "R1", playbook, owns, started: "", user: "", machine: "", hosts: [] };
  const entry = { run: "R1", n: "0001", owner: playbook, play: 0, kind: "run", from: null, causes: [] };
  return [
    `runs/R1/run.json:${JSON.stringify(record)}`,
    `runs/R1/0001.json:${JSON.stringify({ ...entry, ...did, what, resource: `run ${what}` })}`,
    "mark runs/R1/0001.begun",
    "mark runs/R1/0001.done",
  ].join("\n");
}
