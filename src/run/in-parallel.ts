import type { StageRenderer } from "./events.ts";

export interface Parallel {
  /** How many at a time. */
  atOnce: number;
  /** Draws the stage while it goes; nothing is drawn without one. */
  renderer?: StageRenderer | undefined;
}

/**
 * Does the work on every host through a listr2 runner. Hosts do not stop each other; foreseen errors are the work's
 * own, and the first unforeseen one is thrown once all have come to rest.
 */
export async function inParallel<T extends { readonly name: string }>(
  hosts: readonly T[],
  { atOnce, renderer }: Parallel,
  work: (host: T) => Promise<void>,
): Promise<void> {
  if (hosts.length === 0) return;
  const { Listr } = await import("listr2");
  const bugs: unknown[] = [];
  const tasks = hosts.map((host) => ({
    title: host.name,
    task: () => work(host).catch((error: unknown) => void bugs.push(error)),
  }));
  const options = { concurrent: atOnce, exitOnError: false, registerSignalListeners: false };
  await (renderer
    ? new Listr(tasks, { ...options, renderer })
    : new Listr(tasks, { ...options, renderer: "silent" })
  ).run();
  if (bugs.length > 0) throw bugs[0];
}
