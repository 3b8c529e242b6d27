import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import type { BaseAgent, ParsedKey } from "ssh2";

/** Which keys of an agent are meant. */
export type Wanted = (publicPart: Buffer) => boolean;

/** The agent behind a socket, with some of its keys only. One that does not answer has none, which is no error here. */
export function someOf(socket: string, wanted: Wanted): BaseAgent {
  const { createAgent } = createRequire(import.meta.url)("ssh2") as typeof import("ssh2");
  const agent = createAgent(socket) as BaseAgent<ParsedKey>;
  const all = agent.getIdentities.bind(agent);
  agent.getIdentities = (done) =>
    all((error, keys = []) =>
      done(undefined, error ? [] : (keys as ParsedKey[]).filter((key) => wanted(key.getPublicSSH()))),
    );
  return agent;
}

/** Whether an agent holds a key. */
export function holds(socket: string | undefined, publicPart: Buffer | undefined): Promise<boolean> {
  if (!socket || !publicPart) return Promise.resolve(false);
  return new Promise((resolve) => {
    someOf(socket, (part) => part.equals(publicPart)).getIdentities((_error, keys) =>
      resolve((keys ?? []).length > 0),
    );
  });
}

const listed = new Map<string, Promise<readonly string[]>>();

/** The types of all keys of an agent, certificates and security keys too, which ssh2 leaves out; it is asked once a process. */
export function typesIn(socket: string): Promise<readonly string[]> {
  const answer =
    listed.get(socket) ??
    new Promise<readonly string[]>((resolve) => {
      execFile("ssh-add", ["-L"], { env: { ...process.env, SSH_AUTH_SOCK: socket } }, (error, stdout) =>
        resolve(error ? [] : stdout.split("\n").flatMap((line) => line.split(" ")[0] || [])),
      );
    });
  listed.set(socket, answer);
  return answer;
}

/** The socket of the agent that is asked, if there is one. */
export function agentSocket(identityAgent: string | undefined): string | undefined {
  const socket = identityAgent ?? process.env.SSH_AUTH_SOCK;
  return socket && socket !== "none" && existsSync(socket) ? socket : undefined;
}
