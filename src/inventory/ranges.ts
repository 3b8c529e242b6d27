import { CausewayError, type Position } from "../errors.ts";

/** Ansible's host ranges: `h[01:20]`, `h[a:f]`, `h[0:10:2]`, several in one name. A name without one is itself. */
export function expandRange(name: string, at?: Position): string[] {
  const found = /^(.*?)\[([^\]:]+):([^\]:]+)(?::(\d+))?\](.*)$/.exec(name);
  if (!found) return [name];
  const [, before = "", from = "", to = "", step = "1", after = ""] = found;
  const items =
    /^\d+$/.test(from) && /^\d+$/.test(to)
      ? numbers(from, to, Number(step))
      : letters(from, to, Number(step));
  if (!items || items.length === 0) {
    throw new CausewayError("inventory", `the host range in ${name} is not valid`, {
      ...(at ? { at } : {}),
      found: `[${from}:${to}]`,
      expected: "[01:20], [a:f] or [0:10:2], the smaller end first",
    });
  }
  return items.flatMap((item) => expandRange(`${before}${item}${after}`, at));
}

function numbers(from: string, to: string, step: number): string[] | undefined {
  const width = from.startsWith("0") && from.length > 1 ? from.length : 0;
  if (Number(to) < Number(from) || step < 1) return undefined;
  const count = Math.floor((Number(to) - Number(from)) / step) + 1;
  return Array.from({ length: count }, (_, i) => String(Number(from) + i * step).padStart(width, "0"));
}

function letters(from: string, to: string, step: number): string[] | undefined {
  if (!/^[a-zA-Z]$/.test(from) || !/^[a-zA-Z]$/.test(to) || to < from || step < 1) return undefined;
  const first = from.charCodeAt(0);
  const count = Math.floor((to.charCodeAt(0) - first) / step) + 1;
  return Array.from({ length: count }, (_, i) => String.fromCharCode(first + i * step));
}
