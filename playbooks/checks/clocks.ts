import { CausewayError, defineFact, type Fleet, sh } from "causeway";

/**
 * By how many seconds two clocks may differ. A lease lives 24 hours and is renewed an hour before its end by the host's
 * own clock, so that even minutes do no harm; but a clock that is a minute off is not synchronized.
 */
const tolerance = 60;

/** Between what a host's clock is ahead of this machine's, in seconds: the answer was on its way for some time. */
interface Clock {
  least: number;
  most: number;
}

export const clockFact = defineFact({
  name: "clock",
  read: async (host): Promise<Clock> => {
    const asked = Date.now() / 1000;
    const { stdout } = await host.read(sh`date +%s`, { looksAt: [] });
    const answered = Date.now() / 1000;
    const shown = Number(stdout);
    return { least: shown - answered, most: shown + 1 - asked };
  },
});

/** The article's first condition: the hosts agree on the time. */
export function clocksApart<V extends object, F extends { clock: Clock }>({
  reached,
}: Fleet<V, F>): CausewayError[] {
  const hosts = reached.map(({ name, facts }) => ({ name, ...facts.clock }));
  const [ahead] = [...hosts].sort((a, b) => b.least - a.least);
  const [behind] = [...hosts].sort((a, b) => a.most - b.most);
  if (!ahead || !behind || !(ahead.least - behind.most > tolerance)) return [];
  const words = ({ name, least, most }: (typeof hosts)[number]) => `${name} ${signed((least + most) / 2)} s`;
  return [
    new CausewayError("host", `the clocks of ${ahead.name} and ${behind.name} differ`, {
      host: ahead.name,
      found: `against this machine's clock: ${hosts.map(words).join(", ")}`,
      expected: `clocks within ${tolerance} s of each other: leases are renewed by them`,
      command: "timedatectl",
      advice: "synchronize the clock of every host: timedatectl set-ntp true, or chrony",
    }),
  ];
}

function signed(seconds: number): string {
  const whole = Math.round(seconds);
  return whole > 0 ? `+${whole}` : String(whole);
}
