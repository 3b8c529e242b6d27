import { AnyCidr, InterfaceCidr, Ipv6, type Static, Type } from "causeway";

const peer = Type.Object(
  {
    name: Type.String({ description: "the peer's name, for whoever reads the file" }),
    public_key: Type.Optional(
      Type.String({
        pattern: "^[A-Za-z0-9+/]{43}=$",
        description: "the peer's public key; none while its host has not made it yet",
      }),
    ),
    endpoint: Type.Optional(
      Type.String({
        pattern: "^([A-Za-z0-9.-]+|\\[[0-9A-Fa-f:.]+\\]):[0-9]+$",
        description:
          "where the peer listens, ADDRESS:PORT or [ADDRESS]:PORT; none where it is the one that calls",
      }),
    ),
    subnets: Type.Array(AnyCidr(), {
      minItems: 1,
      description: "the peer's container subnets: what goes to it, and what may come from it",
    }),
  },
  { additionalProperties: false },
);

export const params = Type.Object(
  {
    name: Type.String({
      pattern: "^[a-z][a-z0-9-]{0,14}$",
      description: "the interface; its key is /etc/wireguard/NAME.key, its unit NAME.service",
    }),
    implementation: Type.Union([Type.Literal("kernel"), Type.Literal("wireguard-go")], {
      description: "who encrypts: the kernel, or wireguard-go",
    }),
    address: InterfaceCidr({
      description:
        "docker0's address: the interface has it, too, so that the host itself reaches the containers",
    }),
    address6: Type.Optional(
      Ipv6({
        description: "docker0's IPv6 address, where the containers have IPv6; with an MTU of 1280 at least",
      }),
    ),
    port: Type.Integer({ minimum: 1, maximum: 65_535, description: "the UDP port on which it listens" }),
    mtu: Type.Integer({
      default: 1420,
      minimum: 576,
      maximum: 65_455,
      description: "the largest packet that goes in, in bytes: the underlay's less 80",
    }),
    keepalive: Type.Integer({
      default: 0,
      minimum: 0,
      maximum: 65_535,
      description: "seconds between packets that keep a NAT open; 0: none",
    }),
    peers: Type.Array(peer, { description: "every other end" }),
    keep: Type.Optional(
      Type.Boolean({
        default: false,
        description: "only add: peers and subnets that the interface has and `peers` has not stay",
      }),
    ),
    met: Type.Optional(
      Type.Boolean({
        default: false,
        description: "it is not done before every peer has answered: for a link that others are to be led to",
      }),
    ),
  },
  { additionalProperties: false },
);

export type Params = Static<typeof params>;
/** A peer whose key is known. */
export interface Peer {
  name: string;
  publicKey: string;
  endpoint?: string;
  subnets: readonly string[];
}
