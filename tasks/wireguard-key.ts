import { CausewayError, defineTask, later, type PlanItem, sh, step, Type } from "causeway";

const params = Type.Object(
  {
    name: Type.String({
      pattern: "^[a-z][a-z0-9-]{0,14}$",
      description: "the interface whose key it is; the file is /etc/wireguard/NAME.key",
    }),
  },
  { additionalProperties: false },
);

interface State {
  /** `absent`, or the file's mode in octal. */
  file: string;
  /** Its public half; empty where wg makes none of it, or is not there. */
  publicKey: string;
  hasWg: boolean;
}

const pathOf = (name: string) => `/etc/wireguard/${name}.key`;

/**
 * The private key of an encrypted link. The host makes it and keeps it, readable for root only: it is in no output, event,
 * journal or process list, and only its public half is read. An undo takes it away, and keeps it on the host for the way back.
 */
export const wireguardKey = defineTask({
  name: "wireguard-key",
  summary: "A private key that never leaves its host",
  params,
  key: ({ name }) => name,
  read: async (host, { name }): Promise<State> => {
    const path = pathOf(name);
    const { stdout } = await host.read(
      sh`command -v wg >/dev/null && echo wg || echo none
[ -e ${path} ] && stat -L -c %a ${path} || { echo absent; exit 0; }
wg pubkey <${path} 2>/dev/null; true`,
      { looksAt: [`file:${path}`, "package"] },
    );
    const [wg, file = "absent", publicKey = ""] = stdout.split("\n");
    return { file, publicKey, hasWg: wg === "wg" };
  },
  present: (state, { name }): readonly PlanItem[] => {
    const path = pathOf(name);
    if (state.file === "absent")
      return [step.madeFile({ path, make: sh`wg genkey`, to: "a new private key" })];
    if (!/00$/.test(state.file))
      throw new CausewayError("host", `others than root can read the private key ${path}`, {
        found: `mode ${state.file}`,
        expected: "mode 600",
        command: `ls -l ${path}`,
        advice: `chmod 600 ${path}; if others may have read it, make a new one: raise wg_generation`,
      });
    if (state.publicKey !== "") return [];
    if (!state.hasWg) return [later("wg is installed first, which reads the key that is there")];
    throw new CausewayError("host", `${path} is not a private key of WireGuard's`, {
      found: "wg pubkey does not take it",
      expected: "32 bytes in base64, in one line, or no such file",
      command: `wg pubkey <${path}`,
      advice: `if nobody needs it: rm ${path}, and run again; every host then learns the new public key`,
    });
  },
});
