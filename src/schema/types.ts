import {
  type TLiteral,
  type TObject,
  type TSchema,
  type TString,
  type TUnion,
  type TUnsafe,
  Type,
} from "typebox";
import type { Script, Secret } from "../host/sh.ts";

interface Words {
  description?: string;
  default?: string;
}

/** A network address with its prefix, host bits clear: `192.168.100.0/24`. */
export function Cidr(words: Words = {}): TString {
  return Type.String({ ...words, format: "cidr" });
}

/** An interface's address with the prefix of its network: `192.168.100.1/24`. */
export function InterfaceCidr(words: Words = {}): TString {
  return Type.String({ ...words, format: "interface-cidr" });
}

/** An IPv6 network, host bits clear, as `ip` prints it: `fd00:30:100::/64`. */
export function Cidr6(words: Words = {}): TString {
  return Type.String({ ...words, format: "cidr6" });
}

/** A network of either family, host bits clear. */
export function AnyCidr(words: Words = {}): TString {
  return Type.String({ ...words, format: "any-cidr" });
}

/** An IPv6 address as `ip` prints it. */
export function Ipv6(words: Words = {}): TString {
  return Type.String({ ...words, format: "ipv6-address" });
}

/** An address of either family. */
export function AnyIp(words: Words = {}): TString {
  return Type.String({ ...words, format: "any-address" });
}

/** An IPv4 address. */
export function Ipv4(words: Words = {}): TString {
  return Type.String({ ...words, format: "ipv4-address" });
}

export function AbsolutePath(words: Words = {}): TString {
  return Type.String({ ...words, format: "absolute-path" });
}

/** A file of the controller: relative to where it is written, or to this package. */
export function LocalPath(words: Words = {}): TString {
  return Object.assign(Type.String({ ...words }), { localPath: true });
}

/** Marks a value that appears in no output, event, journal or process list. */
export function secret<T extends TSchema>(schema: T): T {
  return Object.assign(schema, { secret: true });
}

/** A `Secret` as a task's parameter, such as one that a fact read on a host. */
export function SecretValue(words: Omit<Words, "default"> = {}): TUnsafe<Secret> {
  return secret(Type.Unsafe<Secret>({ ...words, type: "object" }));
}

/** An address from which a file can be fetched, without a password in it. */
export function DownloadUrl(words: Words = {}): TString {
  return Type.String({ ...words, format: "download-url" });
}

export function Sha256(words: Words = {}): TString {
  return Type.String({ ...words, format: "sha256" });
}

/** A script of `` sh`…` ``, whose values are quoted. */
export function ShellScript(words: Words = {}): TUnsafe<Script> {
  const properties = { text: Type.String(), secrets: Type.Array(Type.String()) };
  return Type.Unsafe<Script>({ ...words, type: "object", properties, required: ["text", "secrets"] });
}

/** Who fetches an archive. */
export function FetchedBy(words: Words = {}): TUnion<[TLiteral<"host">, TLiteral<"controller">]> {
  return Type.Union([Type.Literal("host"), Type.Literal("controller")], { ...words });
}

/** An archive: where it lies, what it has to be, and who fetches it. */
export function ArchiveSource(words: Words = {}): TObject<{
  url: TString;
  sha256: TString;
  fetch: ReturnType<typeof FetchedBy>;
}> {
  const properties = { url: DownloadUrl(), sha256: Sha256(), fetch: FetchedBy() };
  return Type.Object(properties, { ...words, additionalProperties: false });
}
