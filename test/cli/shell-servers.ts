import { spawn } from "node:child_process";
import ssh2 from "ssh2";

/** Servers of SSH on loopback, whose shells are this machine's; each tells its name by $THIS_HOST. */
export class ShellServers {
  readonly names: readonly string[];
  /** Logins, counted. */
  logins = 0;
  readonly #servers: readonly ssh2.Server[];

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
                shellFor(acceptExec(), command, name),
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
export function shellFor(channel: ssh2.ServerChannel, command: string, name: string): void {
  const child = spawn("sh", ["-c", command], { env: { ...process.env, THIS_HOST: name } });
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
