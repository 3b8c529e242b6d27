import type { Link } from "./link.ts";

/** A share of a connection to a jump host; the connection ends with its last share. */
export interface Share {
  link: Link;
  release(): void;
}

interface Shared {
  opening: Promise<Link>;
  shares: number;
}

const open = new Map<string, Shared>();

/**
 * A share of the one connection to a jump host, opened where there is none. One that could not be opened, or has ended, is
 * opened anew for who comes next.
 */
export async function shareOf(key: string, connect: () => Promise<Link>): Promise<Share> {
  const shared = open.get(key) ?? begin(key, connect);
  shared.shares += 1;
  let isReleased = false;
  const release = () => {
    if (isReleased) return;
    isReleased = true;
    shared.shares -= 1;
    if (shared.shares > 0) return;
    forget(key, shared);
    void shared.opening.then(
      (link) => link.close(),
      () => {},
    );
  };
  try {
    return { link: await shared.opening, release };
  } catch (error) {
    release();
    throw error;
  }
}

function begin(key: string, connect: () => Promise<Link>): Shared {
  const shared: Shared = { opening: connect(), shares: 0 };
  open.set(key, shared);
  const gone = () => forget(key, shared);
  void shared.opening.then((link) => link.ended.then(gone), gone);
  return shared;
}

function forget(key: string, shared: Shared): void {
  if (open.get(key) === shared) open.delete(key);
}
