import { CausewayError, type Position } from "../errors.ts";
import { groupOf, hostsOf, type Layout } from "./layout.ts";
import { pythonLiteral } from "./python-literal.ts";
import { shellWords } from "./shell-words.ts";
import type { InventoryGroup, Variable } from "./types.ts";
import { isTemplate } from "./unread.ts";

type Section = "hosts" | "children" | "vars";

interface Line {
  text: string;
  at: Position;
}

/**
 * Adds one inventory in Ansible's INI dialect: `[group]` with hosts and their variables, `[group:children]`,
 * `[group:vars]`; hosts before the first section are in no group. Values are Python literals, or else texts.
 */
export function addIni(layout: Layout, file: string, text: string): void {
  const reading = new IniReading(layout);
  for (const [index, whole] of text.split(/\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]/).entries()) {
    const line = whole.trim();
    if (line === "" || /^[;#]/.test(line)) continue;
    reading.line({ text: line, at: { file, line: index + 1, column: whole.indexOf(line) + 1 } });
  }
  reading.end();
}

class IniReading {
  readonly #layout: Layout;
  #group: InventoryGroup;
  #section: Section = "hosts";
  /** Groups that `[…:vars]` or `[…:children]` named, and that are not there yet. */
  readonly #awaited = new Map<string, { at: Position; parents: InventoryGroup[] }>();

  constructor(layout: Layout) {
    this.#layout = layout;
    this.#group = groupOf(layout, "ungrouped");
  }

  line(line: Line): void {
    if (/^\[.*\]\s*(#.*)?$/.test(line.text) && this.#begins(line)) return;
    if (this.#section === "hosts") this.#hosts(line);
    else if (this.#section === "vars") this.#variable(line);
    else this.#child(line);
  }

  /** A section's heading. A host may begin with a bracket, too: `[2001:db8::1]:22`. */
  #begins({ text, at }: Line): boolean {
    const [, name, kind = "hosts"] = /^\[([^:\]\s]+)(?::(\w+))?\]\s*(?:#.*)?$/.exec(text) ?? [];
    if (name === undefined) {
      if (!text.endsWith("]")) return false;
      throw fault("this is not a section's name", at, text, "[web], [web:children] or [web:vars], no spaces");
    }
    if (kind !== "hosts" && kind !== "children" && kind !== "vars")
      throw fault(
        `[${name}:${kind}] is no kind of section`,
        at,
        text,
        "[GROUP], [GROUP:children] or [GROUP:vars]",
      );
    const isNew = !this.#layout.groups.has(name);
    if (isNew && kind === "vars" && !this.#awaited.has(name)) this.#awaited.set(name, { at, parents: [] });
    this.#group = groupOf(this.#layout, name, at);
    this.#section = kind;
    if (kind !== "vars") this.#arrived(name);
    return true;
  }

  #arrived(name: string): void {
    const { parents = [] } = this.#awaited.get(name) ?? {};
    this.#awaited.delete(name);
    for (const parent of parents) parent.children.add(name);
  }

  #hosts({ text, at }: Line): void {
    const words = shellWords(text);
    if (!words) throw fault("a quote or a backslash is not ended", at, text, "a quote at both ends");
    const [host, ...assignments] = words;
    if (!host) return;
    if (host.text === "---" || host.text.endsWith(":"))
      throw fault(`${host.text} is not a host's name`, at, text, "INI, or YAML that is valid");
    const hosts = hostsOf(this.#layout, host.text, this.#group, at);
    for (const word of assignments) {
      const where = { ...at, column: at.column + word.column - 1 };
      const [, name = "", value] = /^([^=]*)=([\s\S]*)$/.exec(word.text) ?? [];
      if (value === undefined)
        throw fault(
          "a variable of a host is not name=value",
          where,
          word.text,
          "name=value; a value with spaces in quotes",
        );
      for (const { vars } of hosts) vars.set(name, variable(value, where));
    }
  }

  #variable({ text, at }: Line): void {
    const [, name = "", value] = /^([^=]*?)\s*=\s*([\s\S]*)$/.exec(text) ?? [];
    if (value === undefined)
      throw fault(`[${this.#group.name}:vars] holds name=value`, at, text, "name=value, one a line");
    this.#group.vars.set(name, variable(value, { ...at, column: at.column + text.length - value.length }));
  }

  #child({ text, at }: Line): void {
    const [, name] = /^([^:\]\s]+)\s*(?:#.*)?$/.exec(text) ?? [];
    if (name === undefined)
      throw fault(`[${this.#group.name}:children] holds names of groups`, at, text, "one name a line");
    if (this.#layout.groups.has(name) && !this.#awaited.has(name)) this.#group.children.add(name);
    else {
      const awaited = this.#awaited.get(name) ?? { at, parents: [] };
      awaited.parents.push(this.#group);
      this.#awaited.set(name, awaited);
    }
  }

  end(): void {
    for (const [name, { at, parents }] of this.#awaited) {
      const [parent] = parents;
      const section = parent ? `[${parent.name}:children]` : `[${name}:vars]`;
      throw fault(`${section} is about a group that is not there`, at, name, `a section [${name}]`);
    }
  }
}

function variable(written: string, at: Position): Variable {
  const value = pythonLiteral(written);
  const isOpen = isTemplate(written);
  return { value, at, ...(isOpen ? { unread: { what: "template", found: written, at } as const } : {}) };
}

function fault(message: string, at: Position, found: string, expected: string): CausewayError {
  return new CausewayError("inventory", message, { at, found, expected });
}
