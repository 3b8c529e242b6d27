import { CausewayError, CausewayErrors, describeError } from "../errors.ts";
import type { ShownStep } from "../task/shown-step.ts";
import type { JsonError } from "./json-event.ts";
import { duration, oneLine, type Paint, tame } from "./paint.ts";

/** Longer scripts are shortened; who needs all of one takes the JSON. */
const commandAtMost = 400;

/** `keys of /etc/docker/daemon.json` and `: — → "bip"`, with a word of warning where there is no way back. */
export function stepParts(
  { what, from, to, irreversible }: ShownStep,
  paint: Paint,
): { what: string; change: string } {
  const lasting = irreversible ? paint("red", `  (cannot be undone: ${oneLine(irreversible)})`) : "";
  // Words that leave out what differs must not read as if nothing did.
  const change = from === to ? `${to}, made anew` : `${from ?? "—"} → ${to ?? "—"}`;
  return { what: oneLine(what), change: `: ${oneLine(change)}${lasting}` };
}

/** A command after its host, as one could paste it: one line with its end behind it, several on lines of their own. */
export function commandLines(command: string, code: number, ms: number): string[] {
  const text = tame(command.trim());
  const over = text.length - commandAtMost;
  const shown = over > 0 ? `${text.slice(0, commandAtMost)}… (${over} characters more)` : text;
  const ended = `# code ${code}, ${duration(ms)}`;
  return shown.includes("\n") ? [`$ ${ended}`, ...shown.split("\n")] : [`$ ${shown}   ${ended}`];
}

export function indented(text: string): string[] {
  return tame(text.replaceAll("\r\n", "\n"))
    .split("\n")
    .map((line) => `    ${line}`);
}

/** An error that has become data, as a person reads it. */
export function describeJsonError(error: JsonError): string {
  return describeError(errorOf(error));
}

function errorOf(error: JsonError): CausewayError {
  if (!("errors" in error)) {
    const { code, message, ...detail } = error;
    return new CausewayError(code, message, detail);
  }
  const [first, ...rest] = error.errors.map(errorOf);
  return first ? new CausewayErrors([first, ...rest]) : new CausewayError("host", "");
}
