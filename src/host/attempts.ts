import { setTimeout as sleep } from "node:timers/promises";
import { CausewayError } from "../errors.ts";

const longestPauseMs = 2000;

/** An sshd that has too many who are not logged in yet (MaxStartups) closes without a word, or with one line. */
export function wasDropped(error: unknown): boolean {
  return /Connection lost before handshake/.test((error as Error).message);
}

/**
 * Tries again what may go well in a moment: a connection that was dropped or reset before the host said who it is, and a channel
 * where there are too many (MaxSessions), for as long as there is time; a connection that was refused, once. The pauses become longer and are never the same, so that many who were
 * turned away do not come back together. A refused key or login is never tried again.
 */
export async function tryAgain<T>(deadline: number, attempt: () => Promise<T>): Promise<T> {
  for (let tried = 1; ; tried += 1) {
    try {
      return await attempt();
    } catch (error) {
      const pause = Math.min(longestPauseMs, 250 * 2 ** (tried - 1)) * (0.5 + Math.random());
      const isOver = Date.now() + pause > deadline;
      if (!mayGoWell(error as Error, tried)) throw error;
      if (isOver) throw wasDropped(error) ? turnedAway(tried, error) : error;
      await sleep(pause);
    }
  }
}

function mayGoWell(error: NodeJS.ErrnoException, tried: number): boolean {
  if (error instanceof CausewayError) return isMomentary(error);
  if (error.code === "ECONNREFUSED") return tried === 1;
  return (
    error.code === "ECONNRESET" ||
    wasDropped(error) ||
    /Channel open failure: open failed/.test(error.message)
  );
}

/** What OpenSSH's own ssh says in a ProxyCommand where a jump host turned it away. */
function isMomentary({ detail }: CausewayError): boolean {
  return /^kex_exchange_identification: /m.test(detail.output ?? "");
}

function turnedAway(tried: number, cause: unknown): CausewayError {
  return new CausewayError("unreachable", "the host closed each connection before it said who it is", {
    found: `${tried} attempts`,
    expected: "the line that an SSH server greets with",
    advice:
      "connect to fewer hosts at a time (-f 5), give it longer (-T 60), or raise MaxStartups in its sshd_config; look also whether it blocks this address (fail2ban, PerSourcePenalties)",
    cause,
  });
}
