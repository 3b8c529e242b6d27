// A playbook of the tests' own that uses every kind of step.
import {
  definePlaybook,
  defineTask,
  type PlanItem,
  type Reader,
  restart,
  Secret,
  secret,
  sh,
  step,
  Type,
} from "causeway";

const params = Type.Object({ version: Type.String(), token: secret(Type.String()) });

async function look(host: Reader) {
  const [conf, token, json, packages, routes, rules, kept, forward, links, docker, mark] = await Promise.all([
    host.file("/etc/every/kind.conf"),
    host.file("/etc/every/token"),
    host.file("/etc/every.json"),
    host.packages(["etcd-client"]),
    host.routes(),
    host.rules(),
    host.kept("rules"),
    host.sysctl("net.ipv4.conf.all.log_martians"),
    host.links(),
    host.docker(),
    host.read(sh`cat /opt/every-mark 2>/dev/null`, { looksAt: ["file:/opt/every-mark"] }),
  ]);
  const unit = await host.unit("every-kind.service");
  const unitFile = await host.file("/etc/systemd/system/every-kind.service");
  return {
    conf,
    token,
    json,
    packages,
    routes,
    rules,
    kept,
    forward,
    links,
    docker,
    mark: mark.stdout,
    unit,
    unitFile,
  };
}

const unitText =
  "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n";

const everyKind = defineTask({
  name: "every-kind",
  summary: "One step of every kind",
  params,
  key: () => "all",
  read: look,
  present: (now, { version, token }): readonly PlanItem[] => {
    const via = `via ${now.routes.find((r) => r.dst === "default")?.via}`;
    const rule = {
      table: "filter",
      chain: "DOCKER-USER",
      spec: `-s 10.99.${version}.0/24 -j ACCEPT`,
      comment: "every",
      place: "first",
    } as const;
    return [
      ...(now.conf.content === `version ${version}\n`
        ? []
        : [step.file({ was: now.conf, content: `version ${version}\n` })]),
      ...(now.token.content === token
        ? []
        : [step.file({ was: now.token, content: new Secret(token), mode: "600" })]),
      ...(now.json.content.includes(`"v": "${version}"`)
        ? []
        : [step.jsonKeys({ was: now.json, keys: { v: version } })]),
      ...(now.packages.has("etcd-client") ? [] : [step.packages({ names: ["etcd-client"] })]),
      ...(now.unitFile.content === unitText
        ? []
        : [step.file({ was: now.unitFile, content: unitText, causes: [{ do: "daemon-reload" as const }] })]),
      ...(now.routes.some((r) => r.dst === "10.99.0.0/24" && r.metric === undefined)
        ? []
        : [step.route({ to: "10.99.0.0/24", via: via.slice(4) })]),
      ...(now.rules.rules.some((r) => r.spec.includes(`10.99.${version}.0/24`)) ? [] : [step.rule(rule)]),
      ...(now.forward === "1"
        ? []
        : [step.sysctl({ key: "net.ipv4.conf.all.log_martians", value: 1, was: now.forward ?? null })]),
      ...(now.links.some((l) => l.name === "every0")
        ? []
        : [
            step.link({
              name: "every0",
              make: sh`ip link add every0 type bridge && ip link set every0 up`,
              to: "bridge",
            }),
          ]),
      ...(now.docker.networks.some((n) => n.name === "every")
        ? []
        : [step.dockerNetwork({ name: "every", driver: "bridge", subnet: "10.98.0.0/24" })]),
      ...(now.mark === version
        ? []
        : [
            step.run({
              what: "mark",
              from: now.mark || null,
              to: version,
              do: sh`printf %s ${version} >/opt/every-mark`,
              done: sh`[ "$(cat /opt/every-mark)" = ${version} ]`,
              undo: now.mark ? sh`printf %s ${now.mark} >/opt/every-mark` : sh`rm -f /opt/every-mark`,
              touches: ["file:/opt/every-mark"],
            }),
          ]),
    ];
  },
});

const starts = defineTask({
  name: "starts",
  summary: "A unit",
  params: Type.Object({}),
  key: () => "every-kind.service",
  read: (host) => host.unit("every-kind.service"),
  present: (unit) =>
    unit.active === "active" && unit.enabled === "enabled"
      ? []
      : [
          step.unit({
            name: "every-kind.service",
            enabled: true,
            active: true,
            was: `${unit.enabled}, ${unit.active}`,
          }),
        ],
});

const settings = defineTask({
  name: "settings",
  summary: "A file whose change restarts the unit",
  params: Type.Object({ name: Type.String() }),
  key: ({ name }) => name,
  read: (host, { name }) => host.file(`/etc/every-${name}`),
  present: (was) =>
    was.kind === "file" ? [] : [step.file({ was, content: "x\n", causes: [restart("every-kind.service")] })],
});

export default definePlaybook({
  name: "every-kind",
  summary: "One step of every kind",
  vars: Type.Object({
    version: Type.String({ default: "1" }),
    token: secret(Type.String({ default: "s3cr3t-token" })),
    names: Type.Array(Type.String(), { default: ["a", "b"] }),
  }),
  plays: [
    {
      title: "Every kind",
      hosts: "docker",
      tasks: ({ vars }) => [everyKind({ version: vars.version, token: vars.token })],
    },
    {
      title: "The unit",
      hosts: "docker",
      tasks: ({ vars }) => [starts({}), ...vars.names.map((name) => settings({ name }))],
    },
  ],
});
