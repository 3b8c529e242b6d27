import { CausewayError, defineTask, type PlanItem, type Static, sh, step, Type } from "causeway";

const params = Type.Object(
  {
    implementation: Type.Union([Type.Literal("kernel"), Type.Literal("wireguard-go")], {
      description:
        "who encrypts: the kernel's own WireGuard, or the program wireguard-go on /dev/net/tun where the kernel has none",
    }),
  },
  { additionalProperties: false },
);

type Params = Static<typeof params>;

interface State {
  /** Of wg and wireguard-go those that are there. */
  programs: readonly string[];
  kernel: boolean;
  tun: boolean;
}

/** The programs that WireGuard needs, from the distribution's packages. */
export const wireguardInstall = defineTask({
  name: "wireguard-install",
  summary: "wg, and wireguard-go where the kernel has no WireGuard",
  params,
  key: () => "wireguard",
  read: async (host): Promise<State> => {
    // `modprobe -n` loads nothing. What a kernel has built in has a folder where it has a version, as WireGuard does.
    const script = sh`for name in wg wireguard-go; do command -v $name >/dev/null && echo $name; done
[ -d /sys/module/wireguard ] || modprobe -nq wireguard 2>/dev/null && echo kernel
[ -c /dev/net/tun ] && (exec 3<>/dev/net/tun) 2>/dev/null && echo tun
true`;
    const { stdout } = await host.read(script, { looksAt: ["package"] });
    const found = stdout.split("\n").filter(Boolean);
    return {
      programs: found.filter((word) => word.startsWith("w")),
      kernel: found.includes("kernel"),
      tun: found.includes("tun"),
    };
  },
  present: (state, { implementation }): readonly PlanItem[] => {
    refuseWithoutDriver(state, implementation);
    const wanted = [
      ["wg", "wireguard-tools"],
      ...(implementation === "wireguard-go" ? [["wireguard-go", "wireguard-go"]] : []),
    ];
    const names = wanted.flatMap(([program = "", name = ""]) =>
      state.programs.includes(program) ? [] : [name],
    );
    return names.length === 0 ? [] : [step.packages({ names })];
  },
});

function refuseWithoutDriver({ kernel, tun }: State, implementation: Params["implementation"]): void {
  if (implementation === "kernel" && !kernel)
    throw new CausewayError("host", "the kernel of this host has no WireGuard", {
      found: "no module wireguard, neither loaded nor to be loaded",
      expected: "Linux 5.6 or newer with WireGuard",
      command: "modprobe -n wireguard",
      advice: tun
        ? "wg_implementation: wireguard-go, or leave it out"
        : "boot a kernel that has it, or one with /dev/net/tun for wireguard-go",
    });
  if (implementation === "wireguard-go" && !tun)
    throw new CausewayError("host", "wireguard-go cannot work here: this host has no /dev/net/tun", {
      found: kernel ? "no tun device" : "no tun device, and no WireGuard in the kernel",
      expected: "/dev/net/tun, which a program can open",
      command: "ls -l /dev/net/tun; modprobe tun",
      advice: kernel
        ? "wg_implementation: kernel, or leave it out"
        : "modprobe tun; where the host is a container, its own host has to give it /dev/net/tun",
    });
}
