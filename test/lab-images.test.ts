import { expect, test } from "vitest";
import { imagesStatus, versionsIn } from "../src/lab/images-status.ts";

test("an image's versions are those that people speak of, of the packages that they choose it by", () => {
  const packages = `containerd 2.1.9+ds1-5
docker.io 28.5.2+dfsg4-5
libc6 2.41-12+deb13u5
systemd 257.13-1~deb13u1
etcd-server 3.5.16-4
wireguard-go 0.0.20231211-1+b9
`;
  expect(versionsIn(packages)).toEqual([
    "docker 28.5.2",
    "systemd 257.13",
    "etcd 3.5.16",
    "wireguard-go 0.0.20231211",
  ]);
});

test("of an image that is not built the list says what would be in it", async () => {
  const nowhere = await imagesStatus("http://mirror.invalid/debian");
  expect(nowhere.map(({ name, suite, built, has }) => [name, suite, built, has.join(", ")])).toEqual([
    ["bullseye", "bullseye", false, "docker 20.10, etcd, consul"],
    ["bookworm", "bookworm", false, "docker 20.10, etcd, wireguard-go"],
    ["trixie", "trixie", false, "docker 26.1, etcd, wireguard-go"],
    ["docker28", "trixie", false, "docker 28, etcd, wireguard-go"],
  ]);
});
