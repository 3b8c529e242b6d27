import { tame } from "../paint.ts";

/** A piece of a page. Whatever is put into one is text and cannot become anything else; only other pieces stay what they are. */
export class Html {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

export type Content = string | number | Html | false | undefined | readonly Content[];

/** html`<td class="${name}">${words}</td>`: an attribute's value has to stand in double quotes. */
export function html(parts: TemplateStringsArray, ...values: readonly Content[]): Html {
  return new Html(parts.map((part, i) => part + markup(values[i])).join(""));
}

/** A template of our own, such as a style sheet, as it is; never what comes from elsewhere. */
export function asIs(parts: TemplateStringsArray): Html {
  return new Html(parts.join(""));
}

function markup(value: Content): string {
  if (value === undefined || value === false) return "";
  if (value instanceof Html) return value.text;
  if (typeof value === "object") return value.map(markup).join("");
  return escaped(String(value));
}

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** The text as HTML and XML show it; what is no character of theirs is shown as what it is. */
export function escaped(text: string): string {
  return tame(text.replaceAll(/\p{Surrogate}/gu, "\ufffd"))
    .replaceAll(/[\ufffe\uffff]/g, "\ufffd")
    .replaceAll(/[&<>"']/g, (char) => entities[char] ?? char);
}
