/** An error as Node's own sockets give it when nobody answers. */
export function timedOut(where: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`no answer from ${where}`), { code: "ETIMEDOUT" });
}

/** Gives up what is not there by the deadline, a time as `Date.now()` has it. */
export async function within<T>(deadline: number, where: string, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(timedOut(where)), Math.max(1, deadline - Date.now()));
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}
