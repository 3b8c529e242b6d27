import { CausewayError, daemonReload, defineTask, later, owed, refuseMasked, step, Type } from "causeway";

const params = Type.Object(
  {
    name: Type.String({
      pattern: "^[\\w:.@\\\\-]+$",
      description: "its name in systemd; `.service` may be left out",
    }),
    enabled: Type.Optional(Type.Boolean({ description: "whether it starts at boot; default: as it is" })),
    active: Type.Optional(Type.Boolean({ description: "whether it runs; default: as it is" })),
  },
  { additionalProperties: false, anyOf: [{ required: ["enabled"] }, { required: ["active"] }] },
);

/** States in which systemd starts, or has started, a unit. */
const up = ["active", "activating", "reloading"];

/**
 * A unit of systemd that runs or does not, and starts at boot or does not. Its file is the task `file`'s or `template`'s.
 *
 * ```ts
 * import { file, unit } from "causeway/tasks";
 *
 * const text = "[Service]\nExecStart=/usr/local/bin/app\n[Install]\nWantedBy=multi-user.target\n";
 *
 * export const tasks = [
 *   file({ path: "/etc/systemd/system/app.service", content: text, restarts: ["app"] }),
 *   unit({ name: "app", enabled: true, active: true }),
 * ];
 * ```
 */
export const unit = defineTask({
  name: "unit",
  summary: "A unit of systemd is enabled, and runs",
  params,
  key: ({ name }) => name,
  read: (host, { name }) => host.unit(name),
  present: (now, { name, enabled, active }) => {
    if (!now.present) {
      const isGone = enabled !== true && active !== true;
      return isGone ? [] : [later(`systemd knows no unit ${name} yet`)];
    }
    if (enabled === true || active === true) refuseMasked(now);
    const enables = enabled !== undefined && enabled !== (now.enabled === "enabled");
    if (enabled === true && ["static", "indirect", "generated", "transient"].includes(now.enabled))
      throw new CausewayError("host", `the unit ${name} cannot be enabled`, {
        found: `UnitFileState=${now.enabled}: its file has no [Install] section that would`,
        expected: "a unit that systemctl enable takes",
        command: `systemctl cat ${name}`,
        advice: "leave `enabled` out, or add an [Install] section",
      });
    const starts = active !== undefined && active !== up.includes(now.active);
    const stale = now.needsReload
      ? [owed(daemonReload, `${name} changed on disk since systemd loaded it`)]
      : [];
    // What is not enabled in any way is not disabled either.
    const changes = {
      ...(enables && (enabled || isEnabled(now.enabled)) ? { enabled } : {}),
      ...(starts ? { active } : {}),
    };
    if (Object.keys(changes).length === 0) return stale;
    const was = `${now.enabled || "not enabled"}, ${now.active}`;
    return [step.unit({ name, ...changes, was }), ...stale];
  },
});

/** Whether a disable would change something. */
function isEnabled(word: string): boolean {
  return word.startsWith("enabled");
}
