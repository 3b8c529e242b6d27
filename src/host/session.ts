export const becomeMethods = ["sudo", "su", "doas"] as const;
export type BecomeMethod = (typeof becomeMethods)[number];

/** How one host is reached. Times are in milliseconds. */
export interface ConnectionTarget {
  /** The inventory's name of the host; used in messages only. */
  name: string;
  kind: "ssh" | "local";
  /** `ansible_host`, or the inventory's name. */
  address: string;
  port?: number;
  user?: string;
  privateKeyFile?: string;
  /** Arguments of `ssh` that say how it is reached, a word each: `-J gate`, `-o ProxyCommand=…`. */
  sshArguments?: readonly string[];
  password?: string;
  /** Files in OpenSSH's format, before the user's own and the system's. */
  knownHostsFiles?: readonly string[];
  /** Become root; the session's one shell is then a root shell. */
  become: boolean;
  /** By which program; sudo unless given. */
  becomeMethod?: BecomeMethod;
  /** Of the user for sudo, of root for su. */
  becomePassword?: string;
}

export interface SessionOptions {
  hostKeyChecking: "strict" | "accept-new" | "off";
  /** Until the connection is ready, the shell included. */
  connectTimeoutMs: number;
  /** Until one command has ended, unless the command says otherwise. */
  commandTimeoutMs: number;
  /** Bytes that one command may say on standard output, and as many on standard error; 64 MiB unless given. */
  answerLimit?: number;
  /** A command that says more goes on, and the beginning of what it says is kept. Otherwise it is ended, and that is an error. */
  cutAnswers?: boolean;
  /** On no connection that stands, not even to a jump host: what confirms that a host can still be reached. */
  anew?: boolean;
  /** Asks a person for a text that is not shown; undefined where that person declines. Absent where there is no terminal. */
  ask?: (question: string) => Promise<string | undefined>;
  /** ssh_config to honour instead of the user's and the system's; `none` for none at all. */
  sshConfigFile?: string;
  /** Aborted when what runs on the hosts has to end at once. */
  signal?: AbortSignal;
}

export interface CommandOptions {
  timeoutMs?: number;
  /**
   * Each complete line of standard output, as it arrives, for a person who waits. `allow` gives the command so many
   * milliseconds from now on.
   */
  onLine?: (line: string, allow: (ms: number) => void) => void;
  /** Each character of the output stands for one byte (Latin-1), so that no byte is lost of what is no UTF-8. */
  bytes?: boolean;
  /** Words that are masked wherever the command or what it says is shown. */
  secrets?: readonly string[];
  /** What `-v` shows instead of the script: without the engine's own lines, and without secrets. */
  shown?: string;
}

/** What a command did. A command that was killed or never ran is an error, never a code. */
export interface CommandResult {
  stdout: string;
  stderr: string;
  /** The exit code, 0 to 255. */
  code: number;
  /** Bytes that were cut off the end of each output; only of a session that cuts, and only where there are any. */
  left?: { readonly stdout: number; readonly stderr: number };
}

/** A script that runs beside the session's shell for as long as it is wanted, with the same rights. */
export interface Companion {
  /**
   * Gives it a line of input; only after it has said one of its own: until then its shell may still read the script from there.
   */
  tell(line: string): void;
  /** Ends its input, and resolves once it has ended and all that it said was passed on; it is cut off after so long. */
  end(withinMs: number): Promise<void>;
  /** The exit code once it has ended; -1 when it was cut off or the connection was lost. */
  readonly ended: Promise<number>;
}

/**
 * One shell on one host. Everything that is asked for in the same tick travels as one script and comes back as
 * one answer. Each command runs in a subshell of its own, `(eval '…') </dev/null`, one after the other; `$$` is the
 * process id of the session's shell in all of them.
 *
 * Commands reject with a CausewayError: `unreachable` when the connection is lost, `host` when a command did not
 * end in time, or said more than it may; the error says whether it was ended on the host, too.
 */
export interface Session {
  readonly name: string;
  run(script: string, options?: CommandOptions): Promise<CommandResult>;
  /**
   * Writes a file of the controller to `path` on the host, mode 0600, with the rights of the session's shell; its folder is
   * made, 0700. It is there whole or not at all, and given up when nothing of it moves for the time of a command.
   */
  push(localFile: string, path: string): Promise<void>;
  /** Runs a script in a shell of its own beside the session's, while that one is busy; gives its exit code. At most ten seconds. */
  beside(script: string): Promise<number>;
  /** The addresses of the jump hosts that it goes through. */
  readonly through: readonly string[];
  /**
   * Starts a script beside the shell, on a channel of the same connection, and passes on each line of its standard output as
   * it comes. Who starts it ends it.
   */
  accompany(script: string, onLine: (line: string) => void): Promise<Companion>;
  close(): Promise<void>;
  /** Counted for the bench and for tests. */
  readonly stats: { readonly roundTrips: number; readonly commands: number; readonly connectMs: number };
}

/** Opens the one connection to a host, over SSH or on this machine. */
export type Connect = (target: ConnectionTarget, options: SessionOptions) => Promise<Session>;
