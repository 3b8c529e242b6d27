import { pingCheck } from "../../tasks/ping-check.ts";
import type { Ran } from "../schemes/scheme.ts";

/** The proofs of a scheme, one for each family of addresses that its containers have. */
export function proofsOf(...[ran, hosts, options]: Parameters<typeof proofOf>) {
  const { families = [4] } = ran;
  return families.map((family) =>
    proofOf(
      family === 4 ? ran : { ...ran, proof: (names) => ({ ...ran.proof(names), family }) },
      hosts,
      options,
    ),
  );
}

/** The proof of a scheme, the same for its own playbook and for verify; of the hosts that have its containers. */
export function proofOf(
  ran: Ran,
  hosts: readonly { readonly name: string }[],
  { image = "busybox", count = 3 }: { image?: string | undefined; count?: number } = {},
) {
  const names = hosts.map(({ name }) => name);
  return pingCheck({ hosts: names, image, count, source: "preserved", ...ran.proof(names) });
}
