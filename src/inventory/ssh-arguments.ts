import { shellWords } from "./shell-words.ts";

/** What ssh's own arguments say of a host, as Ansible's `ansible_ssh_common_args` and its like have them. */
export interface SshArguments {
  /** Those that say how the host is reached, one word each, as `ssh` takes them. */
  followed: readonly string[];
  /** Those of which nobody knows what they would change. */
  unread: readonly string[];
  /** Whether they say that host keys are not to be checked. */
  unchecked: boolean;
}

/** They say which way a host is reached, and who it is. */
const followed =
  /^(ProxyJump|ProxyCommand|Port|User|HostName|IdentityFile|IdentitiesOnly|IdentityAgent|CertificateFile|HostKeyAlias|HostKeyAlgorithms|KexAlgorithms|Ciphers|MACs|AddressFamily|BindAddress)$/i;
/** They lead nowhere else: how long a connection is kept, and whether ssh looks at host keys, which is causeway's own option. */
const idle =
  /^(StrictHostKeyChecking|UserKnownHostsFile|GlobalKnownHostsFile|LogLevel|Control\w+|ServerAlive\w+|ConnectTimeout|ConnectionAttempts|Compression|PreferredAuthentications|GSSAPIAuthentication|TCPKeepAlive|ForwardAgent|BatchMode)$/i;

/** Takes ssh's arguments apart; all of them are unread where a quote is not closed. */
export function readSshArguments(text: string): SshArguments {
  const words = shellWords(text)?.map((word) => word.text);
  if (!words) return { followed: [], unread: [text], unchecked: false };
  const read = { followed: [] as string[], unread: [] as string[], unchecked: false };
  while (words.length > 0) {
    const word = words.shift() ?? "";
    const [, flag = "", joined = ""] = /^(-[A-Za-z0-9])(.*)$/s.exec(word) ?? [];
    if (/^-[Cqx]$/.test(word)) continue;
    if (/^-[46]$/.test(word)) read.followed.push(word);
    else if (/^-[Jilpo]$/.test(flag)) {
      const value = joined || words.shift();
      if (value === undefined) read.unread.push(word);
      else if (flag === "-o") option(value, read);
      else read.followed.push(flag, value);
    } else read.unread.push(word);
  }
  return read;
}

function option(text: string, read: { followed: string[]; unread: string[]; unchecked: boolean }): void {
  const [, keyword = "", value = ""] = /^\s*(\w+)\s*[= ]\s*(.*)$/s.exec(text) ?? [];
  if (followed.test(keyword)) read.followed.push("-o", `${keyword}=${value}`);
  else if (!idle.test(keyword)) read.unread.push("-o", text);
  if (/^StrictHostKeyChecking$/i.test(keyword)) read.unchecked = /^(no|off|accept-new)$/i.test(value);
}
