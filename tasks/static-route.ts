import {
  Cidr,
  defineTask,
  Ipv4,
  type Kept,
  keptRoute,
  type Route,
  routeProtocol,
  step,
  Type,
} from "causeway";

const params = Type.Object(
  {
    to: Cidr({ description: "the peer's container subnet" }),
    via: Ipv4({ description: "the peer's own address, on this host's link" }),
  },
  { additionalProperties: false },
);

/** Routes a peer's container subnet through that peer's own address, now and after every boot. */
export const staticRoute = defineTask({
  name: "static-route",
  summary: "A route to a peer's container subnet",
  params,
  key: ({ to }) => to,
  read: async (host): Promise<{ routes: readonly Route[]; kept: Kept }> => {
    const [routes, kept] = await Promise.all([host.routes(), host.kept()]);
    return { routes, kept };
  },
  present: ({ routes, kept }, { to, via }) => {
    // `ip route` prints a single address without its /32.
    const there = routes.filter((route) => route.dst === to.replace(/\/32$/, ""));
    const [only] = there;
    const right = there.length === 1 && only?.via === via && only.proto === String(routeProtocol);
    const comesBack = kept.enabled && kept.lines.includes(keptRoute({ to, via }));
    if (right && comesBack) return [];
    const was = there.length === 0 ? null : there.map((r) => r.line.replace(`${r.dst} `, "")).join("; ");
    return [step.route({ to, via, was: right ? `${was}, gone after a reboot` : was })];
  },
});
