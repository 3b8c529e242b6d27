/** Where the journal lies on a host, for root only. */
export const journalFolder = "/var/lib/causeway";
