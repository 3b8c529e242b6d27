import type { WrittenReport } from "./written-report.ts";

/** What `-v`, `-D` and `--output` ask for. */
export interface ReporterOptions {
  output: "pretty" | "plain" | "json";
  verbose: boolean;
  diff: boolean;
  color: boolean;
  stdout: NodeJS.WriteStream;
  stderr: NodeJS.WriteStream;
  /** Files about the run, from `--report` and `--junit`. */
  written?: readonly WrittenReport[];
}
