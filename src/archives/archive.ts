/** A .tar.gz, a .zip or a bare program, by its address and its checksum. */
export interface Archive {
  url: string;
  sha256: string;
  /** Who downloads it: the host itself or, for hosts without internet access, the controller, which sends the files that they need. */
  fetch: "host" | "controller";
}

/** A file in an archive that the controller fetches and unpacks when a step needs it. */
export interface ArchiveMember {
  archive: Archive;
  /** Its path in the archive, or the last part of it where only one file has that. */
  member: string;
}
