import { CausewayError } from "../errors.ts";

/** What a login says that runs nothing, and what is to be said of it. */
const known: readonly (readonly [RegExp, (user: string) => { why: string; advice: string }])[] = [
  [
    /account is (currently )?not available|nologin/i,
    (user) => ({
      why: "its login shell lets nobody in (nologin)",
      advice: `check which shell it is: getent passwd ${user}; then chsh -s /bin/sh ${user}, or log in as another user`,
    }),
  ],
  [
    /password (has )?expired|change your password|account (has )?expired/i,
    (user) => ({
      why: "its password or its account has expired",
      advice: `log in by hand once and set a new one, or on the host: chage -l ${user}`,
    }),
  ],
];

/** The error of a login that leads to something else than the `sh` that was asked for; `said` is what came in its place. */
export function noShell(host: string, user = "USER", said = "", outcome = ""): CausewayError {
  const fits = known.find(([words]) => words.test(said))?.[1](user);
  const why =
    fits?.why ?? (said === "" ? "its login shell said nothing" : "something else runs in its place");
  return new CausewayError("unreachable", `the login of ${user} did not start sh: ${why}`, {
    host,
    found: [said, outcome].filter(Boolean).join("\n"),
    expected: "a login shell that runs the command it is given, and finds sh",
    advice:
      fits?.advice ??
      `look for ForceCommand in the host's sshd_config, for command= in authorized_keys, and for its login shell: getent passwd ${user}; or log in as another user`,
  });
}
