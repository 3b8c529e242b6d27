import { expect, test } from "vitest";
import { CausewayError } from "../../src/errors.ts";
import { parseUnit } from "../../src/host/tools/systemd.ts";
import { refuseUnitOfOthers } from "../../src/units/units.ts";

const folder = "/etc/systemd/system/docker.service.d";
const ours = `${folder}/50-causeway-flannel.conf`;

/** The refusal's advice, or "" where there is none. */
function refusal(shown: string, path = ours, matters?: RegExp): string {
  try {
    refuseUnitOfOthers(parseUnit("docker.service", `LoadState=loaded\n${shown}\n`), path, matters);
    return "";
  } catch (error) {
    return error instanceof CausewayError ? (error.detail.advice ?? "") : String(error);
  }
}

test.each<[string, string, string]>([
  ["no drop-in", "", ""],
  ["one that comes first", `Sets ${folder}/10-mine.conf ExecStart=dockerd`, ""],
  ["one behind it that says nothing of the start", `DropInPaths=${folder}/override.conf`, ""],
  [
    "one behind it that sets something else",
    `Sets ${folder}/override.conf Environment=HTTP_PROXY=http://proxy`,
    "",
  ],
  ["another scheme's", `Sets ${folder}/causeway-cluster-store.conf ExecStart=dockerd`, ""],
  [
    "systemctl edit",
    `Sets ${folder}/override.conf ExecStart=\nSets ${folder}/override.conf ExecStart=dockerd`,
    `let it come first, its command line is kept: mv ${folder}/override.conf ${folder}/00-override.conf; systemctl daemon-reload`,
  ],
  [
    "one for all services, by its name",
    "Sets /etc/systemd/system/service.d/zz.conf ExecStart=",
    "let it come first, its command line is kept: mv /etc/systemd/system/service.d/zz.conf /etc/systemd/system/service.d/00-zz.conf; systemctl daemon-reload",
  ],
  ["a masked unit", "UnitFileState=masked", "systemctl unmask docker.service"],
  [
    "one masked until the next boot",
    "UnitFileState=masked-runtime",
    "systemctl unmask --runtime docker.service",
  ],
])("%s", (_, shown, expected) => {
  expect(refusal(shown)).toBe(expected);
});

test("a unit of our own is overruled by any drop-in that says what matters", () => {
  const unit = "/etc/systemd/system/docker.service";
  expect(refusal(`Sets ${folder}/00-mine.conf ExecStart=dockerd`, unit)).toMatch(/^take these lines out/);
  const proxy = `Sets ${folder}/a.conf Environment=HTTP_PROXY=x`;
  expect(refusal(proxy, unit, /^Environment=.*FLANNEL/)).toBe("");
  expect(refusal(`${proxy} FLANNELD_IFACE=eth1`, unit, /^Environment=.*FLANNEL/)).not.toBe("");
});
