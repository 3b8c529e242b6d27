import { readFileSync, statSync } from "node:fs";
import { extname, resolve } from "node:path";
import { CausewayError } from "../errors.ts";
import { quote } from "../host/sh.ts";
import { ownCommand } from "../own-command.ts";
import { isSealed } from "../vault/cipher.ts";

const expected = "a TypeScript file whose default export is definePlaybook({ … })";

/** Why something that was given as a playbook is none: by what it is, where that can be seen. */
export function notTypeScript(path: string): CausewayError {
  if (statSync(path).isDirectory())
    return new CausewayError("playbook", `${path} is a folder`, {
      found: resolve(path),
      expected,
      advice: "name one of its files",
    });
  const text = readFileSync(path, "utf8").slice(0, 100_000);
  if (isInventory(path, text))
    return new CausewayError("playbook", `${path} is no playbook: it looks like an inventory`, {
      expected,
      advice: `the playbook comes first: ${ownCommand("PLAYBOOK -i", quote(path))}`,
    });
  const isOfAnsible = /^-\s+(name|hosts|import_playbook|include)\s*:/m.test(text);
  return new CausewayError("playbook", `${path} is no playbook: playbooks are TypeScript`, {
    found: isOfAnsible
      ? "a playbook of Ansible, in YAML"
      : `a file that ends in ${extname(path) || "nothing"}`,
    expected,
    advice: `${ownCommand("init")} makes a project to begin with; docs/from-ansible.md shows what becomes of each word of Ansible`,
  });
}

/** Groups in INI, or in YAML; what is encrypted may be either. */
function isInventory(path: string, text: string): boolean {
  if (isSealed(text)) return false;
  if (/^\[[\w.:-]+\]\s*$/m.test(text) && !/^\s*-\s/m.test(text)) return true;
  return (
    /^\.(ya?ml|json)$/.test(extname(path)) &&
    /^\s*"?(hosts|children|_meta)"?\s*:/m.test(text) &&
    !/^-\s/m.test(text)
  );
}
