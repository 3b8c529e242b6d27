/** A word of a line, and the column in which it begins, from 1. */
export interface Word {
  text: string;
  column: number;
}

/**
 * A line as Python's `shlex.split` takes it apart, with comments: quotes and backslashes as in a shell, and what follows a `#`
 * outside of quotes is left out. Undefined where a quote is not closed.
 */
export function shellWords(line: string): Word[] | undefined {
  const words: Word[] = [];
  let word: Word | undefined;
  const add = (column: number, text: string) => {
    word ??= { text: "", column };
    word.text += text;
  };
  for (let i = 0; i < line.length; i += 1) {
    const char = line.charAt(i);
    if (/\s/.test(char)) {
      if (word) words.push(word);
      word = undefined;
    } else if (char === "#") break;
    else if (char === "\\") {
      i += 1;
      if (i >= line.length) return undefined;
      add(i, line.charAt(i));
    } else if (char === '"' || char === "'") {
      const end = endOfQuote(line, i);
      if (end < 0) return undefined;
      const inside = line.slice(i + 1, end);
      add(i + 1, char === '"' ? inside.replaceAll(/\\(["\\])/g, "$1") : inside);
      i = end;
    } else add(i + 1, char);
  }
  return word ? [...words, word] : words;
}

/** Where the quote that begins at a place is closed; -1 where it is not. */
function endOfQuote(line: string, start: number): number {
  const quote = line.charAt(start);
  for (let i = start + 1; i < line.length; i += 1) {
    if (quote === '"' && line.charAt(i) === "\\") i += 1;
    else if (line.charAt(i) === quote) return i;
  }
  return -1;
}
