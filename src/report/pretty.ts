import type { ListrRenderer } from "listr2";
import type { Reporter, StageRenderer } from "../run/events.ts";
import { LiveArea } from "./live-area.ts";
import { LiveHosts } from "./live-hosts.ts";
import type { ReporterOptions } from "./options.ts";
import { Transcript, type TranscriptOptions } from "./transcript.ts";

/**
 * What a person sees: lines that stay, and below them the hosts that are being worked on. listr2 runs the hosts; its own
 * renderer draws every task anew at every event, which a thousand hosts do not survive, so it is given this one.
 */
export function prettyReporter(options: TranscriptOptions & Pick<ReporterOptions, "stdout">): Reporter {
  const transcript = new Transcript(options);
  const hosts = new LiveHosts(options.color);
  const area = new LiveArea(
    options.stdout,
    (rows, now) => hosts.draw(rows, now),
    () => transcript.rest(),
  );
  return {
    renderer: stageRenderer(hosts),
    event: (event) => {
      hosts.take(event, Date.now());
      if (event.type === "run") area.start();
      area.print(transcript.lines(event));
      if (event.type === "recap") area.stop();
    },
    pause: () => {
      area.stop();
      return () => area.start();
    },
    close: async () => area.stop(),
  };
}

interface StageTask {
  title?: string;
  isCompleted(): boolean;
  isPending(): boolean;
}

/** listr2's side of it: how many hosts a stage has, and how many are done. */
function stageRenderer(hosts: LiveHosts): StageRenderer {
  return class implements ListrRenderer {
    static rendererOptions = {};
    static rendererTaskOptions = {};
    static nonTTY = true;
    readonly #tasks: readonly StageTask[];

    constructor(tasks: readonly StageTask[]) {
      this.#tasks = tasks;
    }

    render(): void {
      hosts.stage = () => ({
        count: this.#tasks.length,
        working: new Set(this.#tasks.filter((t) => t.isPending()).map((t) => t.title)),
        done: this.#tasks.filter((t) => t.isCompleted()).length,
      });
    }

    end(): void {
      hosts.stage = undefined;
    }
  } as unknown as StageRenderer;
}
