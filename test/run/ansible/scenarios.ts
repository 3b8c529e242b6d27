/** One play over hosts h1, h2, …, or two that are the same: who fails in it, and what the play says of batches. */
export interface Scenario {
  hosts: number;
  /** Hosts whose task fails in the first play. */
  failing?: readonly string[];
  unreachable?: readonly string[];
  serial?: number | string | readonly (number | string)[];
  maxFailPercentage?: number;
  anyErrorsFatal?: boolean;
  /** The first play is done on all hosts at once, and the second as it is said here. */
  twoPlays?: boolean;
}

/** What became of a scenario: the hosts of each batch that was begun, and how they came out. */
export interface Outcome {
  batches: readonly (readonly string[])[];
  failed: readonly string[];
  unreachable: readonly string[];
  exitCode: number;
}

export const scenarios: Readonly<Record<string, Scenario>> = {
  "one host at a time": { hosts: 3, serial: 1 },
  "the last of a list repeats": { hosts: 7, serial: [1, 2] },
  "a list of percentages": { hosts: 10, serial: [1, "25%", "100%"] },
  "a percentage is floored": { hosts: 10, serial: "29%" },
  "and at least one": { hosts: 5, serial: "10%" },
  "a size of more than all": { hosts: 3, serial: 10 },
  "0 takes all that are left": { hosts: 4, serial: [1, 0] },
  "no serial: one batch": { hosts: 3 },
  "part of a batch fails": { hosts: 4, serial: 2, failing: ["h1"] },
  "a whole batch fails": { hosts: 6, serial: 2, failing: ["h3", "h4"] },
  "a batch of one fails": { hosts: 3, serial: 1, failing: ["h2"] },
  "the last batch fails": { hosts: 4, serial: 2, failing: ["h3", "h4"] },
  "one of each batch fails": { hosts: 6, serial: 2, failing: ["h1", "h3", "h5"] },
  "max_fail_percentage is reached, not passed": {
    hosts: 8,
    serial: 4,
    maxFailPercentage: 25,
    failing: ["h2"],
  },
  "max_fail_percentage is passed": { hosts: 8, serial: 4, maxFailPercentage: 25, failing: ["h2", "h3"] },
  "max_fail_percentage of 0": { hosts: 8, serial: 4, maxFailPercentage: 0, failing: ["h2"] },
  "max_fail_percentage of 100, and a whole batch fails": {
    hosts: 4,
    serial: 2,
    maxFailPercentage: 100,
    failing: ["h1", "h2"],
  },
  "max_fail_percentage of a batch that is smaller": {
    hosts: 5,
    serial: 4,
    maxFailPercentage: 49,
    failing: ["h5"],
  },
  "failures of two batches are not added up by max_fail_percentage": {
    hosts: 12,
    serial: 4,
    maxFailPercentage: 25,
    failing: ["h1", "h5"],
  },
  "max_fail_percentage without serial": {
    hosts: 4,
    maxFailPercentage: 25,
    failing: ["h1", "h2"],
    twoPlays: true,
  },
  "max_fail_percentage and a host that is unreachable": {
    hosts: 8,
    serial: 4,
    maxFailPercentage: 0,
    unreachable: ["h2"],
  },
  any_errors_fatal: { hosts: 6, serial: 3, anyErrorsFatal: true, failing: ["h2"] },
  "any_errors_fatal in the second batch": { hosts: 6, serial: 2, anyErrorsFatal: true, failing: ["h3"] },
  "any_errors_fatal and a host that is unreachable": {
    hosts: 6,
    serial: 3,
    anyErrorsFatal: true,
    unreachable: ["h2"],
  },
  "any_errors_fatal without serial": { hosts: 3, anyErrorsFatal: true, failing: ["h2"], twoPlays: true },
  "part of a batch is unreachable": { hosts: 4, serial: 2, unreachable: ["h1"] },
  "a whole batch is unreachable": { hosts: 6, serial: 2, unreachable: ["h3", "h4"] },
  "a batch of one is unreachable": { hosts: 3, serial: 1, unreachable: ["h2"] },
  "a batch fails and is unreachable": { hosts: 4, serial: 2, failing: ["h1"], unreachable: ["h2"] },
  "a host failed in the play before": { hosts: 4, serial: 2, failing: ["h1"], twoPlays: true },
  "a batch failed in the play before": { hosts: 4, serial: 2, failing: ["h1", "h2"], twoPlays: true },
  "a batch of one failed in the play before": { hosts: 3, serial: 1, failing: ["h2"], twoPlays: true },
  "a host was unreachable in the play before": { hosts: 4, serial: 2, unreachable: ["h1"], twoPlays: true },
  "any_errors_fatal and a failure in the play before": {
    hosts: 4,
    serial: 1,
    anyErrorsFatal: true,
    failing: ["h2"],
    twoPlays: true,
  },
};
