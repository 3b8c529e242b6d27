/** A POSIX shell script whose interpolated values were quoted. A plain string is not one and does not compile. */
export interface Script {
  readonly text: string;
  /** Values that must not be shown; the report masks them. */
  readonly secrets: readonly string[];
}

/** A value that may be interpolated: an array becomes words, a Script is put in as it is, a Secret is masked when shown. */
export type Word = string | number | Script | Secret | readonly Word[];

/** A value that appears in no output, JSON event, journal or process list. */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return "********";
  }

  toJSON(): string {
    return "********";
  }
}

/** Quotes a word for any POSIX shell; plain words stay as they are, so that commands read as one would type them. */
export function quote(word: string): string {
  if (/^[\w@%+=:,./-]+$/.test(word)) return word;
  return quoteAlways(word);
}

/** Quotes a word in any case: an empty one stays a word. */
export function quoteAlways(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

/** The text without secrets: neither whole, nor line by line, as output comes, nor as they are quoted in a script. */
export function masked(text: string, secrets: readonly string[] = []): string {
  if (secrets.length === 0) return text;
  const lines = secrets.flatMap((secret) => secret.split("\n")).filter((line) => line.length > 3);
  const plain = [...secrets, ...lines].filter(Boolean);
  const quoted = (part: string) => quoteAlways(part).slice(1, -1);
  const parts = [...plain, ...plain.map(quoted), ...plain.map((part) => quoted(quoted(part)))];
  return [...new Set(parts)]
    .sort((a, b) => b.length - a.length)
    .reduce((all, part) => all.replaceAll(part, "********"), text);
}

function expand(word: Word, secrets: string[]): string {
  if (typeof word === "string") return quote(word);
  if (typeof word === "number") return String(word);
  if (word instanceof Secret) {
    secrets.push(word.reveal());
    return quote(word.reveal());
  }
  if (isScript(word)) {
    secrets.push(...word.secrets);
    return word.text;
  }
  return word.map((w) => expand(w, secrets)).join(" ");
}

function isScript(word: Word): word is Script {
  return typeof word === "object" && "text" in word;
}

/** JavaScript's own escapes of `${` and of a backtick are taken back; all other backslashes are the shell's. */
function literal(part: string): string {
  return part.replaceAll("\\${", "${").replaceAll("\\`", "`");
}

/** Builds a script; every interpolated value is quoted with POSIX single quotes. */
export function sh(parts: TemplateStringsArray, ...words: Word[]): Script {
  const secrets: string[] = [];
  const text = parts.raw.reduce(
    (all, part, i) => all + (i === 0 ? "" : expand(words[i - 1] ?? "", secrets)) + literal(part),
    "",
  );
  return { text, secrets };
}

/** A text that is a script already, such as one that was composed line by line. Quote values before you come here. */
export function rawScript(text: string, secrets: readonly string[] = []): Script {
  return { text, secrets };
}
