import { describe, expect, test } from "vitest";
import { apiOf, storeAnswer, versionOf } from "../../tasks/flanneld-config/etcd-api.ts";
import { leaseDifference, leaseOf } from "../../tasks/flanneld-config/lease.ts";
import { fileWith, noFile } from "./files.ts";
import { address, bare, joined, lease, options, paths, plan, type State, wanted } from "./flannel-host.ts";

const own = (said: string, over: Partial<State> = {}) =>
  bare({ versions: { ...bare().versions, binary: { code: 0, said } }, ...over });

/** What each answers to --version, and where a host's lease lies by it. */
describe.each([
  ["0.7.1", "v0.7.1", "v2"],
  ["0.7.1", "0.7.1", "v2"],
  ["0.13.0", "v0.13.0", "v2"],
  ["0.17.0", "v0.17.0", "v2"],
  ["0.18.0", "v0.18.0", "v3"],
  ["0.20.2", "v0.20.2", "v3"],
  ["0.20.2", "v0.20.2-dirty", "v3"],
  ["0.13.0", "v0.13.0 (the stand-in of the causeway lab)", "v2"],
] as const)("flannel %s says %s", (version, said, api) => {
  test(`and speaks etcd's API ${api}`, () => {
    expect(versionOf(said)).toBe(version);
    expect(apiOf(version)).toBe(api);
  });
});

describe("a flanneld and an etcd that cannot speak", () => {
  const etcd = (version: string, v2: string) =>
    storeAnswer(`{"etcdserver":"${version}","etcdcluster":"x"}\n${v2}`);
  const off = "404 page not found";
  const on = '{"errorCode":100,"message":"Key not found","cause":"/atomic.io","index":4}';
  const read = '{"action":"get","node":{"key":"/atomic.io/network/config","value":"{}"}}';

  test.each([
    ["v0.7.1", etcd("3.3.25", on)],
    ["v0.13.0", etcd("3.3.25", read)],
    ["v0.13.0", etcd("3.5.9", on)],
    ["v0.20.2", etcd("3.3.25", on)],
    ["v0.20.2", etcd("3.6.1", off)],
    ["v0.13.0", storeAnswer("")],
    ["a build of my own", etcd("3.6.1", off)],
  ])("%s goes with %o", (said, store) =>
    expect(plan(own(said, { store })).at(-1)).toBe("later: no lease yet"),
  );

  test.each([
    ["v0.13.0", etcd("3.4.23", off), "etcd 3.4.23, its API v2 switched off"],
    ["v0.7.1", etcd("3.6.1", off), "etcd 3.6.1, no API v2"],
    ["v0.20.2", etcd("2.3.8", on), "etcd 2.3.8"],
  ])("%s is refused with %o, before anything is planned", (said, store, found) => {
    try {
      plan(own(said, { store }));
      expect.unreachable();
    } catch (error) {
      expect(error).toMatchObject({ code: "host", detail: { found } });
    }
  });
});

describe("where flanneld comes from", () => {
  const local = { path: "/here/flanneld", sha256: "f".repeat(64), size: 9 };
  const short = (s: State, over = {}) => plan(s, over).map((w) => w.replace(/: (?!no|flanneld's).*/, ""));

  test("a file of the controller whose version is known: all at once", () => {
    const words = short(bare({ local: { ...local, version: "v0.20.2" } }));
    expect(words[0]).toBe("file /usr/local/bin/flanneld");
    expect(words.at(-1)).toBe("later: no lease yet");
  });
  test("a file that the controller cannot run: first to the host, and nothing is started before its version is known", () =>
    expect(short(bare({ local: { ...local, version: "" } }))).toEqual([
      "file /usr/local/bin/flanneld",
      "later: flanneld's version is known once it is on the host",
    ]));
  test("a controller's file that could not read this etcd changes nothing", () =>
    expect(() =>
      plan(bare({ local: { ...local, version: "v0.13.0" }, store: { version: "3.6.1", withoutV2: true } })),
    ).toThrow(/flannel 0.13.0 cannot read from this etcd/));
  test("an archive: nothing is started before its version is known", () => {
    const archive = {
      url: "https://example.org/flannel.tar.gz",
      sha256: "a".repeat(64),
      fetch: "host" as const,
    };
    expect(short(bare(), { archive })).toEqual([
      "file /usr/local/bin/flanneld",
      "file /usr/local/lib/causeway/flannel.source",
      "later: flanneld's version is known once it is unpacked",
    ]);
  });
  test("a package, and then its flanneld in a unit of ours", () => {
    const none = bare({ files: { ...bare().files, binary: noFile(paths.binary) } });
    expect(short(none, { package: "flannel" })).toEqual([
      "package flannel",
      "later: flanneld's version is known once its package is there",
    ]);
    const there = {
      ...none,
      files: { ...none.files, packaged: { ...fileWith(paths.packaged, ""), mode: "755" } },
      versions: { ...none.versions, packaged: { code: 0, said: "0.7.1" } },
    };
    expect(short(there, { package: "flannel" })).toContain("file /etc/systemd/system/flanneld.service");
    expect(short(there)).toEqual(short(there, { package: "flannel" }));
  });
});

/** subnet.env as 0.7.1, 0.13.0 and 0.20.2 write it: the same lines in the same order. */
describe("the lease tells which backend runs", () => {
  const link = (mtu: number) => ({
    addresses: [address("eth0", "10.0.0.200/24")],
    links: [{ name: "eth0", index: 2, mtu, up: true }],
  });
  const mtus = { udp: 1472, vxlan: 1450, "host-gw": 1500 } as const;
  const backends = Object.keys(mtus) as (keyof typeof mtus)[];

  test.each(backends.flatMap((runs) => backends.map((want) => [runs, want] as const)))(
    "%s runs, %s is wanted",
    (runs, want) => {
      for (const less of [0, 100]) {
        const held = leaseOf(fileWith(paths.lease, lease(mtus[runs] - less)));
        const other = held && leaseDifference(held, link(1500 - less), { ...wanted, backend: want });
        expect(other === undefined).toBe(runs === want);
      }
    },
  );

  test("0.7.1 took another subnet while it ran: Docker's options are of the one before", () => {
    const moved = lease().replace("192.168.81.1", "192.168.33.1");
    expect(plan(joined({ files: { ...joined().files, lease: fileWith(paths.lease, moved) } }))).toEqual([
      "owed: restart flanneld (/run/flannel/docker does not match this lease)",
    ]);
  });
  test("udp without its device", () =>
    expect(
      plan(
        joined({
          links: bare().links,
          files: {
            ...joined().files,
            lease: fileWith(paths.lease, lease(1472)),
            docker: fileWith(paths.docker, options(1472)),
          },
        }),
        { backend: "udp" },
      ),
    ).toEqual([
      "file /etc/systemd/system/flanneld.service: 22 lines, mode 644 → 21 lines, mode 644 ⇒ daemon-reload, restart flanneld",
      "owed: restart flanneld (flannel0 is gone)",
    ]));
});
