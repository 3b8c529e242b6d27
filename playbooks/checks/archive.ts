import {
  type Archive,
  CausewayError,
  DownloadUrl,
  FetchedBy,
  type Fleet,
  given,
  Sha256,
  Type,
  together,
} from "causeway";

function parts(name: string, programs: string) {
  return {
    url: Type.Optional(
      DownloadUrl({
        description: `an archive with ${programs} (.tar.gz, .zip); without it, the package is installed`,
      }),
    ),
    sha256: Type.Optional(Sha256({ description: `the checksum of the archive at ${name}_url` })),
    fetch: FetchedBy({
      default: "host",
      description: "who downloads the archive; controller: for hosts without internet access",
    }),
  };
}

type Parts = ReturnType<typeof parts>;

/** The three variables by which software comes out of an archive: `etcd_url`, `etcd_sha256`, `etcd_fetch`. */
export function archiveVars<N extends string>(name: N, programs: string) {
  const named = Object.entries(parts(name, programs)).map(([part, schema]) => [`${name}_${part}`, schema]);
  return Object.fromEntries(named) as { [P in keyof Parts as `${N}_${P}`]: Parts[P] };
}

/** The archive that these variables name, as tasks take it. */
export function archiveOf(vars: object, name: string): { archive?: Archive } {
  const { url, sha256, fetch } = partsOf(vars, name);
  return url === undefined || sha256 === undefined ? {} : { archive: { url, sha256, fetch } };
}

/** An archive without a checksum could be anything, a checksum without an archive does nothing. */
export function incompleteArchives<V extends object, F>(fleet: Fleet<V, F>, name: string): CausewayError[] {
  const half = fleet.hosts.find(({ vars }) => {
    const { url, sha256 } = partsOf(vars, name);
    return (url === undefined) !== (sha256 === undefined);
  });
  if (!half) return [];
  const { url } = partsOf(half.vars, name);
  const both = [`${name}_url`, `${name}_sha256`] as const;
  const [has, misses] = url === undefined ? both.toReversed() : both;
  return [
    new CausewayError("variables", `${has} is given without ${misses}`, {
      ...together(...both.map((part) => given(half, part as keyof V & string))),
      host: half.name,
      expected: `${name}_url and ${name}_sha256, or neither`,
      advice: `take the checksum from its publisher, or from sha256sum on an archive that you trust`,
    }),
  ];
}

function partsOf(vars: object, name: string) {
  const all = vars as Readonly<Record<string, unknown>>;
  return {
    url: all[`${name}_url`] as string | undefined,
    sha256: all[`${name}_sha256`] as string | undefined,
    fetch: all[`${name}_fetch`] as Archive["fetch"],
  };
}
