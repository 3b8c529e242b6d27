import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { hostPaths } from "../../src/lab/paths.ts";
import { packageDir } from "../../src/package-dir.ts";
import { execute, useLab } from "./support.ts";

const lab = useLab("test-local", 18, 1);
const host = "docker-200";

/** This package and its Node on the host itself, for root to write only, and a playbook in a folder of anybody's. */
beforeAll(async () => {
  const root = hostPaths(lab.spec, host).root;
  const parts = "run package.json package-lock.json src tasks playbooks inventory node_modules";
  const without = [
    "@biomejs",
    "typescript",
    "vitest",
    "@vitest",
    "vite",
    "rolldown",
    "@rolldown",
    "lightningcss*",
  ]
    .map((name) => `--exclude='node_modules/${name}'`)
    .join(" ");
  const copied = await execute([
    "sh",
    "-c",
    `set -e; mkdir "$1/opt/causeway"; cp "$2" "$1/usr/local/bin/node"; tar -C "$3" ${without} -c ${parts} | tar -C "$1/opt/causeway" --no-same-owner -x; chmod -R go-w "$1/opt/causeway"`,
    "sh",
    root,
    process.execPath,
    packageDir,
  ]);
  expect(copied).toMatchObject({ code: 0 });
  const inventory = (vars: string) =>
    `all: { hosts: { here: { ansible_connection: local, ansible_become: true${vars} } } }`;
  await lab.must(
    host,
    `mkdir -m 755 /srv/books; cat >/srv/books/book.ts <<'END'
${book}
END
echo '${inventory("")}' >/srv/books/ops-nopass.yaml; echo '${inventory(", ansible_become_password: ops")}' >/srv/books/ops.yaml
echo program >/srv/books/program; chmod -R a+rX /srv/books`,
  );
});

const book = `import { definePlaybook, defineTask, localFile, sh, step, Type } from "causeway";
const file = defineTask({
  name: "file", summary: "x", params: Type.Object({}), key: () => "/root/there/program",
  read: async (host) => ({ was: await host.file("/root/there/program"), local: await localFile("/srv/books/program") }),
  present: ({ was, local }) => was.sha256 === local.sha256 ? [] : [step.pushedFile({ was, from: local, mode: "700" })],
});
const wait = defineTask({
  name: "wait", summary: "x", params: Type.Object({ n: Type.Integer() }), key: ({ n }) => String(n),
  read: async (host, { n }) => (await host.read(sh\`ls /root/slow-\${n}\`, { looksAt: [\`file:/root/slow-\${n}\`] })).code === 0,
  present: (there, { n }) => there ? [] : [step.run({ what: \`slow \${n}\`, to: "there", do: sh\`touch /root/begun; sleep 3.\${n}43; touch /root/slow-\${n}\`,
    done: sh\`[ -e /root/slow-\${n} ]\`, undo: sh\`rm -f /root/slow-\${n}\`, touches: [\`file:/root/slow-\${n}\`] })],
});
export default definePlaybook({ name: "book", summary: "x", vars: Type.Object({ slow: Type.Boolean({ default: false }) }), plays: [
  { title: "Send", hosts: "all", tasks: () => [file({})] },
  { title: "Wait", hosts: "all", tasks: (host) => host.vars.slow ? [wait({ n: 1 }), wait({ n: 2 })] : [] } ] });`;

const command = (user: string, more = "") =>
  `su - ${user} -c 'cd; /opt/causeway/run /srv/books/book.ts -i /srv/books/${user}.yaml ${more}'`;

test.each(["ops-nopass", "ops"])(
  "%s, who is no root, sends files for root, out of a folder that only root may write",
  async (user) => {
    await lab.must(host, "rm -rf /root/there");
    const first = await lab.on(host, command(user));
    expect(first).toMatchObject({ code: 0, stdout: expect.stringContaining("changed=1 failed=0") });
    expect(await lab.must(host, "cat /root/there/program; stat -c '%U %a' /root/there/program")).toBe(
      "program\nroot 700\n",
    );
    expect(await lab.on(host, command(user))).toMatchObject({
      code: 0,
      stdout: expect.stringContaining("changed=0"),
    });
    await lab.must(
      host,
      `test -d ~${user}/.cache/causeway/bundle && test ! -e ${join("/opt/causeway", ".cache")}`,
    );
  },
);

test.each(["ops-nopass", "ops"])("Ctrl-C of %s ends the run after the step in flight", async (user) => {
  const { stdout } = await lab.on(
    host,
    `rm -f /root/begun /root/code /root/slow-*
(${command(user, "-e slow=true")} >/tmp/said-${user} 2>&1; echo $? >/root/code) &
while [ ! -e /root/begun ] && [ ! -e /root/code ]; do sleep 0.1; done
kill -INT $(pgrep -u ${user} -f launch.mjs)
wait; cat /root/code; ls /root/slow-*; ls /var/lib/causeway`,
  );
  expect(stdout).toMatch(/^130\n\/root\/slow-1\n/);
  expect(stdout).not.toMatch(/^(stop|lock)$/m);
});
