import { CausewayError } from "../errors.ts";
import { Vault, type VaultPassword } from "../vault/vault.ts";
import { ansibleSettings } from "./ansible-config.ts";
import type { Options, Values } from "./arguments.ts";
import { askSecret } from "./ask-secret.ts";
import { secretFromFile } from "./secret-file.ts";

/** What opens Ansible's vaults. */
export const vaultOptions = {
  "ask-vault-pass": {
    type: "boolean",
    short: "J",
    also: ["ask-vault-password"],
    help: "ask for the password of vaults",
  },
  "vault-password-file": {
    type: "string",
    multiple: true,
    also: ["vault-pass-file"],
    value: "FILE",
    help: "that password: a file, or a program that prints it",
  },
  "vault-id": {
    type: "string",
    multiple: true,
    value: "ID",
    help: "a password with its label: LABEL@FILE, LABEL@prompt",
  },
} as const satisfies Options;

/** The passwords that the options name, and Ansible's setting where they name none; each is read or asked for once. */
export async function vaultOf(values: Values<typeof vaultOptions>): Promise<Vault> {
  const passwords: VaultPassword[] = [];
  for (const id of values["vault-id"] ?? []) passwords.push(await passwordOf(id));
  for (const file of values["vault-password-file"] ?? [])
    passwords.push({ label: "default", password: secretFromFile("--vault-password-file", file) });
  if (values["ask-vault-pass"]) passwords.push(await asked("default", "--ask-vault-pass"));
  const { vaultPasswordFile } = ansibleSettings({});
  if (passwords.length === 0 && vaultPasswordFile !== undefined)
    passwords.push({ label: "default", password: secretFromFile("Ansible's setting", vaultPasswordFile) });
  return new Vault(passwords);
}

/** `LABEL@SOURCE`, or a source alone. A program whose name ends with `-client` is told the label, as Ansible does it. */
async function passwordOf(id: string): Promise<VaultPassword> {
  const [, label = "default", source = ""] = /^(?:([^@]*)@)?(.*)$/.exec(id) ?? [];
  if (source === "")
    throw new CausewayError("usage", `--vault-id ${id} names no source`, {
      expected: "LABEL@FILE, LABEL@prompt, or FILE",
    });
  if (source === "prompt" || source === "prompt_ask_vault_pass") return asked(label, "--vault-id");
  const isClient = /-client(\.\w+)?$/.test(source);
  return { label, password: secretFromFile("--vault-id", source, isClient ? ["--vault-id", label] : []) };
}

async function asked(label: string, option: string): Promise<VaultPassword> {
  const question = label === "default" ? "Vault password: " : `Vault password (${label}): `;
  return { label, password: await askSecret(question, option, "give --vault-password-file FILE") };
}
