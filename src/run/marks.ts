import { CausewayError } from "../errors.ts";
import { liveEntries } from "../journal/entries.ts";
import { journalFolder } from "../journal/folder.ts";
import { parseMarks, readMarksScript } from "../journal/marks.ts";
import type { RunContext } from "./context.ts";
import type { HostRun } from "./host-run.ts";
import { inParallel } from "./in-parallel.ts";
import type { RunOptions } from "./options.ts";

/** So many are shown. */
const shownAtMost = 20;

/**
 * After everything was undone, nothing on a host may say that causeway made it. What does is in no journal (that one was lost,
 * or is of before) and fails its host. A check looks where there is nothing to undo.
 */
export async function refuseMarks(
  options: RunOptions,
  context: RunContext,
  hosts: readonly HostRun[],
): Promise<void> {
  const done = hosts.filter((host) => !host.failure);
  const looked = context.check ? done.filter(({ journal }) => liveEntries(journal).length === 0) : done;
  if (context.interrupted.aborted) return;
  await inParallel(looked, { atOnce: options.forks }, async (host) => {
    try {
      const { stdout } = await host.session.run(readMarksScript.text, { shown: "# what causeway made" });
      const marks = parseMarks(stdout);
      if (marks.length > 0) host.fail(unaccounted(host, marks));
    } catch (error) {
      host.failWith(error);
    }
  });
}

function unaccounted(host: HostRun, marks: readonly string[]): CausewayError {
  const more = marks.length - shownAtMost;
  return new CausewayError("host", "what causeway made here is left, and no journal says how to undo it", {
    host: host.name,
    found: [...marks.slice(0, shownAtMost), ...(more > 0 ? [`and ${more} more`] : [])].join("\n"),
    expected: "an entry for each in this host's journal, or none of them",
    advice: [
      `if ${journalFolder} was lost or moved away: put it back, from a backup of this host, and run the reset again`,
      "else take these away by hand: systemctl disable --now UNIT before a unit's file, ip route del, ip link del, iptables -D or -F and -X (ip6:… with ip6tables), docker rm, docker network rm, rm",
    ].join("\n"),
  });
}
