import { closeSync, writeSync } from "node:fs";
import { resolve } from "node:path";
import type { RunEvent } from "../run/events.ts";
import { openInRunFolder, pathInRunFolder } from "../run/run-folder.ts";
import { fewHosts, Transcript } from "./transcript.ts";

const fileName = "transcript.txt";
/** Written when so many characters have come together. */
const blockOf = 64 * 1024;

/**
 * Every line of a run of many hosts, with its time, in the run's folder: as `-v` shows them, without the commands and what they
 * say, which is nobody's but the terminal's. A run goes on without it where the file cannot be written.
 */
export class KeptTranscript {
  readonly #transcript: Transcript;
  readonly #warn: (text: string) => void;
  #block = "";
  #open: { file: number; path: string } | undefined;
  /** Whether this run has one: known once its hosts are. */
  #wanted: boolean | undefined;

  constructor({ diff }: { diff: boolean }, warn: (text: string) => void) {
    this.#transcript = new Transcript({ verbose: true, diff, color: false });
    this.#warn = warn;
  }

  /** Where it is, from the working directory; undefined where none is kept. */
  get path(): string | undefined {
    return this.#open?.path;
  }

  event(event: RunEvent): void {
    if (event.type === "run") this.#begin(event);
    if (this.#wanted === false || event.type === "command" || event.type === "output") return;
    const time = (event.at / 1000).toFixed(3).padStart(9);
    for (const line of this.#transcript.lines(event))
      this.#block += line === "" ? "\n" : `${time}  ${line}\n`;
    // The recap names the file: by then it is known whether it could be written.
    if (this.#block.length >= blockOf || event.type === "recap") this.#write();
  }

  close(): void {
    process.removeListener("exit", this.#write);
    this.#write();
    if (this.#open) closeSync(this.#open.file);
    this.#open = undefined;
    this.#wanted = false;
  }

  #begin({ id, hosts }: Extract<RunEvent, { type: "run" }>): void {
    this.#wanted = hosts.length > fewHosts;
    if (!this.#wanted) return;
    const path = pathInRunFolder(id, fileName);
    this.#attempt(path, () => {
      this.#open = { file: openInRunFolder(id, fileName), path };
      process.once("exit", this.#write);
    });
  }

  readonly #write = () => {
    const open = this.#open;
    if (!open || this.#block === "") return;
    const block = this.#block;
    this.#block = "";
    this.#attempt(open.path, () => writeWhole(open.file, block));
  };

  #attempt(path: string, work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#wanted = false;
      this.#open = undefined;
      this.#warn(`no transcript is kept: ${resolve(path)} cannot be written (${(error as Error).message})`);
    }
  }
}

/** A file takes what it is given in one go, as a rule. */
function writeWhole(file: number, text: string): void {
  const bytes = Buffer.from(text);
  for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done);
}
