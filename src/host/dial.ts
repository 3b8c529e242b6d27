import { spawn } from "node:child_process";
import { connect as connectTcp, type Socket } from "node:net";
import { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { CausewayError } from "../errors.ts";
import { wasDropped } from "./attempts.ts";
import { timedOut } from "./deadline.ts";
import { expanded, type Hop } from "./way.ts";

/** What carries the bytes of one SSH connection. */
export interface Carrying {
  stream: Duplex;
  /** What a process that should have carried them says of a connection that was dropped; nothing of any other error. */
  failure?: (error: unknown) => Promise<CausewayError | undefined>;
}

/** Opens the way to a machine that no jump host leads to: a TCP connection, or the process that its ProxyCommand names. */
export async function dial(hop: Hop, deadline: number): Promise<Carrying> {
  return hop.config.proxyCommand
    ? proxied(hop, hop.config.proxyCommand)
    : { stream: await tcp(hop, deadline) };
}

function tcp({ host, port, config }: Hop, deadline: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const { family, bindAddress } = config;
    const socket = connectTcp({
      host,
      port,
      noDelay: true,
      keepAlive: true,
      ...(family ? { family } : {}),
      ...(bindAddress ? { localAddress: bindAddress } : {}),
    });
    const timer = setTimeout(
      () => socket.destroy(timedOut(`${host}:${port}`)),
      Math.max(1, deadline - Date.now()),
    );
    socket.once("connect", () => {
      clearTimeout(timer);
      socket.removeListener("error", reject);
      resolve(socket);
    });
    socket.once("error", (error) => {
      clearTimeout(timer);
      reject(error);
    });
  });
}

/** As OpenSSH starts it: by a shell, with its tokens replaced; its standard input and output are the connection. */
function proxied(hop: Hop, text: string): Carrying {
  const command = expanded(text, hop);
  // Out of this process's group: Ctrl-C asks this process to stop after the step, and ends no connection.
  const child = spawn("/bin/sh", ["-c", `exec ${command}`], { stdio: "pipe", detached: true });
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => {
    said = `${said}${chunk.toString("utf8")}`.slice(-2000);
  });
  const ended = new Promise<string>((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("close", (code, signal) => resolve(`it ended with ${signal ?? code}`));
  });
  child.stdin.on("error", () => {});
  const stream = Duplex.from({ writable: child.stdin, readable: child.stdout });
  stream.on("error", () => {}).once("close", () => child.kill());
  return {
    stream,
    failure: async (error) => {
      const isSocket = (error as { level?: string }).level === "client-socket";
      if (!isSocket && !wasDropped(error)) return undefined;
      // It closes its output before it is gone; one that stays silent without ending is no failure of its own.
      const outcome = await Promise.race([ended, sleep(300, undefined)]);
      if (outcome === undefined) return undefined;
      return new CausewayError("unreachable", "the ProxyCommand of ssh_config did not connect", {
        found: outcome,
        command,
        output: said.trim(),
        expected: `a process that leads to ${hop.host} port ${hop.port} by its standard input and output`,
        advice: `run the command by hand here: it has to print the line that ${hop.host} greets with, SSH-2.0-…`,
      });
    },
  };
}
