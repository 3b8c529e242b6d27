import { describe, expect, it } from "vitest";
import { type Packet, readFrame } from "../../../src/net/packet.ts";
import { readPcap, writePcap } from "../../../src/net/pcap.ts";
import { verdictOf } from "../../../tasks/ping-check/verdict.ts";
import { bare } from "./captures.ts";
import { wireOf } from "./wires.ts";

const from = { host: "a", address: "192.168.1.2", mac: "02:42:ac:00:00:01" };
const to = { host: "b", address: "192.168.2.2", mac: "02:42:ac:00:00:02" };
const ping: Packet = {
  source: from.address,
  destination: to.address,
  protocol: 1,
  dontFragment: true,
  icmpType: 8,
};
const own: Packet = { ...ping, macs: { source: from.mac, destination: to.mac } };
const udp = (port: number): Packet => ({
  source: "10.0.0.1",
  destination: "10.0.0.2",
  protocol: 17,
  dontFragment: false,
  ports: { source: 40000, destination: port },
  inner: ping,
});
const seen = (wire: string | undefined, left: Packet[], came = left, beside: Packet[] = []) =>
  verdictOf(wire === undefined ? undefined : wireOf(wire), from, to, {
    atSender: left,
    atReceiver: came,
    beside,
  });

describe("the verdict on a pair", () => {
  it.each<[string, Packet, string]>([
    ["routed", ping, "bare inner addresses"],
    ["flannel-host-gw", ping, "bare inner addresses"],
    ["flannel-udp", udp(8285), "UDP 8285 with the inner addresses inside"],
    ["flannel-vxlan", udp(8472), "UDP 8472 with the inner addresses inside"],
    ["overlay", udp(4789), "UDP 4789 with the inner addresses inside"],
    ["macvlan", own, "the children's own MACs"],
  ])("%s as it promises", (wire, packet, words) => {
    expect(seen(wire, [packet])).toEqual({ ok: true, seen: words });
  });

  it.each<[string, ReturnType<typeof seen>, string]>([
    [
      "no tunnel",
      seen("flannel-vxlan", [ping]),
      "bare inner addresses, not UDP 8472 with the inner addresses inside",
    ],
    [
      "a tunnel",
      seen("routed", [udp(4789)]),
      "UDP 4789 with the inner addresses inside, not bare inner addresses",
    ],
    [
      "both at once",
      seen("routed", [ping, udp(8472)]),
      "bare inner addresses and UDP 8472 with the inner addresses inside",
    ],
    ["nothing", seen("routed", []), "nothing of it leaves a"],
    [
      "what does not arrive",
      seen("routed", [ping], []),
      "bare inner addresses on a, and nothing arrives on b",
    ],
    [
      "another source",
      seen("routed", [{ ...ping, source: "10.0.0.1" }]),
      "10.0.0.1 instead of the inner address 192.168.1.2",
    ],
    [
      "the host's MAC",
      seen("macvlan", [{ ...own, macs: { source: "02:00:00:00:00:09", destination: to.mac } }]),
      "02:00:00:00:00:09 to 02:42:ac:00:00:02, not the children's own MACs 02:42:ac:00:00:01 to 02:42:ac:00:00:02",
    ],
    ["docker0", seen("macvlan", [own], [own], [ping]), "bare inner addresses, and on docker0"],
  ])("%s is not", (_, verdict, words) => {
    expect(verdict).toEqual({ ok: false, seen: words });
  });

  const message = (sealed: string): Packet => ({
    source: "10.0.0.1",
    destination: "10.0.0.2",
    protocol: 17,
    dontFragment: false,
    ports: { source: 51820, destination: 51820 },
    sealed,
  });
  it.each<[string, ReturnType<typeof seen>, boolean, string]>([
    [
      "the same at both ends",
      seen("wireguard", [message("0a"), message("0b")], [message("0b")]),
      true,
      "UDP 51820 encrypted at both ends, the inner addresses bare nowhere",
    ],
    ["nothing", seen("wireguard", []), false, "nothing encrypted leaves a"],
    [
      "others than arrive",
      seen("wireguard", [message("0a")], [message("0c")]),
      false,
      "UDP 51820 on a, and nothing of it arrives on b",
    ],
    [
      "a bare one beside it, at the far end alone",
      seen("wireguard", [message("0a")], [message("0a"), ping]),
      false,
      "bare inner addresses, not encrypted",
    ],
    [
      "a tunnel that anybody can read",
      seen("wireguard", [udp(4789)]),
      false,
      "UDP 4789 with the inner addresses inside, not encrypted",
    ],
  ])("encrypted: %s", (_, found, ok, words) => expect(found).toEqual({ ok, seen: words }));

  it("without a wire says how they crossed", () => {
    expect(seen(undefined, [udp(8285)])).toEqual({
      ok: true,
      seen: "UDP 8285 with the inner addresses inside",
    });
  });
});

