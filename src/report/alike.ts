/** IPv4 addresses, networks and ports of them, and MAC addresses. */
const addresses =
  /\b\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}(?:\/\d{1,2})?(?::\d+)?\b|\b[0-9a-f]{2}(?::[0-9a-f]{2}){5}\b/gi;
/** What can be the name of a host. */
const words = /[\p{L}\d_](?:[\p{L}\d_.-]*[\p{L}\d_])?/gu;

/** The text with `*` for each address. */
export function withoutAddresses(text: string): string {
  return text.replaceAll(addresses, "*");
}

/** The text with `*` for each of these names, also where one is a part of a word: `/etc/certs/web1.pem`. */
export function withoutNames(text: string, hosts: ReadonlySet<string>): string {
  return text.replaceAll(words, (word) => (hosts.has(word) ? "*" : withoutParts(word, hosts)));
}

/** The word with `*` for each name that stands in it between dots, dashes and underscores; the longest where several do. */
function withoutParts(word: string, hosts: ReadonlySet<string>): string {
  const parts = word.split(/([._-]+)/);
  if (parts.length === 1) return word;
  let left = "";
  for (let from = 0; from < parts.length; ) {
    let end = parts.length;
    while (end > from && !hosts.has(parts.slice(from, end).join(""))) end -= 2;
    left += end > from ? "*" : (parts[from] ?? "");
    from = Math.max(end, from + 1);
  }
  return left;
}

/** The text with `*` for what differs from host to host by nature: addresses, and the names of these hosts. */
export function alike(text: string, hosts: ReadonlySet<string>): string {
  return withoutNames(withoutAddresses(text), hosts);
}
