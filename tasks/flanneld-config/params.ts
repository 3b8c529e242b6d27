import { AbsolutePath, ArchiveSource, Cidr, Ipv4, type Static, Type } from "causeway";

export const params = Type.Object(
  {
    endpoints: Type.Array(Type.String(), { minItems: 1, description: "the URLs of etcd's members" }),
    prefix: Type.String({ pattern: "^(/[\\w.-]+)+$", description: "the folder of flannel's keys in etcd" }),
    network: Cidr({ description: "the network that all hosts' subnets are cut from" }),
    subnet_len: Type.Integer({
      minimum: 8,
      maximum: 30,
      description: "the prefix length of one host's subnet",
    }),
    backend: Type.Union([Type.Literal("udp"), Type.Literal("vxlan"), Type.Literal("host-gw")], {
      description: "how packets travel between the hosts",
    }),
    address: Ipv4({ description: "this host's own address, by which its peers send to it" }),
    binary: Type.Optional(
      AbsolutePath({
        description:
          "flanneld as a file of the controller, asked there for its version; without this, an archive or a package, the one on the host",
      }),
    ),
    archive: Type.Optional(
      ArchiveSource({ description: "a release of flannel, or flanneld itself, by address and checksum" }),
    ),
    package: Type.Optional(
      Type.String({
        pattern: "^[a-z0-9][a-z0-9+.-]*$",
        description: "the distribution's package that brings flanneld",
      }),
    ),
    interrupt_containers: Type.Boolean({
      default: false,
      description: "whether running containers on docker0 may lose their network to a restart of Docker",
    }),
    comment: Type.String({
      default: "causeway:flannel",
      pattern: "^[\\w:.-]+$",
      description: "who owns the rule; iptables-save shows it",
    }),
  },
  { additionalProperties: false },
);

export type Params = Static<typeof params>;