describe("a capture of the lab", () => {
  const file = Buffer.from(bare, "base64");
  const packets = () => (readPcap(file) ?? []).map(({ bytes }) => readFrame(bytes));

  it("is a request and its reply, under the containers' own addresses", () => {
    expect(packets()).toMatchObject([
      { source: "192.168.100.2", destination: "192.168.200.2", protocol: 1, icmpType: 8, dontFragment: true },
      { source: "192.168.200.2", destination: "192.168.100.2", protocol: 1, icmpType: 0 },
    ]);
  });

  it("is written as it was read", () => {
    expect(readPcap(writePcap(readPcap(file) ?? []))).toEqual(readPcap(file));
  });

  it("cut off anywhere is what was whole before, or none; no byte is read beyond its end", () => {
    for (let length = 0; length < file.length; length += 1)
      expect(readPcap(file.subarray(0, length))?.length ?? 0).toBeLessThan(2);
    const frame = readPcap(file)?.[0]?.bytes ?? Buffer.alloc(0);
    for (let length = 0; length < frame.length; length += 1)
      expect(() => readFrame(frame.subarray(0, length))).not.toThrow();
    expect(readPcap(Buffer.from("not a capture, and long enough to be one"))).toBeUndefined();
  });

  it("is found within each tunnel", () => {
    const frame = readPcap(file)?.[0]?.bytes ?? Buffer.alloc(0);
    const inner = readFrame(frame);
    for (const [port, head, payload] of [
      [8285, Buffer.alloc(0), frame.subarray(14)],
      [8472, Buffer.from([8, 0, 0, 0, 0, 0, 1, 0]), frame],
      [4789, Buffer.from([8, 0, 0, 0, 0, 1, 0, 0]), frame],
    ] as const) {
      const outer = Buffer.alloc(42);
      frame.copy(outer, 0, 0, 34);
      outer[23] = 17;
      outer.writeUInt16BE(port, 36);
      outer.writeUInt16BE(8 + head.length + payload.length, 38);
      const found = readFrame(Buffer.concat([outer, head, payload]))?.inner;
      expect(found).toMatchObject({ source: inner?.source, destination: inner?.destination, icmpType: 8 });
    }
  });

  it("of IPv6 is a request under the containers' own addresses, cut off anywhere or whole", () => {
    const head = "6000000000403a3f fd000030010000000000000000000002 fd000030020000000000000000000002";
    const bytes = `${"00".repeat(12)}86dd${head.replaceAll(" ", "")}8000abcd`;
    const frame = Buffer.from(bytes, "hex");
    expect(readFrame(frame)).toMatchObject({
      source: "fd00:30:100::2",
      destination: "fd00:30:200::2",
      protocol: 58,
      icmpType: 128,
    });
    for (let length = 0; length < frame.length; length += 1)
      expect(() => readFrame(frame.subarray(0, length))).not.toThrow();
  });

  it("is told by the same in IPv6", () => {
    const head = "6000000000881140 fd000010000000000000000000000001 fd000010000000000000000000000002";
    const udp = "ca6cca6c00880000 04000000aabbccdd0700000000000000";
    const frame = `${"00".repeat(12)}86dd${head}${udp}${"00".repeat(112)}`.replaceAll(" ", "");
    expect(readFrame(Buffer.from(frame, "hex"))).toMatchObject({
      destination: "fd00:10::2",
      sealed: "aabbccdd0700000000000000",
      ports: { destination: 51820 },
    });
  });

  it("is told by what it has in front where it is encrypted, and by nothing else", () => {
    const [frame = Buffer.alloc(0)] = (readPcap(Buffer.from(bare, "base64")) ?? []).map(({ bytes }) => bytes);
    const encrypted = (type: number, payload: number) => {
      const outer = Buffer.alloc(42);
      frame.copy(outer, 0, 0, 34);
      outer[23] = 17;
      outer.writeUInt16BE(51820, 36);
      outer.writeUInt16BE(8 + 16 + payload, 38);
      const front = Buffer.from(`0${type}000000aabbccdd0700000000000000`, "hex");
      return readFrame(Buffer.concat([outer, front, Buffer.alloc(payload)]));
    };
    expect(encrypted(4, 112)).toMatchObject({
      sealed: "aabbccdd0700000000000000",
      ports: { destination: 51820 },
    });
    expect(encrypted(4, 112)).not.toHaveProperty("inner");
    // A handshake carries nobody's packet.
    expect(encrypted(1, 132)).not.toHaveProperty("sealed");
  });
});
