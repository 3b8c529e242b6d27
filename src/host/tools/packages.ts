/** Parses lines of `name version`. */
export function parsePackages(text: string): Map<string, string> {
  return new Map(
    text.split("\n").flatMap((line) => {
      const [name, version] = line.trim().split(" ");
      return name && version ? [[name, version] as const] : [];
    }),
  );
}
