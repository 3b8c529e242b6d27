import { CausewayError, CausewayErrors } from "../errors.ts";
import { masked } from "../host/sh.ts";

/** Shorter texts stand in too many words that are no secret. */
const shortest = 4;

const texts = new Set<string>();

/** From here on this process shows no text of a value, however deep it lies: neither in words nor in data. */
export function neverShow(value: unknown): void {
  if (typeof value === "string" && value.length >= shortest) texts.add(value);
  else if (typeof value === "number" && String(value).length >= shortest) texts.add(String(value));
  else if (typeof value === "object" && value !== null)
    for (const one of Object.values(value)) neverShow(one);
}

/** The text without what is never shown. */
export function shown(text: string): string {
  return texts.size === 0 ? text : masked(text, [...texts]);
}

/** By these, data is told apart; what they hold is no secret. */
const plain = new Set(["type", "host", "hosts", "id", "playbook", "state", "level", "code", "name"]);

/** Data without what is never shown, errors included. */
export function shownData<T>(data: T): T {
  return texts.size === 0 ? data : (withoutSecrets(data) as T);
}

function withoutSecrets(data: unknown): unknown {
  if (typeof data === "string") return shown(data);
  if (Array.isArray(data)) return data.map(withoutSecrets);
  if (data instanceof CausewayErrors) {
    const [first, ...rest] = data.errors.map((one) => withoutSecrets(one) as CausewayError);
    return first ? new CausewayErrors([first, ...rest]) : data;
  }
  if (data instanceof CausewayError)
    return new CausewayError(data.code, shown(data.message), withoutSecrets({ ...data.detail }) as object);
  if (typeof data !== "object" || data === null || Object.getPrototypeOf(data) !== Object.prototype)
    return data;
  const entries = Object.entries(data).map(([key, value]) => [
    key,
    plain.has(key) ? value : withoutSecrets(value),
  ]);
  return Object.fromEntries(entries);
}
