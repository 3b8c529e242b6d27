import { describeScheme, usePoints } from "./points.ts";
import { useLab } from "./support.ts";

/* The schemes that need hosts of today are cut off as those of kill-points.test.ts are: 80 kills, 20 power cuts, 10 resets. */

const points = usePoints(useLab("test-points-today", 37, 2, "trixie"));
for (const scheme of ["swarm", "wireguard"]) describeScheme(points, scheme, 20);
