import { quote } from "./sh.ts";

/** What a long-lived process has said is its reader's to keep. */
const unkept = { stdout: nothing(), stderr: nothing(), stdall: nothing() };

function nothing(): Buffer[] {
  return Object.assign([] as Buffer[], { push: () => 0 });
}

/**
 * zx's `$` for this machine, loaded when it is first needed. Commands run under /bin/sh, and words are quoted for any POSIX
 * shell: zx by itself starts bash, which a small machine has not, and quotes for it.
 */
export async function here() {
  const { $ } = await import("zx/core");
  return $({ shell: "/bin/sh", prefix: "", postfix: "", quote, quiet: true });
}

/** The same for a process that goes on for long: out of this process's group, and with nothing of its output kept. */
export async function hereForLong() {
  return (await here())({ detached: true, cwd: "/", nothrow: true, store: unkept, stdio: "pipe" });
}
