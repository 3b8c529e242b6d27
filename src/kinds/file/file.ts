import { Secret, sh } from "../../host/sh.ts";
import type { FileState } from "../../host/tools/file.ts";
import type { Consequence, Step } from "../../task/step.ts";

export interface FileStep {
  /** The file as it was read: its checksum is compared again by the script that writes. */
  was: FileState;
  /** The whole text; null removes the file. A Secret is written but never shown. */
  content: string | Secret | null;
  /** In octal; the present mode, or 644 for a new file. */
  mode?: string;
  /** `user:group` by name or number; the present owner, or root. */
  owner?: string;
  causes?: readonly Consequence[];
}

/** Writes a whole file, or removes it. Atomic; a symbolic link is followed, folders above are made. */
export function file({ was, content, mode, owner, causes = [] }: FileStep): Step {
  const text = content instanceof Secret ? content.reveal() : content;
  const secret = content instanceof Secret;
  const from = was.kind === "absent" ? null : summary(was.content, was.mode, secret);
  const to = text === null ? null : summary(text, mode ?? (was.mode || "644"), secret);
  const step: Step = {
    kind: "file",
    what: `file ${was.path}`,
    from,
    to: from === to ? `${to}, ${text === was.content ? "another owner" : "another text"}` : to,
    resource: ["file", was.path],
    perform: text === null ? remove(was) : write(was, text, secret, mode, owner),
    touches: [`file:${was.path}`],
    causes,
  };
  if (!secret) step.diff = { path: was.path, before: was.content, after: text ?? "" };
  return step;
}

function summary(text: string, mode: string, secret: boolean): string {
  if (secret) return `(secret) mode ${mode}`;
  const lines = text.split("\n").length - (text.endsWith("\n") ? 1 : 0);
  return `${lines} ${lines === 1 ? "line" : "lines"}, mode ${mode}`;
}

function write(was: FileState, text: string, secret: boolean, mode?: string, owner?: string) {
  // `printf` is built in: the text appears in no process list.
  const body = secret ? new Secret(text) : text;
  const who = owner ?? `${was.uid}:${was.gid}`;
  return sh`printf %s ${body} | cw_file_swap ${was.path} ${was.sha256} ${mode ?? (was.mode || "644")} ${who}`;
}

function remove(was: FileState) {
  return sh`cw_file_remove ${was.path} ${was.sha256}`;
}
