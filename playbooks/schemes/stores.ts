import { rulesIn } from "causeway";
import { startedByHand, type Trace } from "../checks/traces.ts";

/** The stores that schemes keep their state in, where somebody made them by hand. */
export const consulStarted = startedByHand("consul", ({ command }) => command === "agent");
export const etcdStarted = startedByHand("etcd", ({ listens }) => listens);

/** The article's rule. One with a comment is somebody's. */
export const etcdOpen: Trace = {
  onAnyHost: true,
  finds: ({ rules }) =>
    rulesIn(rules, "filter", "INPUT")
      .filter(
        ({ comment, spec }) =>
          comment === undefined &&
          /^-p tcp -m tcp --dport (?:2379|2380)(?: -m \S+ --(?:ct)?state \S+)? -j ACCEPT$/.test(spec),
      )
      .map(({ spec }) => ({
        message: "a rule that causeway did not make opens etcd to everyone",
        found: `-A INPUT ${spec}`,
        remove: `iptables -D INPUT ${spec}`,
      })),
};
