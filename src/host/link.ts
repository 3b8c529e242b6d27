import { createRequire } from "node:module";
import type { Duplex } from "node:stream";
import type { AnyAuthMethod, Client, ClientChannel } from "ssh2";
import type { CausewayError } from "../errors.ts";
import { algorithmsFor, type Handshake, noneInCommon, overhearing } from "./algorithms.ts";
import type { Channel, Start } from "./channel.ts";
import { within } from "./deadline.ts";
import { type HostKeyCheck, refuseHostKey } from "./host-key.ts";
import type { Hop } from "./way.ts";

/** One SSH connection on which somebody is logged in. */
export interface Link {
  start: Start;
  /** A stream to an address as the machine at its end sees it. */
  forward(host: string, port: number, deadline: number): Promise<Duplex>;
  readonly ended: Promise<void>;
  /** Why it ended, where that is known: empty while it stands, and where the other end closed it without a word. */
  reason(): string;
  /** What OpenSSH's own ssh reaches a machine with that is behind this one; only of a link that an ssh holds. */
  readonly proxyCommand?: string;
  close(): void;
}

/** So long may an end take that the other side does not answer. */
const endMs = 1000;

/** Logs in over a stream; on any error the stream is closed. */
export async function logIn(
  hop: Hop,
  stream: Duplex,
  methods: AnyAuthMethod[],
  check: HostKeyCheck,
  deadline: number,
): Promise<Link> {
  const { NodeSSH } = createRequire(import.meta.url)("node-ssh") as typeof import("node-ssh");
  const ssh = new NodeSSH();
  const handshake: Handshake = {};
  let refused: CausewayError | undefined;
  try {
    await ssh.connect({
      sock: stream,
      username: hop.username,
      // One after the other, as OpenSSH does; the server says when it has had enough.
      authHandler: methods,
      hostVerifier: (key: Buffer) => {
        refused = refuseHostKey(check, key);
        return refused === undefined;
      },
      algorithms: algorithmsFor(hop.config, check),
      debug: overhearing(handshake),
      readyTimeout: Math.max(1, deadline - Date.now()),
      // A dead peer is noticed after fifteen seconds; one that is only short of processor time has answered by then.
      keepaliveInterval: 3000,
      keepaliveCountMax: 4,
    } as Parameters<typeof ssh.connect>[0]);
  } catch (error) {
    stream.destroy();
    throw refused ?? noneInCommon(error, handshake, hop) ?? error;
  }
  return linkOver(ssh.connection as Client, stream);
}

function linkOver(client: Client, stream: Duplex): Link {
  let reason = "";
  // An error without a listener would end this process.
  client.on("error", (error: Error & { level?: string }) => {
    reason ||= error.level === "client-timeout" ? "the host stopped answering" : error.message;
  });
  const ended = new Promise<void>((resolve) => {
    client.once("close", () => resolve());
  });
  return {
    start: (command) => channelFor(client, command),
    forward: (host, port, deadline) => forward(client, host, port, deadline),
    ended,
    reason: () => reason,
    close: () => {
      client.end();
      setTimeout(() => stream.destroy(), endMs).unref();
    },
  };
}

function channelFor(client: Client, command: string): Promise<Channel> {
  return new Promise((resolve, reject) => {
    client.exec(command, (error, stream) => {
      if (error) return reject(error);
      resolve(Object.assign(stream, { ended: endOf(stream) }));
    });
  });
}

function endOf(stream: ClientChannel): Promise<number> {
  return new Promise((resolve) => {
    let code = -1;
    stream.once("exit", (status: number | null) => {
      code = status ?? -1;
    });
    stream.once("close", () => resolve(code));
  });
}

async function forward(client: Client, host: string, port: number, deadline: number): Promise<Duplex> {
  const opened = new Promise<ClientChannel>((resolve, reject) => {
    client.forwardOut("127.0.0.1", 0, host, port, (error, channel) =>
      error ? reject(error) : resolve(channel),
    );
  });
  try {
    // The jump host itself waits for minutes for a host that is off.
    return await within(deadline, `${host}:${port}`, opened);
  } catch (error) {
    // Others may use the connection: what comes too late must not stay on it.
    void opened.then(
      (late) => late.destroy(),
      () => {},
    );
    throw error;
  }
}
