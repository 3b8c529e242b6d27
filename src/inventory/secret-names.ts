/** Words that say what a variable holds: a secret. */
const words =
  /^(pass|passwd|password|passphrase|secret|token|credential|passcode|pwd|psk)s?$|^(api|private|secret|access|encryption)keys?$/;
const pairs = /^(api|private|secret|access|encryption)_keys?$/;
/** What is a path or an address of a secret, and none itself. */
const places = /^(file|path|dir|folder|url|name|id|length|policy)s?$/;

/**
 * Whether a variable's name says that its value is a secret: by whole words, as `DB_PASSWORD`, `dbPassword` and `passwords` have
 * them, and `bypass` and `compass` do not.
 */
export function isSecretName(name: string): boolean {
  const parts = name
    .replaceAll(/([a-z\d])([A-Z])/g, "$1_$2")
    .toLowerCase()
    .split(/[^a-z\d]+/)
    .filter((part) => part !== "");
  if (places.test(parts.at(-1) ?? "")) return false;
  return parts.some((part, i) => words.test(part) || pairs.test(`${part}_${parts[i + 1] ?? ""}`));
}
