import { CausewayError, type Position } from "../errors.ts";

/** Ansible's host ranges: `h[01:20]`, `h[a:f]`, `h[0:10:2]`, `h[:3]`, several in one name. A name without one is itself. */
export function expandRange(name: string, at?: Position): string[] {
  const found = /^(.*?)\[([^\]:]*):([^\]:]+)(?::(\d+))?\](.*)$/s.exec(name);
  if (!found) return [name];
  const [, before = "", from = "", to = "", step = "1", after = ""] = found;
  const items = /^\d*$/.test(from) && /^\d+$/.test(to) ? numbers(from || "0", to, Number(step)) : undefined;
  const expanded = items ?? letters(from, to, Number(step)) ?? [];
  if (expanded.length === 0) throw notARange(name, from, to, at);
  return expanded.flatMap((item) => expandRange(`${before}${item}${after}`, at));
}

function notARange(name: string, from: string, to: string, at: Position | undefined): CausewayError {
  const isOfTwoWidths = /^0\d/.test(from) && from.length !== to.length;
  return new CausewayError("inventory", `the host range in ${name} is not valid`, {
    ...(at ? { at } : {}),
    found: `[${from}:${to}]`,
    expected: isOfTwoWidths
      ? `two ends of equal length, because the first begins with 0: [${from}:${to.padStart(from.length, "0")}]`
      : "[01:20], [a:f] or [0:10:2], the smaller end first",
  });
}

function numbers(from: string, to: string, step: number): string[] | undefined {
  const width = from.startsWith("0") && from.length > 1 ? from.length : 0;
  if (Number(to) < Number(from) || step < 1 || (width > 0 && to.length !== width)) return undefined;
  const count = Math.floor((Number(to) - Number(from)) / step) + 1;
  return Array.from({ length: count }, (_, i) => String(Number(from) + i * step).padStart(width, "0"));
}

const alphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

function letters(from: string, to: string, step: number): string[] | undefined {
  const [first, last] = [from, to].map((end) => (end.length === 1 ? alphabet.indexOf(end) : -1));
  if (first === undefined || last === undefined || first < 0 || last < first || step < 1) return undefined;
  return [...alphabet.slice(first, last + 1)].filter((_, i) => i % step === 0);
}
