import { flannel } from "./flannel.ts";
import { macvlan } from "./macvlan.ts";
import { overlay } from "./overlay.ts";
import type { Scheme } from "./scheme.ts";
import { staticRoute } from "./static-route.ts";
import { swarm } from "./swarm.ts";
import { wireguard } from "./wireguard.ts";

/** Every scheme that there is. To add one: its file in this folder, its import and its word here, and its playbook. */
export const schemes: readonly Scheme[] = [staticRoute, flannel, macvlan, overlay, swarm, wireguard];
