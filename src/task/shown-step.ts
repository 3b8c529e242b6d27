/** A change as a person reads it; free of secrets. */
export interface ShownStep {
  kind: string;
  /** The resource: `route 192.168.200.0/24`. */
  what: string;
  /** What is there now; null when nothing is. */
  from: string | null;
  /** What will be there; null when it goes away. */
  to: string | null;
  /** For a file: the whole text before and after, for a unified diff. */
  diff?: { path: string; before: string; after: string };
  irreversible?: string;
}
