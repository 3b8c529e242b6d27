import type { Connect } from "./session.ts";

/** Opens the one connection to a host; what carries it is loaded when it is needed. */
export const connect: Connect = async (target, options) => {
  if (target.kind === "local") return (await import("./local.ts")).connectLocal(target, options);
  return (await import("./ssh.ts")).connectSsh(target, options);
};
