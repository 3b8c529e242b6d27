import { definePlaybook, defineTask, type Reader, Type } from "causeway";

const params = Type.Object({}, { additionalProperties: false });

/** A task that looks and never finds anything to do. */
const looks = (name: string, read: (host: Reader) => Promise<unknown>) =>
  defineTask({ name, summary: "Looks only", params, key: () => name, read, present: () => [] })({});

/** Five read-only checks a host: what a run costs that has nothing to do. bench/same-reads.ts has them as commands. */
export default definePlaybook({
  name: "bench-reads",
  summary: "Five reads a host, nothing to do",
  vars: Type.Object({}),
  plays: [
    {
      title: "Five reads",
      hosts: "all",
      tasks: () => [
        looks("file", (host) => host.file("/etc/hostname")),
        looks("routes", (host) => host.routes()),
        looks("addresses", (host) => host.addresses()),
        looks("links", (host) => host.links()),
        looks("sysctl", (host) => host.sysctl("net.ipv4.ip_forward")),
      ],
    },
  ],
});
