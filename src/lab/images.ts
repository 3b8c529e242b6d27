/** What a lab's hosts can be made of. */
export interface ImageContent {
  /** The release of Debian, by its codename. */
  suite: string;
  /** A release whose Docker is taken instead of the suite's own. */
  dockerOf?: string;
  /** What Docker's version begins with; an archive that has another by now is refused. */
  docker: string;
  /** Further packages, installed. */
  packages: readonly string[];
  /** Packages that tasks install: there as files of a local repository, because a lab host has no way out. */
  local: readonly string[];
}

const etcd = ["etcd-server", "etcd-client"];
const wireguard = ["wireguard-tools", "wireguard-go"];

/** The images of the lab, by the name that an inventory's `image:` gives. */
export const images = {
  bullseye: { suite: "bullseye", docker: "20.10.", packages: [], local: [...etcd, "consul"] },
  bookworm: { suite: "bookworm", docker: "20.10.", packages: [], local: [...etcd, ...wireguard] },
  trixie: { suite: "trixie", docker: "26.1.", packages: ["docker-cli"], local: [...etcd, ...wireguard] },
  docker28: {
    suite: "trixie",
    dockerOf: "forky",
    docker: "28.",
    packages: ["docker-cli"],
    local: [...etcd, ...wireguard],
  },
} as const satisfies Record<string, ImageContent>;

export type ImageName = keyof typeof images;

export const imageNames = Object.keys(images) as ImageName[];

/** The one that a lab has unless its inventory names another. */
export const defaultImage: ImageName = "trixie";

/** What it is made of: "Debian trixie, Docker 28 of forky". */
export function contentWords(name: ImageName): string {
  const { suite, docker, dockerOf }: ImageContent = images[name];
  return `Debian ${suite}, Docker ${docker.replace(/\.$/, "")}${dockerOf ? ` of ${dockerOf}` : ""}`;
}
