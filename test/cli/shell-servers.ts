import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import ssh2 from "ssh2";

/** Servers of SSH on loopback, whose shells are this machine's; each tells its name by $THIS_HOST. */
export class ShellServers {
  readonly names: readonly string[];
  /** Logins, counted. */
  logins = 0;
  readonly #servers: readonly ssh2.Server[];
  readonly #places = new Map<string, ChildProcess>();

  /** Whoever comes is let in; where there is a `password`, only with that. */
  constructor(count: number, password?: string) {
    const { private: hostKey } = ssh2.utils.generateKeyPairSync("ed25519");
    this.names = Array.from({ length: count }, (_, i) => `h${i + 1}`);
    this.#servers = this.names.map(
      (name) =>
        new ssh2.Server({ hostKeys: [hostKey] }, (client) => {
          client.on("error", () => {});
          client.on("authentication", (asked) => {
            const isRight = asked.method === "password" && asked.password === password;
            if (password === undefined || isRight) asked.accept();
            else asked.reject(["password"]);
          });
          client.on("ready", () => {
            this.logins += 1;
            client.on("session", (accept) => {
              accept().on("exec", (acceptExec, _reject, { command }) =>
                shellFor(acceptExec(), command, name, this.#around(name)),
              );
            });
          });
        }),
    );
  }

  async listen(): Promise<void> {
    for (const server of this.#servers)
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  }

  close(): void {
    for (const server of this.#servers) server.close();
    for (const place of this.#places.values()) place.kill();
  }

  /** From now on each has a /var/lib of its own, in memory, for runs that change something; `more` is done there first. It takes root. */
  async apart(more = "true"): Promise<void> {
    const mounts = `mount -t tmpfs none /var/lib && ${more} && echo ready && exec sleep 86400`;
    await Promise.all(
      this.names.map(async (name) => {
        const place = spawn("unshare", ["--mount", "sh", "-c", mounts], {
          stdio: ["ignore", "pipe", "ignore"],
        });
        this.#places.set(name, place);
        await once(place.stdout, "data");
      }),
    );
  }

  /** What enters the place of one. */
  #around(name: string): string[] {
    const pid = this.#places.get(name)?.pid;
    return pid === undefined ? [] : ["nsenter", "-t", String(pid), "--mount", "-w/"];
  }

  /** How a host is reached; one that is off has a port on which nobody listens. */
  vars(name: string, isOff = false): Record<string, unknown> {
    const index = this.names.indexOf(name);
    const address = this.#servers[index]?.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    return {
      ansible_host: "127.0.0.1",
      ansible_port: isOff ? index + 1 : port,
      ansible_user: "me",
      ansible_password: "x",
    };
  }
}

/** Gives what a client asked for to a shell of this machine. */
export function shellFor(
  channel: ssh2.ServerChannel,
  command: string,
  name: string,
  around: readonly string[] = [],
): void {
  const [program = "", ...args] = [...around, "sh", "-c", command];
  const child = spawn(program, args, { env: { ...process.env, THIS_HOST: name } });
  channel.on("error", () => {}).pipe(child.stdin.on("error", () => {}));
  child.stdout.pipe(channel, { end: false });
  child.stderr.pipe(channel.stderr, { end: false });
  child.once("close", (code) => {
    channel.exit(code ?? 255);
    channel.end();
  });
  channel.once("close", () => child.kill("SIGKILL"));
}

/** So that no host key, and nothing of this machine's configuration, is in the way. */
export const unchecked = ["--ssh-config", "none", "--host-key-checking", "off", "-T", "20"];
