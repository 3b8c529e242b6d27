import {
  AbsolutePath,
  CausewayError,
  defineTask,
  later,
  type Reader,
  type Static,
  sh,
  step,
  Type,
} from "causeway";

const name = () => Type.String({ pattern: "^[A-Za-z_][\\w.-]*\\$?$" });

const params = Type.Object(
  {
    name: Type.String({ pattern: "^[A-Za-z_][\\w.-]*\\$?$", description: "the user's name" }),
    uid: Type.Optional(Type.Integer({ minimum: 1, description: "its number; default: the next free one" })),
    group: Type.Optional(
      Type.String({ minLength: 1, description: "its primary group, by name; default: one of its own name" }),
    ),
    groups: Type.Optional(
      Type.Array(name(), { description: "groups that it is in as well; others that it is in already stay" }),
    ),
    home: Type.Optional(AbsolutePath({ description: "its home; default: as the system has it" })),
    create_home: Type.Optional(
      Type.Boolean({ description: "a new user's home is made, out of /etc/skel; default: it is not" }),
    ),
    shell: Type.Optional(AbsolutePath({ description: "its login shell; default: as the system has it" })),
    comment: Type.Optional(Type.String({ pattern: "^[^:\\n]*$", description: "the full name, or a remark" })),
    system: Type.Optional(Type.Boolean({ description: "a new user is one of the system's, for a daemon" })),
  },
  { additionalProperties: false },
);

type Params = Static<typeof params>;

/** A user as /etc/passwd and /etc/group have it. */
interface User {
  uid: number;
  /** Its primary group, by name. */
  group: string;
  groups: readonly string[];
  home: string;
  shell: string;
  comment: string;
}

interface State {
  /** Undefined where there is none. */
  user: User | undefined;
  /** Of the groups that are wanted, those that there are. */
  known: readonly string[];
}

/**
 * A user of the host. Of one that is there already only what is given is changed, and its number never: files of it would be
 * nobody's. A password is not set: log in by key. The undo gives an old user back what it had, and removes a new one; the home
 * that was made for it stays where somebody put files there since.
 *
 * ```ts
 * import { user } from "causeway/tasks";
 *
 * export const tasks = [
 *   user({ name: "app", system: true, home: "/var/lib/app", shell: "/usr/sbin/nologin" }),
 *   user({ name: "deploy", create_home: true, shell: "/bin/bash", groups: ["adm"] }),
 * ];
 * ```
 */
export const user = defineTask({
  name: "user",
  summary: "A user of the host, with its groups",
  params,
  key: ({ name }) => name,
  read: readUser,
  present: ({ user: now, known }, params) => {
    const { name, uid, group, groups = [], home, shell, comment, create_home, system } = params;
    const missing = [...(group ? [group] : []), ...groups].filter((one) => !known.includes(one));
    if (missing.length > 0) return [later(`the host has no group ${missing.join(", ")} yet`)];
    if (now && uid !== undefined && now.uid !== uid)
      throw new CausewayError("host", `the user ${name} has another number`, {
        found: `uid ${now.uid}`,
        expected: `uid ${uid}`,
        command: `find / -xdev -uid ${now.uid}`,
        advice: `leave uid out, or change it by hand, with the owner of its files: usermod --uid ${uid} ${name}`,
      });
    const all = [...new Set([...(now?.groups ?? []), ...groups])].sort();
    const wanted = { group, home, shell, comment };
    const changed = Object.fromEntries(
      Object.entries(wanted).filter(([key, value]) => value !== undefined && value !== now?.[key as "home"]),
    ) as Partial<Record<keyof typeof wanted, string>>;
    const joins = all.length > (now?.groups.length ?? 0);
    if (now && !joins && Object.keys(changed).length === 0) return [];
    const to = now
      ? { ...now, ...changed, groups: all }
      : { ...(uid === undefined ? {} : { uid }), ...changed, groups: all };
    return [
      step.user({
        name,
        exists: now !== undefined,
        ...changed,
        ...(joins ? { groups: all } : {}),
        ...(now || uid === undefined ? {} : { uid }),
        ...(now ? {} : { system: system ?? false, createHome: create_home ?? false }),
        was: now ? words(now) : null,
        to: words(to) || "as the system makes it",
      }),
    ];
  },
});

async function readUser(host: Reader, { name, group, groups = [] }: Params): Promise<State> {
  const wanted = [...(group ? [group] : []), ...groups];
  const { stdout } = await host.read(
    sh`getent passwd ${name} && id -gn ${name} && id -Gn ${name} || printf '\n\n\n'
${wanted.length > 0 ? sh`getent group ${wanted} | cut -d : -f 1` : sh`true`}`,
    { looksAt: ["user", "file:/etc/passwd", "file:/etc/group"] },
  );
  const [line = "", primary = "", member = "", ...known] = stdout.split("\n");
  const [, , uid, , comment = "", home = "", shell = ""] = line.split(":");
  const others = member.split(" ").filter((one) => one !== "" && one !== primary);
  return {
    user:
      uid === undefined
        ? undefined
        : { uid: Number(uid), group: primary, groups: others.sort(), home, shell, comment },
    known: known.filter(Boolean),
  };
}

function words({ uid, group, groups = [], home, shell, comment }: Partial<User>): string {
  return [
    uid === undefined ? "" : `uid ${uid}`,
    group && `group ${group}`,
    groups.length > 0 && `groups ${groups.join(",")}`,
    home && `home ${home}`,
    shell && `shell ${shell}`,
    comment && `“${comment}”`,
  ]
    .filter(Boolean)
    .join(", ");
}
