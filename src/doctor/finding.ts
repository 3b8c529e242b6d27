/** One thing that was looked at. */
export interface Finding {
  /** `Docker`, `clock`. */
  about: string;
  /** `missing`: a run fails without it; `warning`: it may. */
  level: "ok" | "warning" | "missing";
  found: string;
  /** What to do, as one could paste it on this machine; of a host, on that host. */
  fix?: string;
}

/** What was looked at together. */
export interface Section {
  title: string;
  findings: readonly Finding[];
}

/** A finding on hosts: several that found the same are one. */
export interface HostFinding extends Finding {
  host: string;
}
