/** What is not a literal of Python. */
class NoLiteral extends Error {}

/**
 * A value as Python's `ast.literal_eval` reads it, for Ansible's INI inventories hold such: `5`, `True`, `None`, `'x'`,
 * `[1, 2]`, `{'a': 1}`. Whatever is no literal is the text itself, as in Ansible: `true`, `10.0.0.1`, `0644`, `a b`. So is a
 * whole number that JavaScript would round, and a set.
 */
export function pythonLiteral(text: string): unknown {
  try {
    return new Reader(text).whole();
  } catch (error) {
    if (error instanceof NoLiteral) return text;
    throw error;
  }
}

const constants = new Map<string, unknown>([
  ["True", true],
  ["False", false],
  ["None", null],
]);

class Reader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text.replace(/^[ \t]+/, "");
  }

  /** The value, with nothing but a comment behind it; several with commas between them are a tuple. */
  whole(): unknown {
    const first = this.#value();
    const isTuple = this.#is(",");
    const all = isTuple ? [first, ...this.#items("")] : first;
    this.#space();
    if (this.#at < this.#text.length && this.#text.charAt(this.#at) !== "#") throw new NoLiteral();
    return all;
  }

  #value(): unknown {
    this.#space();
    const char = this.#text.charAt(this.#at);
    if (char === "[") return this.#within("[", "]");
    if (char === "(") return this.#parentheses();
    if (char === "{") return this.#mapping();
    const text = this.#strings();
    if (text !== undefined) return text;
    return this.#number() ?? this.#constant();
  }

  #within(open: string, close: string): unknown[] {
    this.#expect(open);
    const items = this.#items(close);
    this.#expect(close);
    return items;
  }

  /** Values with commas between them, up to what closes them; the last comma may be the last character. */
  #items(close: string): unknown[] {
    const items: unknown[] = [];
    while (!this.#ends(close)) {
      items.push(this.#value());
      if (!this.#is(",")) break;
    }
    return items;
  }

  #ends(close: string): boolean {
    this.#space();
    const char = this.#text.charAt(this.#at);
    return char === close || (close === "" && char === "#");
  }

  #parentheses(): unknown {
    this.#expect("(");
    if (this.#is(")")) return [];
    const first = this.#value();
    if (this.#is(")")) return first;
    this.#expect(",");
    const items = this.#items(")");
    this.#expect(")");
    return [first, ...items];
  }

  #mapping(): Record<string, unknown> {
    this.#expect("{");
    const pairs: [string, unknown][] = [];
    while (!this.#ends("}")) {
      const key = this.#value();
      this.#expect(":");
      pairs.push([String(key), this.#value()]);
      if (!this.#is(",")) break;
    }
    this.#expect("}");
    return Object.fromEntries(pairs);
  }

  /** Strings one behind the other are one. */
  #strings(): string | undefined {
    let all: string | undefined;
    for (;;) {
      this.#space();
      const [begin, prefix = "", quote = ""] =
        /^([rRuUbB]?|[rR][bB]|[bB][rR])('''|"""|'|")/.exec(this.#text.slice(this.#at, this.#at + 6)) ?? [];
      if (begin === undefined) return all;
      const start = this.#at + begin.length;
      const end = this.#endOf(quote, start);
      const inside = this.#text.slice(start, end);
      this.#at = end + quote.length;
      all = (all ?? "") + (/r/i.test(prefix) ? inside : unescaped(inside));
    }
  }

  #endOf(quote: string, start: number): number {
    for (let i = start; i < this.#text.length; i += 1) {
      if (this.#text.charAt(i) === "\\") i += 1;
      else if (this.#text.startsWith(quote, i)) return i;
    }
    throw new NoLiteral();
  }

  #number(): number | undefined {
    const [all, sign = "", digits = ""] =
      /^([-+]?)\s*(0[xX][\da-fA-F_]+|0[oO][0-7_]+|0[bB][01_]+|(?:\d[\d_]*)?\.?\d[\d_]*(?:[eE][-+]?\d+)?|\d[\d_]*\.?(?:[eE][-+]?\d+)?)/.exec(
        this.#text.slice(this.#at),
      ) ?? [];
    if (all === undefined) return undefined;
    const isWhole = !/[.eE]/.test(digits) || /^0[xX]/.test(digits);
    if (/__|_$|_\.|\._/.test(digits) || (isWhole && /^0[\d_]*[1-9]/.test(digits))) throw new NoLiteral();
    this.#at += all.length;
    // `10.0.0.1` is `10.0` and more.
    if (/[\w.]/.test(this.#text.charAt(this.#at))) {
      if (this.#text.charAt(this.#at) !== "." || !isWhole) throw new NoLiteral();
      this.#at += 1;
      if (/[\w.]/.test(this.#text.charAt(this.#at))) throw new NoLiteral();
    }
    const number = Number(digits.replaceAll("_", ""));
    if (isWhole && !Number.isSafeInteger(number)) throw new NoLiteral();
    return sign === "-" && number !== 0 ? -number : number;
  }

  #constant(): unknown {
    const [word = ""] = /^\w+/.exec(this.#text.slice(this.#at)) ?? [];
    if (!constants.has(word)) throw new NoLiteral();
    this.#at += word.length;
    return constants.get(word);
  }

  #space(): void {
    while (/[ \t\f]/.test(this.#text.charAt(this.#at))) this.#at += 1;
  }

  #is(char: string): boolean {
    this.#space();
    if (this.#text.charAt(this.#at) !== char) return false;
    this.#at += 1;
    return true;
  }

  #expect(char: string): void {
    if (!this.#is(char)) throw new NoLiteral();
  }
}

const escapes: Readonly<Record<string, string>> = {
  n: "\n",
  t: "\t",
  r: "\r",
  a: "\x07",
  b: "\b",
  f: "\f",
  v: "\v",
  "\\": "\\",
  "'": "'",
  '"': '"',
};

/** Backslashes as in Python, where one before anything else stays. */
function unescaped(text: string): string {
  return text.replaceAll(
    /\\(x[\da-fA-F]{2}|u[\da-fA-F]{4}|U[\da-fA-F]{8}|[0-7]{1,3}|[\s\S])/g,
    (all, code: string) => {
      if (/^[xuU]./.test(code)) return String.fromCodePoint(Number.parseInt(code.slice(1), 16));
      if (/^[0-7]/.test(code)) return String.fromCodePoint(Number.parseInt(code, 8));
      return escapes[code] ?? all;
    },
  );
}
