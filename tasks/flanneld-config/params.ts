import { AbsolutePath, ArchiveSource, Cidr, Ipv4, type Static, Type } from "causeway";

export const params = Type.Object(
  {
    endpoints: Type.Array(Type.String(), { minItems: 1, description: "the URLs of etcd's members" }),
    prefix: Type.String({ pattern: "^(/[\\w.-]+)+$", description: "the folder of flannel's keys in etcd" }),
    network: Cidr({ description: "the network that contains the subnets of all hosts" }),
    subnet_len: Type.Integer({
      minimum: 8,
      maximum: 30,
      description: "the prefix length of one host's subnet",
    }),
    backend: Type.Union([Type.Literal("udp"), Type.Literal("vxlan"), Type.Literal("host-gw")], {
      description: "how packets travel between the hosts",
    }),
    address: Ipv4({ description: "this host's own address, to which its peers send packets" }),
    binary: Type.Optional(
      AbsolutePath({
        description:
          "a flanneld file on the controller, which also reads its version; without this, an archive or a package, the flanneld on the host is used",
      }),
    ),
    archive: Type.Optional(
      ArchiveSource({ description: "a flannel release, or flanneld itself, by URL and checksum" }),
    ),
    package: Type.Optional(
      Type.String({
        pattern: "^[a-z0-9][a-z0-9+.-]*$",
        description: "the distribution's package that contains flanneld",
      }),
    ),
    comment: Type.String({
      default: "causeway:flannel",
      pattern: "^[\\w:.-]+$",
      description: "the owner of the rule: a comment that iptables-save shows",
    }),
  },
  { additionalProperties: false },
);

export type Params = Static<typeof params>;
