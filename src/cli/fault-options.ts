import type { Options } from "./arguments.ts";

/** What can be wrong with a lab host. */
export const faultOptions = {
  cut: { type: "string", value: "WAY", help: "lose all packets to the host (in), from it (out), or both" },
  drop: { type: "string", value: "SHARE", help: "lose so many of the packets each way: 10%" },
  delay: { type: "string", value: "TIME", help: "packets to the host come so much later: 200ms, 2s" },
  mtu: { type: "string", value: "BYTES", help: "lose larger packets each way, and tell nobody: 1400" },
  fill: { type: "string", value: "FOLDER", help: "nothing is free on the file system of that folder: /var" },
  stop: { type: "string", value: "UNIT", help: "stop a unit, and the socket that would start it again" },
  freeze: { type: "boolean", help: "no process of the host goes on" },
  kill: { type: "boolean", help: "cut its power; it boots when it is healed" },
  reboot: { type: "boolean", help: "reboot it, and wait until it is up again; nothing is left to heal" },
  clock: { type: "string", value: "SHIFT", help: "set its clock; refused, for hosts share this machine's" },
  for: {
    type: "string",
    value: "TIME",
    help: "end by themselves after that time; the command returns at once",
  },
} as const satisfies Options;
