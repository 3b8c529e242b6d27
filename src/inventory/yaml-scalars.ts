import type { ScalarTag } from "yaml";

/** YAML 1.1's scalars as PyYAML resolves them: `yes`, `0644`, `1_000` and `12:30` are values, `1e3` is a text. */
const resolvers: readonly [tag: string, test: RegExp, value: (text: string) => unknown][] = [
  ["null", /^(?:~|null|Null|NULL|)$/, () => null],
  [
    "bool",
    /^(?:yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF)$/,
    (text) => /^(?:yes|true|on)$/i.test(text),
  ],
  ["int", /^[-+]?(?:0b[01_]+|0x[\da-fA-F_]+|0[0-7_]+|0|[1-9][\d_]*|[1-9][\d_]*(?::[0-5]?\d)+)$/, wholeNumber],
  [
    "float",
    /^(?:[-+]?\d[\d_]*\.[\d_]*(?:[eE][-+]\d+)?|\.\d[\d_]*(?:[eE][-+]\d+)?|[-+]?\d[\d_]*(?::[0-5]?\d)+\.[\d_]*|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$/,
    (text) => fraction(text),
  ],
];

export const scalarTags: ScalarTag[] = resolvers.map(([name, test, value]) => ({
  tag: `tag:yaml.org,2002:${name}`,
  default: true,
  test,
  resolve: value,
}));

/** A whole number; one that JavaScript would round stays the text that it is. */
function wholeNumber(text: string): number | string {
  const plain = text.replaceAll("_", "").replace(/^\+/, "");
  const sign = plain.startsWith("-") ? -1 : 1;
  const digits = plain.replace("-", "");
  const number = digits.includes(":")
    ? digits.split(":").reduce((sum, part) => sum * 60 + Number(part), 0)
    : /^0[0-7]+$/.test(digits)
      ? Number.parseInt(digits, 8)
      : Number(digits);
  return Number.isSafeInteger(number) ? sign * number || 0 : text;
}

function fraction(text: string): number {
  const plain = text.replaceAll("_", "").replace(/^\+/, "").toLowerCase();
  if (plain.endsWith(".nan")) return Number.NaN;
  if (plain.endsWith(".inf")) return plain.startsWith("-") ? -Infinity : Infinity;
  if (!plain.includes(":")) return Number(plain);
  const sign = plain.startsWith("-") ? -1 : 1;
  return (
    sign *
    plain
      .replace("-", "")
      .split(":")
      .reduce((sum, part) => sum * 60 + Number(part), 0)
  );
}
