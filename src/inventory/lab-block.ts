import { type TSchema, Type } from "typebox";
import { CausewayError, throwAll } from "../errors.ts";
import { defaultImage, type ImageName, imageNames } from "../lab/images.ts";
import type { LabSpec } from "../lab/types.ts";
import { contains, lastAddress, networkOf, parseAddress } from "../net/ipv4.ts";
import type { InventoryHost } from "./types.ts";
import type { YamlDocument } from "./yaml-document.ts";

/** The `lab:` block of an inventory: which of its hosts are booted on this machine, and where. */
export interface LabBlock {
  name: string;
  subnet: string;
  image?: ImageName;
  mirror?: string;
  cgroup?: 2;
  hosts: readonly string[];
}

export const labBlock: TSchema = Type.Object(
  {
    name: Type.String({ pattern: "^[a-z0-9][a-z0-9-]{0,30}$" }),
    subnet: Type.String({ format: "cidr" }),
    image: Type.Optional(Type.Union(imageNames.map((name) => Type.Literal(name)))),
    mirror: Type.Optional(Type.String()),
    cgroup: Type.Optional(Type.Literal(2)),
    hosts: Type.Array(Type.String(), { minItems: 1 }),
  },
  { additionalProperties: false },
);

/** The lab with its hosts' addresses, each inside of its subnet and its own. */
export function labOf(
  { value, document }: { value: LabBlock; document: YamlDocument },
  hosts: readonly InventoryHost[],
): LabSpec {
  const network = networkOf(value.subnet);
  const seen = new Map<string, string>();
  const errors: CausewayError[] = [];
  const members = value.hosts.map((name, index) => {
    const at = document.locate(["lab", "hosts", index], false);
    const fault = (message: string, expected: string) =>
      errors.push(new CausewayError("inventory", message, { ...(at ? { at } : {}), expected }));
    const host = hosts.find((h) => h.name === name);
    const address = host?.connection.address ?? "";
    const number = parseAddress(address);
    if (!host)
      fault(
        `the lab's host ${name} is not a host of this inventory`,
        `one of ${hosts.map((h) => h.name).join(", ")}`,
      );
    else if (
      number === undefined ||
      !network ||
      !contains(network, number) ||
      number <= network.first + 1 ||
      number === lastAddress(network)
    )
      fault(
        `the address ${address} of ${name} does not fit the lab`,
        `an address inside ${value.subnet}; the first one is this machine's`,
      );
    else if (seen.has(address))
      fault(`${name} has the same address as ${seen.get(address)}`, "an address of its own");
    seen.set(address, name);
    return { name, address };
  });
  throwAll(errors);
  return {
    name: value.name,
    subnet: value.subnet,
    image: value.image ?? defaultImage,
    hosts: members,
    ...(value.mirror ? { mirror: value.mirror } : {}),
    ...(value.cgroup ? { cgroup: value.cgroup } : {}),
  };
}
