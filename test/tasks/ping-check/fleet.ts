import { CausewayError, type ProbeHost, type ProbeRun } from "../../../src/index.ts";

/** A fleet in memory: it answers what ping-check asks, and keeps each script. Nothing about real packets is proved with it. */
export class FakeFleet {
  readonly hosts: ProbeHost[];
  /** Every script, by host. */
  readonly scripts = new Map<string, string[]>();
  /** What the probe said that it does. */
  readonly said: string[] = [];
  /** Ordered pairs of which every packet is lost: `h1 h2`. */
  readonly lost = new Set<string>();
  /** Ordered pairs whose sender routes elsewhere. */
  readonly astray = new Set<string>();
  /** Hosts whose connection is gone when the pings begin. */
  readonly gone = new Set<string>();

  constructor(size: number) {
    this.hosts = Array.from({ length: size }, (_, index) => this.#host(`h${index}`, index));
  }

  get run(): ProbeRun {
    return {
      say: (doing) => void this.said.push(doing),
      evidence: false,
      allPairs: false,
      keep: async () => "folder",
    };
  }

  #host(name: string, index: number): ProbeHost {
    this.scripts.set(name, []);
    const links = async () => [{ name: "eth0", index: 2, mtu: 1500, up: true }];
    return {
      name,
      address: `10.0.0.${index}`,
      groups: [],
      vars: {},
      facts: {},
      reader: { links, otherRules: async () => undefined, sysctlFiles: async () => [] },
      sh: async ({ text }: { text: string }) => {
        this.scripts.get(name)?.push(text);
        if (this.gone.has(name) && text.includes("docker exec"))
          throw new CausewayError("unreachable", "the connection is lost", { host: name });
        return { ...this.#answer(name, index, text), code: 0 };
      },
    } as unknown as ProbeHost;
  }

  #answer(name: string, index: number, text: string): { stdout: string; stderr: string } {
    const said = (stdout: string) => ({ stdout, stderr: "" });
    if (text.includes("docker run -d")) return said(`id${index} ${containerOf(index)} 02:42:00:00:00:01\n`);
    if (text.includes("-batch -") && !text.includes("nsenter")) return said(this.#routes(name, text));
    if (!text.includes("@peer")) return said("");
    const peers = [...text.matchAll(/(?<= |')192\.168\.(\d+)\.2(?=[ ']|$)/g)].map(([, peer]) => Number(peer));
    return said(peers.map((peer, at) => `@peer ${at}\n${this.#tried(index, peer)}\n`).join(""));
  }

  #routes(name: string, text: string): string {
    return [...text.matchAll(/ ((?:10|192)\.\d+\.(\d+)\.(\d+))(?= )/g)]
      .map(([, address = "", third]) => {
        if (address.startsWith("10.")) return `${address} dev eth0 src 10.0.0.1 uid 0 \n    cache \n`;
        const via = this.astray.has(`${name} h${third}`) ? 254 : third;
        return `${address} via 10.0.0.${via} dev eth0 src 10.0.0.1 uid 0 \n    cache \n`;
      })
      .join("");
  }

  #tried(from: number, to: number): string {
    const pair = `h${from} h${to}`;
    if (this.lost.has(pair) || this.astray.has(pair))
      return "@promised 1500\n3 packets transmitted, 0 packets received, 100% packet loss\n@caller ";
    const hex = `02${from.toString(16).padStart(2, "0")}a8c0`.toUpperCase();
    return `@promised 1500
@crossed
3 packets transmitted, 3 packets received, 0% packet loss
round-trip min/avg/max = 0.065/0.207/0.349 ms
@caller ${hex}:8B2C`;
  }
}

const containerOf = (index: number) => `192.168.${index}.2`;
